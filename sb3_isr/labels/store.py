"""The label store: the newest labels, some of them held out of training."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.vector.utils import create_empty_array

from sb3_isr.common.batches import Observations, check_batch, index_batch, write_batch
from sb3_isr.labels.batch import LabelBatch
from sb3_isr.labels.label_range import LabelRange
from sb3_isr.labels.sampling import BalancedSampler


class LabelStore:
    """
    Holds the newest labels, in the dtypes of the spaces, and keeps a random part of them out of training.

    :param observation_space: The learner's observation space.
    :param action_space: The environment's action space.
    :param capacity: The largest number of labels held; beyond it the oldest are overwritten.
    :param held_out: Each label's probability of being held out, in [0, 1). Held-out labels are never trained on.
    :param seed: Seeds the choice of the held-out part and the drawing of batches.
    :raises ValueError: If ``capacity`` or ``held_out`` is out of range.
    """

    def __init__(
        self,
        observation_space: gym.Space[Any],
        action_space: gym.Space[Any],
        capacity: int = 200_000,
        held_out: float = 0.1,
        seed: int | None = None,
    ) -> None:
        if capacity < 1:
            raise ValueError(f"The label store's capacity must be at least 1, got {capacity}.")
        if not 0.0 <= held_out < 1.0:
            raise ValueError(f"The held-out fraction must lie in [0, 1), or nothing is trained on, got {held_out!r}.")
        self.observation_space = observation_space
        self.action_space = action_space
        self.capacity = capacity
        self.held_out = held_out
        #: Number of labels ever added; the store holds the newest ``capacity`` of them.
        self.n_added = 0
        self._rng = np.random.default_rng(seed)
        # Pages of zeros that are never written take no memory.
        self._labels = LabelBatch(
            create_empty_array(observation_space, capacity, fn=np.zeros),  # type: ignore[arg-type]
            np.asarray(create_empty_array(action_space, capacity, fn=np.zeros)),
            np.zeros(capacity, np.float32),
        )
        self._is_held_out = np.zeros(capacity, bool)
        self._sampler: BalancedSampler | None = None

    def __len__(self) -> int:
        return min(self.n_added, self.capacity)

    @property
    def n_held_out(self) -> int:
        """Number of held-out labels in the store."""
        return int(self._is_held_out[: len(self)].sum())

    @property
    def label_range(self) -> LabelRange | None:
        """Range of the labels in the store; None if there is none."""
        return LabelRange.of(self._labels.social_rewards[: len(self)])

    def add(self, batch: LabelBatch) -> None:
        """
        Copy labels into the store.

        :param batch: The labels.
        :raises ValueError: If a shape does not fit the spaces or a number is not finite. Nothing is then added.
        """
        rewards = np.asarray(batch.social_rewards, dtype=np.float32)
        if rewards.ndim != 1 or not np.isfinite(rewards).all():
            raise ValueError(f"Labels must be finite numbers in an array of shape [n], got {batch.social_rewards!r}.")
        check_batch("The labels' observations", batch.observations, self.observation_space, len(rewards))
        check_batch("The labels' actions", batch.actions, self.action_space, len(rewards))
        newest = slice(max(0, len(rewards) - self.capacity), None)
        index = (self.n_added + np.arange(len(rewards))[newest]) % self.capacity
        write_batch(self._labels.observations, index, index_batch(batch.observations, newest))
        self._labels.actions[index] = batch.actions[newest]
        self._labels.social_rewards[index] = rewards[newest]
        self._is_held_out[index] = self._rng.random(len(index)) < self.held_out
        self.n_added += len(rewards)
        self._sampler = None

    def sample(self, batch_size: int) -> LabelBatch:
        """
        Draw labels to train on, with replacement, balanced as :class:`~sb3_isr.labels.sampling.BalancedSampler` does.

        :param batch_size: How many.
        :return: Labels, none of which is held out.
        :raises ValueError: If there is no label to train on.
        """
        if self._sampler is None:
            # int64 would be a burden beside the labels of a small task
            candidates = np.flatnonzero(~self._is_held_out[: len(self)]).astype(np.min_scalar_type(self.capacity))
            self._sampler = BalancedSampler(candidates, self._labels.select)
        if not self._sampler:
            raise ValueError(f"There is no label to train on: of {len(self)} labels {self.n_held_out} are held out.")
        return self._labels.select(self._sampler.draw(batch_size, self._rng))

    def held_out_batches(self, batch_size: int = 1024) -> Iterator[LabelBatch]:
        """
        Iterate over the held-out labels.

        :param batch_size: The largest number of labels in one batch.
        :return: The held-out labels, each once, in the order of the store.
        """
        index = np.flatnonzero(self._is_held_out[: len(self)])
        for start in range(0, len(index), batch_size):
            yield self._labels.select(index[start : start + batch_size])

    def labels(self) -> LabelBatch:
        """
        Get all labels in the store.

        :return: A copy of them, oldest first.
        """
        first = self.n_added % self.capacity if self.n_added > self.capacity else 0
        return self._labels.select((first + np.arange(len(self))) % self.capacity)

    def save(self, path: str | os.PathLike[str]) -> None:
        """
        Write the labels, which of them are held out, and the generator's state, to an npz file without pickles.

        :param path: The file.
        """
        observations = self._labels.observations
        by_key = observations if isinstance(observations, dict) else {"": observations}
        stored = slice(len(self))
        arrays: dict[str, Any] = {f"observations/{key}": value[stored] for key, value in by_key.items()}
        arrays["actions"] = self._labels.actions[stored]
        arrays["social_rewards"] = self._labels.social_rewards[stored]
        arrays["is_held_out"] = self._is_held_out[stored]
        arrays["state"] = json.dumps({"n_added": self.n_added, "generator": self._rng.bit_generator.state})
        np.savez(path, **arrays)

    def load(self, path: str | os.PathLike[str]) -> None:
        """
        Replace the labels by those that :meth:`save` wrote from a store of the same spaces and capacity.

        :param path: The file.
        :raises ValueError: If the labels do not fit this store.
        """
        with np.load(path) as file:
            state = json.loads(str(file["state"]))
            rewards = file["social_rewards"]
            if len(rewards) != min(state["n_added"], self.capacity):
                raise ValueError(
                    f"{os.fspath(path)!r} holds {len(rewards)} labels of {state['n_added']}, which does not fit a "
                    f"store of capacity {self.capacity}; create the store with the capacity it had."
                )
            observations: Observations = {
                name.removeprefix("observations/"): file[name] for name in file.files if name.startswith("observations")
            }
            if not isinstance(self._labels.observations, dict):
                observations = observations[""]
            check_batch("The file's observations", observations, self.observation_space, len(rewards))
            check_batch("The file's actions", file["actions"], self.action_space, len(rewards))
            stored = slice(len(rewards))
            write_batch(self._labels.observations, stored, observations)
            self._labels.actions[stored] = file["actions"]
            self._labels.social_rewards[stored] = rewards
            self._is_held_out[stored] = file["is_held_out"]
        self.n_added = state["n_added"]
        self._rng.bit_generator.state = state["generator"]
        self._sampler = None
