"""The callback that internalizes: it owns what is learned from the caregiver, and when."""

from __future__ import annotations

import os
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from stable_baselines3 import HerReplayBuffer
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.buffers import ReplayBuffer
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.off_policy_algorithm import OffPolicyAlgorithm
from stable_baselines3.common.vec_env import VecEnv

from sb3_isr.callbacks.checkpoint import Algorithm, load_model, newest_checkpoint, restore_generators, save_checkpoint
from sb3_isr.callbacks.connection import Connection
from sb3_isr.callbacks.relabeling import ReplayRelabeler
from sb3_isr.common.dotted_names import named
from sb3_isr.common.spaces import Array
from sb3_isr.isr.model import InternalSocialReward
from sb3_isr.isr.training import TrainingMetrics, fit
from sb3_isr.labels.store import LabelBatch, LabelStore, Unlabelled, joined
from sb3_isr.schedules.presence import PresenceSchedule, attendance_probability, presence_schedule
from sb3_isr.schedules.queries import Ask, AskAlways, Asker, AskWhenUnsure, asking
from sb3_isr.wrappers.composer import Sums

_CLASSES = ("features_extractor_class", "activation_fn", "optimizer_class")
#: Off-policy, labels wait in the wrapper for at most so many calls of the environments' ``step``.
MOST_STEPS = 256


@dataclass
class Clock:
    """Where internalization stands. SB3's own counters start again with each ``learn``."""

    probability: float = 1.0
    n_trainings: int = 0
    steps_since_training: int = 0
    labels_at_training: int = 0
    is_trained: bool = False
    steps_since_checkpoint: int = 0


class Listener(Protocol):
    """What can be told of the learner's transitions."""

    def attend(self, social_rewards: Array) -> object:
        """What the caregiver gave for what it attended, float32 ``[n]``."""

    def miss(self, missed: Unlabelled) -> object:
        """What the learner did without the caregiver."""

    def state(self) -> Any:
        """What a checkpoint is to hold of it."""

    def restore(self, state: Any) -> object:
        """Go on from what a checkpoint held."""


class ISRCallback(BaseCallback):
    """
    While the caregiver is present, its labels train an ISR; when it is absent, the ISR rewards in its place.

    The training environment must be wrapped in :class:`~sb3_isr.VecISRReward` (or each of its environments in
    :class:`~sb3_isr.ISRRewardWrapper`). The ISR is trained at each departure, that is when the probability of the
    caregiver's presence first falls below 1 and whenever it falls to 0, besides every ``train_every`` steps, and
    whenever the caregiver was called back.

    :param presence: Presence schedule or its text: ``always``, ``never``, ``leave_at_0.5``, ``fade_0.25_0.75``,
        ``visits_0.5_0.1_0.01``; the numbers are fractions of training. Drawn for each environment at each episode's
        start.
    :param ask: Which transitions become labels: ``ask_always``, ``ask_at_random_500``, ``ask_when_unsure_500`` (the
        number is the most labels in all), or one of :class:`~sb3_isr.AskAlways`, :class:`~sb3_isr.AskAtRandom` and
        :class:`~sb3_isr.AskWhenUnsure`. While the caregiver attends, it rewards the learner whatever it is asked.
    :param isr: An ISR that was trained before, or the path of its file. By default a new one is made.
    :param isr_kwargs: Arguments of :class:`~sb3_isr.InternalSocialReward` for the new one. For YAML, its classes may be
        given by their dotted names.
    :param coefficient: ``R_i`` is multiplied by it; with 0 the learner in autonomy has ``R_e`` alone.
    :param train_every: Train the ISR also every so many environment steps, if there are new labels.
    :param relabel: Off-policy only: after each training, exchange the internal rewards in the replay buffer for those
        that the ISR gives now. What the caregiver gave is left as it is.
    :param checkpoint_dir: Folder for checkpoints of learner, ISR, labels and all; see :meth:`resume`.
    :param checkpoint_every: Write one every so many environment steps, at the next start of a rollout.
    :param gradient_steps: Gradient steps of each training.
    :param batch_size: Labels in a batch.
    :param capacity: The most labels that are held; beyond it the oldest are overwritten.
    :param held_out: Each label's probability of being held out of training, in [0, 1).
    :param seed: Seeds the ISR's weights, its batches and the caregiver's presence. By default the model's seed.
    :param verbose: 1 to print each training of the ISR.
    """

    #: The model; made when training starts, unless one was given.
    isr: InternalSocialReward
    #: The labels; made when training starts.
    store: LabelStore

    def __init__(
        self,
        presence: str | PresenceSchedule = "leave_at_0.5",
        ask: str | Ask = "ask_always",
        isr: InternalSocialReward | str | os.PathLike[str] | None = None,
        isr_kwargs: dict[str, Any] | None = None,
        coefficient: float = 1.0,
        train_every: int | None = None,
        relabel: bool = False,
        checkpoint_dir: str | os.PathLike[str] | None = None,
        checkpoint_every: int = 10_000,
        gradient_steps: int = 2000,
        batch_size: int = 256,
        capacity: int = 200_000,
        held_out: float = 0.1,
        seed: int | None = None,
        verbose: int = 0,
    ) -> None:
        super().__init__(verbose)
        if isr is not None and isr_kwargs is not None:
            raise ValueError("isr_kwargs describe a new ISR, but isr is given too; leave one of them out.")
        for name, steps in (("train_every", train_every), ("checkpoint_every", checkpoint_every)):
            if steps is not None and steps < 1:
                raise ValueError(f"{name} must be a number of steps, 1 or more, got {steps!r}.")
        if not np.isfinite(coefficient):
            raise ValueError(f"coefficient must be finite, got {coefficient!r}.")
        self.presence = presence_schedule(presence)
        self.ask = asking(ask)
        self.coefficient = coefficient
        self.train_every = train_every
        self.checkpoint_dir = None if checkpoint_dir is None else Path(checkpoint_dir)
        self.checkpoint_every = checkpoint_every
        self.gradient_steps = gradient_steps
        self.batch_size = batch_size
        self.seed = seed
        self._given_isr = isr
        self._isr_kwargs = {
            key: named(value) if key in _CLASSES and isinstance(value, str) else value
            for key, value in (isr_kwargs or {}).items()
        }
        self._store_kwargs: dict[str, Any] = {"capacity": capacity, "held_out": held_out}
        self._relabel = relabel
        self._clock = Clock(is_trained=isr is not None)
        #: Are told, once a rollout or so, what the learner did with the caregiver and without.
        self.listeners: list[Listener] = []
        self._has_heard = False
        self._has_warned = False
        self._connection: Connection
        self._relabeler: ReplayRelabeler | None = None
        self._asker: Asker | None = None
        self._rngs: list[np.random.Generator] | None = None
        self._generators: dict[str, Any] | None = None

    @classmethod
    def can_resume(cls, checkpoint_dir: str | os.PathLike[str]) -> bool:
        """
        :param checkpoint_dir: Where checkpoints were written.
        :return: Whether there is one.
        """
        return newest_checkpoint(checkpoint_dir) is not None

    def resume(self, algorithm: type[Algorithm], env: VecEnv, **kwargs: Any) -> Algorithm:
        """
        Go on from the newest checkpoint in ``checkpoint_dir``. Then call ``learn`` with ``reset_num_timesteps=False``
        and the steps that are left, ``total - model.num_timesteps``.

        :param algorithm: The learner's class.
        :param env: Training environments, built as they were. Those that can be pickled go on in mid-episode.
        :param kwargs: Passed to the learner's ``load``.
        :return: The learner.
        :raises FileNotFoundError: If there is no checkpoint.
        """
        path = None if self.checkpoint_dir is None else newest_checkpoint(self.checkpoint_dir)
        if path is None:
            raise FileNotFoundError(
                f"To resume there must be a checkpoint in checkpoint_dir, got {self.checkpoint_dir}; "
                "ask can_resume(checkpoint_dir) first, and start anew where there is none."
            )
        model, state = load_model(path, algorithm, env, **kwargs)
        self.init_callback(model)
        self._read_learned(path)
        self._rngs, self._clock, self._generators = state["rngs"], state["clock"], state["generators"]
        self._asker = state["asker"]
        for listener, of_listener in zip(self.listeners, state["listeners"], strict=True):
            listener.restore(of_listener)
        if self._relabeler is not None:
            self._relabeler.stored = state["relabeler"]
        return model

    def _init_callback(self) -> None:
        _refuse_what_rewards_do_not_reach(self.model)
        self._is_off_policy = isinstance(self.model, OffPolicyAlgorithm)
        self._connection = Connection(self.training_env)
        if self._rngs is None:
            self._make_parts()
        self.isr.check_spaces(*self._connection.spaces())
        if self._relabel and self._relabeler is None:
            self._relabeler = ReplayRelabeler(self.model, self.isr)

    def _make_parts(self) -> None:
        spaces = self._connection.spaces()
        seeds = np.random.SeedSequence(self.model.seed if self.seed is None else self.seed)
        isr_seed, store_seed, self._fit_seed, ask_seed = (int(number) for number in seeds.generate_state(4))
        self._rngs = [np.random.default_rng(child) for child in seeds.spawn(self._connection.n_envs)]
        if isinstance(self._given_isr, InternalSocialReward):
            self.isr = self._given_isr
        elif self._given_isr is not None:
            self.isr = InternalSocialReward.load(self._given_isr, device=self.model.device)
        else:
            kwargs = {"seed": isr_seed, "device": self.model.device, **self._isr_kwargs}
            self.isr = InternalSocialReward(*spaces, **kwargs)
        self.store = LabelStore(*spaces, **self._store_kwargs, seed=store_seed)
        if not isinstance(self.ask, AskAlways):
            self._asker = Asker(self.ask, self.presence, np.random.default_rng(ask_seed))
        if isinstance(self.ask, AskWhenUnsure) and self.isr.n_members == 1:
            raise ValueError(
                f"An ISR of one member is never unsure, got n_members=1 with {self.ask!r}; give it several: "
                'isr_kwargs={"n_members": 5}.'
            )

    def _on_training_start(self) -> None:
        assert self._rngs is not None
        self._follow_presence()
        self._connection.connect(
            self.isr.predict,
            self._clock.probability,
            self.coefficient,
            self._rngs,
            keeps_unlabelled=bool(self._asker or self.listeners),
        )

    def _on_rollout_start(self) -> None:
        # The one moment at which SB3 holds no half-stored transition and no half-filled rollout.
        if self._generators is not None:
            restore_generators(self.model, self._generators)
            self._generators = None
        if self.checkpoint_dir is not None and self._clock.steps_since_checkpoint >= self.checkpoint_every:
            self._clock.steps_since_checkpoint = 0
            self._collect_labels()
            save_checkpoint(self.checkpoint_dir, self.model, self._write_checkpoint)

    def _on_step(self) -> bool:
        self._clock.steps_since_training += self._connection.n_envs
        self._clock.steps_since_checkpoint += self._connection.n_envs
        if self._follow_presence():
            self._update()
        # SB3's off-policy rollouts are a step or so; it logs at some episode's end, right after this.
        if self._is_off_policy and (self.n_calls % MOST_STEPS == 0 or self.locals["dones"].any()):
            self._collect()
        if self._relabeler is not None:  # last: SB3 has not stored this step yet, over what a training may relabel
            self._relabeler.note(self._replay_buffer(), self._connection.last_internal_rewards())
        return True

    def _follow_presence(self) -> bool:
        """Train the ISR if the caregiver leaves or it is time, and say whether the wrappers must hear of anything."""
        clock = self._clock
        before, clock.probability = clock.probability, attendance_probability(self.presence, self._progress_remaining())
        leaves = clock.probability < before and (before == 1.0 or clock.probability == 0.0)
        is_due = self.train_every is not None and clock.steps_since_training >= self.train_every
        if leaves or is_due:
            self._collect_labels()
            if leaves:
                self._check_departure()
            if self.store.n_added > clock.labels_at_training:
                self.train()
        return leaves or is_due or clock.probability != before

    def _on_rollout_end(self) -> None:
        if not self._is_off_policy:
            self._collect()

    def _on_training_end(self) -> None:
        self._collect_labels()
        self._connection.disconnect()
        self._rngs = self._connection.rngs()

    def train(self) -> TrainingMetrics:
        """
        Train the ISR on the labels given so far, now, whatever the schedule says.

        :return: How well it went.
        """
        clock = self._clock
        seed = self._fit_seed + clock.n_trainings
        metrics = fit(self.isr, self.store, self.gradient_steps, self.batch_size, seed=seed)
        clock.n_trainings += 1
        clock.steps_since_training = 0
        clock.labels_at_training = self.store.n_added
        clock.is_trained = True
        if self._relabeler is not None:
            self._relabeler.relabel(self._replay_buffer(), self.isr, self.coefficient)
        self.logger.record("isr/train_loss", metrics.train_loss)
        self.logger.record("isr/held_out_mse", metrics.held_out_mse)
        if self.verbose >= 1:
            print(
                f"ISR trained at step {self.num_timesteps} on {metrics.n_labels} labels: "
                f"held-out MSE {metrics.held_out_mse:.2g}"
            )
        return metrics

    def call_back(self, n_labels: int) -> None:
        """
        Call the caregiver back now, and train the ISR on what it says; for nothing if the budget is used up.

        :param n_labels: For how many labels.
        :raises ValueError: If there is no budget for call-backs.
        """
        self.check_call_back()
        assert self._asker is not None
        self._learn_from(self._asker.call_now(n_labels, self.isr))

    def check_call_back(self) -> None:
        """
        :raises ValueError: If there is no budget for call-backs.
        """
        if self._asker is None or not self._asker.n_for_calls:
            raise ValueError(
                f"To call the caregiver back, there must be labels left for it, got ask={self.ask!r} with "
                f'{self.presence!r}; write ISRCallback("leave_at_0.5", ask="ask_when_unsure_500"), say.'
            )

    def weigh(self, coefficient: float) -> None:
        """
        :param coefficient: ``R_i`` is multiplied by it from now on.
        """
        self.coefficient = coefficient
        self._update()

    def _progress_remaining(self) -> float:
        # SB3 updates its own progress only once a rollout, and would let the caregiver leave late.
        # The last rollout overshoots.
        return max(0.0, 1.0 - self.model.num_timesteps / max(1, self.model._total_timesteps))

    def _check_departure(self) -> None:
        calls_back = self._asker is not None and self._asker.n_for_calls > 0
        if not self._clock.is_trained and self.coefficient and len(self.store) == 0 and not calls_back:
            raise ValueError(
                "The caregiver must give labels before it leaves, but there is none and it leaves at step "
                f"{self.model.num_timesteps} ({self.presence!r}). Let it stay longer, see that "
                "info['social_reward'] is written (by SocialRewardWrapper, say), or give an ISR that was trained "
                "before: ISRCallback(isr=...)."
            )

    def _write_checkpoint(self, folder: Path) -> dict[str, Any]:
        self._write_learned(folder)
        relabeler = None if self._relabeler is None else self._relabeler.stored
        return {
            "rngs": self._connection.rngs(),
            "clock": self._clock,
            "relabeler": relabeler,
            "asker": self._asker,
            "listeners": [listener.state() for listener in self.listeners],
        }

    def _write_learned(self, folder: Path) -> None:
        self.isr.save(folder / "isr.safetensors")
        torch.save(self.isr.optimizer.state_dict(), folder / "isr_optimizer.pt")
        self.store.save(folder / "labels.npz")

    def _read_learned(self, folder: Path) -> None:
        extractor = type(self.isr.features_extractor)
        self.isr = InternalSocialReward.load(
            folder / "isr.safetensors",
            extractor,
            self.isr.device,
            activation_fn=self.isr.activation_fn,
            optimizer_class=type(self.isr.optimizer),
        )
        self.isr.optimizer.load_state_dict(torch.load(folder / "isr_optimizer.pt", weights_only=True))
        self.store.load(folder / "labels.npz")

    def _replay_buffer(self) -> ReplayBuffer:
        buffer = self.model.replay_buffer  # type: ignore[attr-defined]
        assert isinstance(buffer, ReplayBuffer)
        return buffer

    def _collect(self) -> None:
        self._collect_labels()
        if self._asker is not None:
            self._learn_from(self._asker.call(1.0 - self._progress_remaining(), self.isr))
        self._log()

    def _learn_from(self, labels: LabelBatch | None) -> None:
        if labels is not None:
            self.store.add(labels)
            self.train()
            self._update()

    def _update(self) -> None:
        self._connection.update(self.isr.predict, self._clock.probability, self.coefficient)

    def _collect_labels(self) -> None:
        given = self._connection.take_labels()
        if given:
            labels = joined(given)
            self._has_heard = True
            for listener in self.listeners:
                listener.attend(labels.social_rewards)
            if self._asker is not None:
                labels = self._asker.attend(labels, 1.0 - self._progress_remaining())
            self.store.add(labels)
        for missed in self._connection.take_unlabelled():
            if self._asker is not None:
                self._asker.miss(missed)
            for listener in self.listeners:
                listener.miss(missed)

    def _log(self) -> None:
        sums = self._connection.take_sums()
        if not sums.transitions:
            return
        self.logger.record("isr/labels", self.store.n_added)
        for name in ("utility", "environment_reward", "social_reward", "presence"):
            self.logger.record_mean(f"isr/{name}", getattr(sums, name) / sums.transitions)
        absences = sums.transitions - sums.presence
        if absences:
            self.logger.record_mean("isr/internal_reward", sums.internal_reward / absences)
        if sums.episodes:
            self.logger.record_mean("isr/social_return", sums.social_return / sums.episodes)
            self._warn_if_nothing_was_said(sums)

    def _warn_if_nothing_was_said(self, sums: Sums) -> None:
        if sums.presence and not self._has_heard and not self._has_warned:
            self._has_warned = True
            warnings.warn(
                'The caregiver attended whole episodes and gave no label: no info had the key "social_reward". '
                "Wrap the environments in SocialRewardWrapper, or let them write the key.",
                stacklevel=2,
            )


def _refuse_what_rewards_do_not_reach(model: BaseAlgorithm) -> None:
    # By name: sb3-contrib is an extra.
    if any(base.__name__ == "ARS" for base in type(model).__mro__):
        raise ValueError("ARS maximizes the Monitor's reward, which no ISR wrapper changes; use another algorithm.")
    if isinstance(getattr(model, "replay_buffer", None), HerReplayBuffer):
        raise ValueError(
            "HerReplayBuffer asks the environment for rewards anew, past any ISR wrapper; use the ReplayBuffer."
        )
