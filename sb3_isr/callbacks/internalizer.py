"""The Internalizer: what is learned from the caregiver, without any of Stable-Baselines3's algorithms or callbacks."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import torch

from sb3_isr.isr.file_format import check_architecture
from sb3_isr.isr.file_header import Header
from sb3_isr.isr.held_out import MIN_EXPLAINED
from sb3_isr.isr.model import InternalSocialReward
from sb3_isr.isr.training import ISRTrainer, TrainingMetrics
from sb3_isr.labels.batch import LabelBatch, QueryPool
from sb3_isr.labels.store import LabelStore
from sb3_isr.schedules.presence import PresenceSchedule, attendance_probability
from sb3_isr.schedules.query_scheduler import QueryScheduler
from sb3_isr.wrappers.recorder import Record


@dataclass
class InternalizationState:
    """
    How far internalization is. SB3's own counters start again with each ``learn``.

    :param probability: That the caregiver attends an episode that starts now.
    :param steps_since_training: Environment steps since the ISR was last trained.
    :param labels_at_training: Labels that had ever been added to the store at that time.
    :param is_trained: Whether the ISR has been trained, here or before it was given.
    """

    probability: float = 1.0
    steps_since_training: int = 0
    labels_at_training: int = 0
    is_trained: bool = False


class LabelListener(Protocol):
    """Is told about the transitions of the learner."""

    #: Whether it is told about transitions that the caregiver did not attend; they are kept for it.
    needs_transitions: bool

    def on_labels(self, labels: LabelBatch) -> None:
        """Receive the labels of transitions that the caregiver attended."""

    def on_unattended(self, unattended: QueryPool) -> None:
        """Receive transitions that it did not attend; their labels are not in it, since they were not queried."""


class Internalizer:
    """
    Owns the ISR, the labels and the queries, and decides when the ISR is trained.

    :param presence: When the caregiver attends.
    :param isr: The ISR.
    :param store: The labels.
    :param trainer: Trains the ISR.
    :param scheduler: Carries out the query schedule.
    :param train_every: Train also every so many environment steps, if there are new labels; None for never.
    :param is_trained: Whether the ISR was trained before.
    """

    def __init__(
        self,
        presence: PresenceSchedule,
        isr: InternalSocialReward,
        store: LabelStore,
        trainer: ISRTrainer,
        scheduler: QueryScheduler,
        train_every: int | None = None,
        is_trained: bool = False,
    ) -> None:
        self.presence = presence
        self.isr = isr
        self.store = store
        self.trainer = trainer
        self.scheduler = scheduler
        self.train_every = train_every
        self.state = InternalizationState(is_trained=is_trained)
        self.listeners: list[LabelListener] = []
        self._has_warned = False

    @property
    def keeps_unattended(self) -> bool:
        """Whether transitions that the caregiver does not attend are of use."""
        return self.scheduler.n_reserved > 0 or any(listener.needs_transitions for listener in self.listeners)

    @property
    def has_isr(self) -> bool:
        """Whether there is an ISR that rewards the learner while the caregiver is absent."""
        return True

    def counts(self) -> dict[str, int]:
        """
        Count what was learned from.

        :return: The number of labels so far, and whatever else there is to count.
        """
        return {"labels": self.store.n_added}

    def add(self, records: Sequence[Record], progress: float) -> None:
        """
        Store the labels that the caregiver is queried about, and keep unattended transitions for later queries.

        :param records: What happened in the environments.
        :param progress: Fraction of training that has passed.
        """
        given = [record.labels for record in records if record.labels is not None]
        if given:
            labels = LabelBatch.concatenate(given)
            for listener in self.listeners:
                listener.on_labels(labels)
            self.store.add(self.scheduler.on_labels(labels, progress))
        for unattended in [record.unattended for record in records if record.unattended is not None]:
            self.scheduler.on_unattended(unattended)
            for listener in self.listeners:
                if listener.needs_transitions:
                    listener.on_unattended(unattended.without_labels())

    def advance(self, progress: float, n_steps: int) -> tuple[bool, bool]:
        """
        Follow the presence schedule.

        :param progress: Fraction of training that has passed.
        :param n_steps: Environment steps since the last call.
        :return: Whether the caregiver departs (its probability falls from 1, or to 0), and whether
            the probability has changed.
        """
        state = self.state
        state.steps_since_training += n_steps
        before, state.probability = state.probability, attendance_probability(self.presence, 1.0 - progress)
        departs = state.probability < before and (before == 1.0 or state.probability == 0.0)
        return departs, state.probability != before

    def is_training_due(self) -> bool:
        """
        Compare the steps since the last training with ``train_every``.

        :return: Whether it is time to train.
        """
        return self.train_every is not None and self.state.steps_since_training >= self.train_every

    def has_new_labels(self) -> bool:
        """
        Look for labels that the ISR has not been trained on.

        :return: Whether there are any.
        """
        return self.store.n_added > self.state.labels_at_training

    def check_departure(self, step: int) -> None:
        """
        Check that there is something that can reward the learner after the caregiver has left, and tell it apart.

        :param step: Environment steps so far.
        :raises ValueError: If the ISR is untrained and cannot be trained.
        """
        if not (self.state.is_trained or len(self.store) or self.scheduler.n_reserved):
            raise ValueError(
                "The caregiver must give labels before it leaves, but there is none and it leaves at step "
                f"{step} ({self.presence!r}). Let it stay longer, make sure that info['social_reward'] is written (by "
                "SocialRewardWrapper, for example), or give an ISR that was trained before: ISRCallback(isr=...)."
            )
        labels = self.store.label_ranges.overall if self.store.label_ranges is not None else None
        if labels is not None and not labels.width and not self.state.is_trained:
            warnings.warn(
                f"All {len(self.store)} labels are {labels.low:g} when the caregiver leaves at step {step}, so that "
                "the ISR will predict the same for everything. Let the caregiver label also what it does not praise "
                "(return 0.0 there; None is no label), or stay until it has praised something.",
                stacklevel=2,
            )

    def check_fit(self, metrics: TrainingMetrics, step: int) -> None:
        """
        Warn, once, when the ISR explains too little to be left alone with the learner.

        :param metrics: The results of its training at the caregiver's departure.
        :param step: Environment steps so far.
        """
        fit = metrics.held_out
        if fit.is_poor() and not self._has_warned:
            self._has_warned = True
            warnings.warn(
                f"The caregiver leaves at step {step}, and the ISR explains {fit.explained:.0%} of the variance of its "
                f"held-out labels ({fit.explained_continuing:.0%} on steps that do not terminate an episode), less "
                f"than {MIN_EXPLAINED:.0%}: the learner may unlearn what it was taught. Train the ISR for longer "
                '(trainer_kwargs={"gradient_steps": 5000, "max_cycles": 10}), let the caregiver stay longer, or let '
                "observations show what it goes by. If it rewards by chance, no ISR can explain more.",
                stacklevel=2,
            )

    def check_queries(self) -> None:
        """
        Check that the caregiver may be queried about what it did not attend.

        :raises ValueError: If no labels are reserved for such queries.
        """
        if not self.scheduler.n_reserved:
            raise ValueError(
                "To query the caregiver after it has left, labels must be reserved for it, got none with "
                f'{self.presence!r}; use ISRCallback("leave_at_0.5", queries="uncertainty_500"), for example.'
            )

    def query_if_due(self, progress: float) -> bool:
        """
        Make a round of queries about unattended transitions if it is time for one, and store the labels.

        :param progress: Fraction of training that has passed.
        :return: Whether there are new labels.
        """
        return self._store(self.scheduler.query_if_due(progress, self.isr))

    def query(self, n: int) -> bool:
        """
        Make a round of queries about unattended transitions, within the budget, and store the labels.

        :param n: How many labels are wanted.
        :return: Whether there are new labels.
        """
        return self._store(self.scheduler.query(n, self.isr))

    def finish(self) -> bool:
        """
        Take over what came too late for the last rollout.

        :return: Whether there are new labels.
        """
        return False

    def train(self) -> TrainingMetrics:
        """
        Train the ISR on the labels in the store.

        :return: How well it went.
        :raises ValueError: If there is no label to train on.
        """
        metrics = self.trainer.train(self.store)
        self.state.steps_since_training = 0
        self.state.labels_at_training = self.store.n_added
        self.state.is_trained = True
        return metrics

    def state_dict(self) -> dict[str, Any]:
        """
        Get what a checkpoint must hold, besides what :meth:`save` writes.

        :return: Objects that can be pickled.
        """
        return {"state": self.state, "scheduler": self.scheduler}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """
        Continue from a checkpoint.

        :param state: What :meth:`state_dict` returned.
        """
        vars(self).update(state)

    def save(self, folder: Path) -> None:
        """
        Write ISR, trainer and labels.

        :param folder: An existing folder.
        """
        self.isr.save(folder / "isr.safetensors")
        torch.save(self.trainer.state_dict(), folder / "trainer.pt")
        self.store.save(folder / "labels.npz")

    def load(self, folder: Path) -> None:
        """
        Read what :meth:`save` wrote, in place of what is here.

        :param folder: The folder.
        :raises ValueError: If the ISR there has other spaces or was built with other arguments than the one here.
        """
        isr, path = self.isr, folder / "isr.safetensors"
        check_architecture(path, Header(isr.observation_space, isr.action_space, isr.architecture, None))
        classes = isr.architecture["features_extractor_class"], isr.architecture["activation_fn"]
        loaded = InternalSocialReward.load(path, *classes, isr.device)
        loaded.check_spaces(isr.observation_space, isr.action_space)
        isr.load_state_dict(loaded.state_dict())
        isr.label_ranges = loaded.label_ranges
        self.trainer.load_state_dict(torch.load(folder / "trainer.pt", "cpu", weights_only=True))
        self.store.load(folder / "labels.npz")

    def _store(self, labels: LabelBatch | None) -> bool:
        if labels is not None:
            self.store.add(labels)
        return labels is not None
