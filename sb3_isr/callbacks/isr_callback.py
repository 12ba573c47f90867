"""ISRCallback: internalization as a Stable-Baselines3 callback."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import numpy as np
from stable_baselines3.common.callbacks import BaseCallback, CallbackList
from stable_baselines3.common.off_policy_algorithm import OffPolicyAlgorithm

from sb3_isr.callbacks.child import PlainChild, as_children
from sb3_isr.callbacks.connection import Connection, check_algorithm, find_connection
from sb3_isr.callbacks.internalizer import Internalizer, make_internalizer, presence_rngs
from sb3_isr.callbacks.relabeling import ReplayRelabeler
from sb3_isr.callbacks.reward_log import RewardLog
from sb3_isr.common.dotted_names import import_classes
from sb3_isr.isr.model import InternalSocialReward
from sb3_isr.isr.training import TrainingMetrics
from sb3_isr.labels.store import LabelStore
from sb3_isr.schedules.presence import PresenceSchedule, presence_schedule
from sb3_isr.schedules.queries import QuerySchedule, query_schedule

#: Off-policy, labels wait in the wrapper for at most this many calls of the environments' ``step``.
MAX_WAIT = 256


class ISRCallback(BaseCallback):
    """
    While the caregiver is present, its labels train an ISR; when it is absent, the ISR rewards the learner instead.

    The training environment must be wrapped in :class:`~sb3_isr.VecISRReward` (or each of its environments in
    :class:`~sb3_isr.ISRRewardWrapper`). The ISR is trained at each departure, that is when the probability of the
    caregiver's presence first falls below 1 and whenever it falls to 0, also every ``train_every`` steps, and after
    each round of queries.

    :param presence: Presence schedule or its text: ``always``, ``never``, ``leave_at_0.5``, ``fade_0.25_0.75``,
        ``visits_0.5_0.1_0.01``; the numbers are fractions of training. Presence is drawn for each environment at the
        start of each episode.
    :param queries: Query schedule or its text: ``all``, ``random_500``, ``uncertainty_500``; the number is the budget
        of labels. It says which transitions become labels: while the caregiver attends, it rewards the learner in any
        case.
    :param isr: An ISR that was trained before, or the path of its file. By default a new one is made.
    :param isr_kwargs: Arguments of :class:`~sb3_isr.InternalSocialReward` for the new one. For YAML, classes may be
        given by their dotted names, here and in ``trainer_kwargs``.
    :param trainer_kwargs: Arguments of :class:`~sb3_isr.ISRTrainer`: ``gradient_steps``, ``learning_rate``, ...
    :param store_kwargs: Arguments of :class:`~sb3_isr.LabelStore`: ``capacity`` and ``held_out``.
    :param coefficient: ``R_i`` is multiplied by it; with 0 the learner in autonomy has ``R_e`` alone.
    :param train_every: Train the ISR also every so many environment steps, if there are new labels.
    :param relabel: Off-policy only: after each training, replace the internal rewards in the replay buffer by those
        that the ISR gives now. What the caregiver gave is left as it is.
    :param callback: Child callbacks, one or several: :class:`~sb3_isr.HackingWatch`, :class:`~sb3_isr.ISRCheckpoint`.
    :param seed: Seeds the ISR's weights, its batches and the caregiver's presence. By default the model's seed.
    :param verbose: 1 to print each training of the ISR.
    :raises ValueError: If an argument is out of range, or ``isr`` and ``isr_kwargs`` are both given.
    """

    def __init__(
        self,
        presence: str | PresenceSchedule = "leave_at_0.5",
        queries: str | QuerySchedule = "all",
        isr: InternalSocialReward | str | os.PathLike[str] | None = None,
        isr_kwargs: dict[str, Any] | None = None,
        trainer_kwargs: dict[str, Any] | None = None,
        store_kwargs: dict[str, Any] | None = None,
        coefficient: float = 1.0,
        train_every: int | None = None,
        relabel: bool = False,
        callback: PlainChild | Sequence[PlainChild] | None = None,
        seed: int | None = None,
        verbose: int = 0,
    ) -> None:
        super().__init__(verbose)
        _check_arguments(isr, isr_kwargs, coefficient, train_every)
        self.presence = presence_schedule(presence)
        self.queries = query_schedule(queries)
        self.coefficient = coefficient
        self.train_every = train_every
        self.seed = seed
        self.children = as_children(callback)
        self._children = CallbackList(self.children)  # type: ignore[arg-type]
        for child in [self._children, *self.children]:
            child.parent = self
        self._given_isr = isr
        self._isr_kwargs = import_classes(isr_kwargs)
        self._trainer_kwargs = import_classes(trainer_kwargs)
        self._store_kwargs = store_kwargs or {}
        self._relabel = relabel
        self._reward_log = RewardLog()
        self._connection: Connection
        self._internalizer: Internalizer | None = None
        self._relabeler: ReplayRelabeler | None = None
        self._rngs: list[np.random.Generator] = []

    @property
    def internalizer(self) -> Internalizer:
        """What is learned from the caregiver; made when training starts."""
        if self._internalizer is None:
            raise ValueError("An ISRCallback makes ISR and labels when training starts, got no training; call learn.")
        return self._internalizer

    @property
    def isr(self) -> InternalSocialReward:
        """The ISR; made when training starts, unless one was given."""
        return self.internalizer.isr

    @property
    def store(self) -> LabelStore:
        """The labels; made when training starts."""
        return self.internalizer.store

    def train(self) -> TrainingMetrics:
        """
        Train the ISR on the labels given so far, now, whatever the schedule says.

        :return: How well it went.
        """
        metrics = self.internalizer.train()
        if self._relabeler is not None:
            self._relabeler.relabel(self.isr, self.coefficient)
        self.logger.record("isr/train_loss", metrics.train_loss)
        self.logger.record("isr/held_out_mse", metrics.held_out_mse)
        if self.verbose >= 1:
            print(
                f"ISR trained at step {self.num_timesteps} on {metrics.n_labels} labels: "
                f"held-out MSE {metrics.held_out_mse:.2g}"
            )
        return metrics

    def query(self, n_labels: int) -> None:
        """
        Query the caregiver now about what it did not attend, and train the ISR on its answers.

        Nothing happens if the budget is used up.

        :param n_labels: How many labels are wanted.
        :raises ValueError: If no labels are reserved for such queries.
        """
        self.internalizer.check_queries()
        self._learn_if(self.internalizer.query(n_labels))

    def set_coefficient(self, coefficient: float) -> None:
        """
        Change the weight of the internal reward.

        :param coefficient: ``R_i`` is multiplied by it from now on.
        """
        self.coefficient = coefficient
        self._update()

    def collect(self) -> None:
        """Take over what happened in the environments: labels, unattended transitions, sums of rewards."""
        records = self._connection.collect()
        for record in records:
            self._reward_log.add(record.statistics, record.labels is not None)
        self.internalizer.add(records, self._progress())

    def state_dict(self) -> dict[str, Any]:
        """
        Get what a checkpoint must hold, besides what :meth:`Internalizer.save` writes.

        :return: Objects that can be pickled.
        """
        return {
            "rngs": self._connection.rngs(),
            "internalization": self.internalizer.state,
            "queries": self.internalizer.queries,
            "relabeler": None if self._relabeler is None else self._relabeler.stored,
            "coefficient": self.coefficient,
            "reward_log": self._reward_log,
            "n_calls": [callback.n_calls for callback in (self, *self.children)],
            "children": [child.state_dict() for child in self.children],
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """
        Continue from a checkpoint.

        :param state: What :meth:`state_dict` returned.
        """
        self._rngs = state["rngs"]
        self.internalizer.state = state["internalization"]
        self.internalizer.queries = state["queries"]
        if self._relabeler is not None:
            self._relabeler.stored = state["relabeler"]
        for child, of_child in zip(self.children, state["children"], strict=True):
            child.load_state_dict(of_child)
        self.coefficient = state["coefficient"]
        self._reward_log = state["reward_log"]
        for callback, n_calls in zip((self, *self.children), state["n_calls"], strict=True):
            callback.n_calls = n_calls  # says when labels are collected

    def _init_callback(self) -> None:
        check_algorithm(self.model)
        self._is_off_policy = isinstance(self.model, OffPolicyAlgorithm)
        self._connection = find_connection(self.training_env)
        if self._internalizer is None:
            seed = self.model.seed if self.seed is None else self.seed
            self._rngs = presence_rngs(seed, self._connection.n_envs)
            self._internalizer = make_internalizer(
                self._connection.spaces(),
                self.presence,
                self.queries,
                isr=self._given_isr,
                isr_kwargs=self._isr_kwargs,
                trainer_kwargs=self._trainer_kwargs,
                store_kwargs=self._store_kwargs,
                train_every=self.train_every,
                seed=seed,
                device=self.model.device,
            )
            self._internalizer.listeners += [child for child in self.children if child.needs_transitions]
        self.isr.check_spaces(*self._connection.spaces())
        if self._relabel and self._relabeler is None:
            self._relabeler = ReplayRelabeler(self.model, self.isr)
        self._children.init_callback(self.model)

    def _on_training_start(self) -> None:
        for child in self.children:
            _ = child.isr_callback  # no parent any more if the child was passed to learn, too
        self._follow_presence(0)
        self._connection.connect(
            self.isr.predict,
            self.internalizer.state.probability,
            self.coefficient,
            self._rngs,
            self.internalizer.keeps_unattended,
        )
        self._children.on_training_start(self.locals, self.globals)

    def _on_rollout_start(self) -> None:
        self._children.on_rollout_start()

    def _on_step(self) -> bool:
        if self._follow_presence(self._connection.n_envs):
            self._update()
        # SB3's off-policy rollouts have a step or so; it logs at some episode's end, right after this.
        if self._is_off_policy and (self.n_calls % MAX_WAIT == 0 or self.locals["dones"].any()):
            self._collect_and_log()
        if self._relabeler is not None:  # last: SB3 has not stored this step yet, over what a training may relabel
            self._relabeler.record(self._connection.last_internal_rewards())
        self._children.update_locals(self.locals)
        return self._children.on_step()

    def _on_rollout_end(self) -> None:
        if not self._is_off_policy:
            self._collect_and_log()
        self._children.on_rollout_end()

    def _on_training_end(self) -> None:
        self.collect()
        self._connection.disconnect()
        self._rngs = self._connection.rngs()
        self._children.on_training_end()

    def _progress(self) -> float:
        """Fraction of training that has passed."""
        # SB3 updates its own progress only once a rollout, and would let the caregiver leave late.
        # The last rollout overshoots.
        return min(1.0, self.model.num_timesteps / max(1, self.model._total_timesteps))

    def _follow_presence(self, n_steps: int) -> bool:
        """Train the ISR if the caregiver departs or it is time; returns whether the wrappers must be updated."""
        internalizer = self.internalizer
        departs, has_changed = internalizer.advance(self._progress(), n_steps)
        is_due = internalizer.is_training_due()
        if departs or is_due:
            self.collect()
            if departs and self.coefficient:
                internalizer.check_departure(self.model.num_timesteps)
            if internalizer.has_new_labels():
                self.train()
        return departs or is_due or has_changed

    def _collect_and_log(self) -> None:
        self.collect()
        self._learn_if(self.internalizer.query_if_due(self._progress()))
        self._reward_log.write(self.logger, self.store.n_added)

    def _learn_if(self, has_labels: bool) -> None:
        if has_labels:
            self.train()
            self._update()

    def _update(self) -> None:
        self._connection.update(self.isr.predict, self.internalizer.state.probability, self.coefficient)


def _check_arguments(isr: Any, isr_kwargs: Any, coefficient: float, train_every: int | None) -> None:
    if isr is not None and isr_kwargs is not None:
        raise ValueError("isr_kwargs describe a new ISR, but isr is given too; leave one of them out.")
    if train_every is not None and train_every < 1:
        raise ValueError(f"train_every must be a number of steps, 1 or more, got {train_every!r}.")
    if not np.isfinite(coefficient):
        raise ValueError(f"coefficient must be finite, got {coefficient!r}.")
