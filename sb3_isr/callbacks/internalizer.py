"""The Internalizer: what is learned from the caregiver. It knows no Stable-Baselines3."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import gymnasium as gym
import numpy as np
import torch

from sb3_isr.isr.file_format import check_architecture
from sb3_isr.isr.file_header import Header
from sb3_isr.isr.model import InternalSocialReward
from sb3_isr.isr.training import ISRTrainer, TrainingMetrics
from sb3_isr.labels.batch import LabelBatch, QueryPool
from sb3_isr.labels.store import LabelStore
from sb3_isr.schedules.presence import PresenceSchedule, attendance_probability
from sb3_isr.schedules.queries import QuerySchedule
from sb3_isr.schedules.query_scheduler import QueryScheduler, make_scheduler
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

    def on_labels(self, labels: LabelBatch) -> None:
        """Receive the labels of transitions that the caregiver attended."""

    def on_unattended(self, unattended: QueryPool) -> None:
        """Receive transitions that it did not attend."""


class Internalizer:
    """
    Owns the ISR, the labels and the queries, and decides when the ISR is trained.

    :param presence: When the caregiver attends.
    :param isr: The ISR.
    :param store: The labels.
    :param trainer: Trains the ISR.
    :param queries: Carries out the query schedule.
    :param train_every: Train also every so many environment steps, if there are new labels; None for never.
    :param is_trained: Whether the ISR was trained before.
    """

    def __init__(
        self,
        presence: PresenceSchedule,
        isr: InternalSocialReward,
        store: LabelStore,
        trainer: ISRTrainer,
        queries: QueryScheduler,
        train_every: int | None = None,
        is_trained: bool = False,
    ) -> None:
        self.presence = presence
        self.isr = isr
        self.store = store
        self.trainer = trainer
        self.queries = queries
        self.train_every = train_every
        self.state = InternalizationState(is_trained=is_trained)
        self.listeners: list[LabelListener] = []

    @property
    def keeps_unattended(self) -> bool:
        """Whether transitions that the caregiver does not attend are of use."""
        return self.queries.n_reserved > 0 or bool(self.listeners)

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
            self.store.add(self.queries.on_labels(labels, progress))
        for unattended in [record.unattended for record in records if record.unattended is not None]:
            self.queries.on_unattended(unattended)
            for listener in self.listeners:
                listener.on_unattended(unattended)

    def advance(self, progress: float, n_steps: int) -> tuple[bool, bool]:
        """
        Follow the presence schedule.

        :param progress: Fraction of training that has passed.
        :param n_steps: Environment steps since the last call.
        :return: Whether the caregiver departs (its probability falls below 1 for the first time, or to 0), and whether
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
        Check that there is something that can reward the learner after the caregiver has left.

        :param step: Environment steps so far.
        :raises ValueError: If the ISR is untrained and cannot be trained.
        """
        if not (self.state.is_trained or len(self.store) or self.queries.n_reserved):
            raise ValueError(
                "The caregiver must give labels before it leaves, but there is none and it leaves at step "
                f"{step} ({self.presence!r}). Let it stay longer, make sure that info['social_reward'] is written (by "
                "SocialRewardWrapper, for example), or give an ISR that was trained before: ISRCallback(isr=...)."
            )

    def check_queries(self) -> None:
        """
        Check that the caregiver may be queried about what it did not attend.

        :raises ValueError: If no labels are reserved for such queries.
        """
        if not self.queries.n_reserved:
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
        return self._store(self.queries.query_if_due(progress, self.isr))

    def query(self, n: int) -> bool:
        """
        Make a round of queries about unattended transitions, within the budget, and store the labels.

        :param n: How many labels are wanted.
        :return: Whether there are new labels.
        """
        return self._store(self.queries.query(n, self.isr))

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
        isr.label_range = loaded.label_range
        self.trainer.load_state_dict(torch.load(folder / "trainer.pt", "cpu", weights_only=True))
        self.store.load(folder / "labels.npz")

    def _store(self, labels: LabelBatch | None) -> bool:
        if labels is not None:
            self.store.add(labels)
        return labels is not None


def make_internalizer(
    spaces: tuple[gym.Space[Any], gym.Space[Any]],
    presence: PresenceSchedule,
    queries: QuerySchedule,
    isr: InternalSocialReward | str | os.PathLike[str] | None,
    isr_kwargs: dict[str, Any],
    trainer_kwargs: dict[str, Any],
    store_kwargs: dict[str, Any],
    train_every: int | None,
    seed: int | None,
    device: torch.device,
) -> Internalizer:
    """
    Make an Internalizer and its parts.

    :param spaces: Observation space and action space of the ISR.
    :param presence: When the caregiver attends.
    :param queries: What it is queried about.
    :param isr: An ISR that was trained before, or the path of its file; None to make a new one.
    :param isr_kwargs: Arguments of the new ISR.
    :param trainer_kwargs: Arguments of the trainer.
    :param store_kwargs: Arguments of the label store.
    :param train_every: Train also every so many environment steps; None for never.
    :param seed: Seeds all parts that have no seed in their own arguments.
    :param device: Where the ISR is put if its own arguments do not say.
    :return: The Internalizer.
    :raises ValueError: If an argument is out of range.
    """
    seeds = np.random.SeedSequence(seed).generate_state(4)
    isr_seed, store_seed, trainer_seed, query_seed = (int(number) for number in seeds)
    is_trained = isr is not None
    if isr is None:
        isr = InternalSocialReward(*spaces, **{"seed": isr_seed, "device": device, **isr_kwargs})
    elif not isinstance(isr, InternalSocialReward):
        isr = InternalSocialReward.load(isr, device=device)
    queries.check_isr(isr)
    return Internalizer(
        presence,
        isr,
        LabelStore(*spaces, **{"seed": store_seed, **store_kwargs}),
        ISRTrainer(isr, **{"seed": trainer_seed, **trainer_kwargs}),
        make_scheduler(queries, presence, np.random.default_rng(query_seed)),
        train_every,
        is_trained,
    )


def presence_rngs(seed: int | None, n_envs: int) -> list[np.random.Generator]:
    """
    Make the generators from which presence is drawn.

    :param seed: Seeds them.
    :param n_envs: Number of environments.
    :return: One generator for each.
    """
    return [np.random.default_rng(child) for child in np.random.SeedSequence(seed).spawn(n_envs)]
