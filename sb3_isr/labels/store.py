"""The label store: the newest labels, some of them held out of training."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import gymnasium as gym
import numpy as np

from sb3_isr.common.arguments import number, whole_number
from sb3_isr.common.batches import Array
from sb3_isr.labels import store_file
from sb3_isr.labels.batch import LabelBatch
from sb3_isr.labels.checked import check_labels
from sb3_isr.labels.label_range import LabelRanges
from sb3_isr.labels.label_rows import LabelRows
from sb3_isr.labels.sampling import BalancedSampler


class LabelStore:
    """
    Holds the newest labels, in the dtypes of the spaces, and keeps a random part of them out of training.

    The actions of an integer Box are held as float64, since algorithms tell the environment fractions, whatever its
    dtype.

    :param observation_space: The learner's observation space.
    :param action_space: The environment's action space.
    :param capacity: The largest number of labels held; beyond it the oldest are overwritten.
    :param held_out: Each label's probability of being held out, in [0, 1). Held-out labels are never trained on.
    :param seed: Seeds the choice of the held-out part and the drawing of batches.
    :raises ValueError: If an argument is out of range, or ``capacity`` labels need more memory than there is.
    """

    def __init__(
        self,
        observation_space: gym.Space[Any],
        action_space: gym.Space[Any],
        capacity: int = 200_000,
        held_out: float = 0.1,
        seed: int | None = None,
    ) -> None:
        self.observation_space = observation_space
        self.action_space = action_space
        self.capacity = whole_number("capacity", capacity)
        self.held_out = number("held_out", held_out, "[0, 1)")
        #: Number of labels ever added; the store holds the newest ``capacity`` of them.
        self.n_added = 0
        self._rng = np.random.default_rng(None if seed is None else whole_number("seed", seed, low=0))
        self._rows = LabelRows(observation_space, action_space, self.capacity)
        self._sampler: BalancedSampler | None = None

    def __len__(self) -> int:
        return min(self.n_added, self.capacity)

    @property
    def n_held_out(self) -> int:
        """Number of held-out labels in the store."""
        return int(self._rows.is_held_out[: len(self)].sum())

    @property
    def label_ranges(self) -> LabelRanges | None:
        """Ranges of the labels in the store; None if there is none."""
        n = len(self)
        return LabelRanges.of(self._rows.social_rewards[:n], self._rows.terminated[:n])

    def add(self, batch: LabelBatch) -> None:
        """
        Copy labels into the store.

        :param batch: The labels.
        :raises ValueError: If a shape does not fit the spaces, or a number is not finite, not in its space, or would be
            another one in the store's dtype. Nothing is then added.
        """
        labels = check_labels(batch, self.observation_space, self.action_space)
        n = len(labels.social_rewards)
        newest = slice(max(0, n - self.capacity), None)
        index = (self.n_added + np.arange(n)[newest]) % self.capacity
        self._rows.write(index, labels.select(newest), self._rng.random(len(index)) < self.held_out)
        self.n_added += n
        self._sampler = None

    def replace(self, labels: LabelBatch | None, is_held_out: Array | None, seed: int) -> None:
        """
        Replace all labels. What is drawn from then on depends on the arguments alone.

        :param labels: The new labels, of which the newest ``capacity`` are held; None for none.
        :param is_held_out: Which of them are held out, bool ``[n]``.
        :param seed: Seeds the drawing of batches.
        :raises ValueError: As :meth:`add` does; nothing is then replaced.
        """
        n = 0
        if labels is not None:
            newest = check_labels(labels, self.observation_space, self.action_space).select(slice(-self.capacity, None))
            n = len(newest.social_rewards)
            self._rows.write(np.arange(n), newest, np.asarray(is_held_out, bool)[-n:])
        self.n_added = n
        self._rng = np.random.default_rng(seed)
        self._sampler = None

    def sample(self, batch_size: int) -> tuple[LabelBatch, Array]:
        """
        Draw labels to train on, with replacement, balanced as :class:`~sb3_isr.labels.sampling.BalancedSampler` does.

        :param batch_size: How many.
        :return: Labels, none of which is held out; and their weights, float32 ``[batch_size]``: what each one's error
            is multiplied by, so that the mean is an unbiased estimate although some are drawn more often than others.
        :raises ValueError: If there is no label to train on.
        """
        if self._sampler is None:
            # int64 would be a burden beside the labels of a small task
            candidates = np.flatnonzero(~self._rows.is_held_out[: len(self)]).astype(np.min_scalar_type(self.capacity))
            self._sampler = BalancedSampler(candidates, self._rows.pairs, self._rows.social_rewards)
        if not self._sampler:
            raise ValueError(f"There is no label to train on: of {len(self)} labels {self.n_held_out} are held out.")
        index, weights = self._sampler.draw(batch_size, self._rng)
        return self._rows.select(index), weights

    def held_out_batches(self, batch_size: int = 1024) -> Iterator[LabelBatch]:
        """
        Iterate over the held-out labels.

        :param batch_size: The largest number of labels in one batch.
        :return: The held-out labels, each once, in the order of the store.
        """
        index = np.flatnonzero(self._rows.is_held_out[: len(self)])
        for start in range(0, len(index), batch_size):
            yield self._rows.select(index[start : start + batch_size])

    def labels(self) -> LabelBatch:
        """
        Get all labels in the store.

        :return: A copy of them, oldest first.
        """
        return self._rows.select((self._oldest(self.n_added) + np.arange(len(self))) % self.capacity)

    def save(self, path: str | os.PathLike[str]) -> None:
        """
        Write the labels, which of them are held out, and the generator's state, to an npz file without pickles.

        :param path: The file; an existing one is replaced only once the new one is complete.
        """
        store_file.write(path, self._rows.filled(len(self)), self.n_added, self._rng)

    def load(self, path: str | os.PathLike[str]) -> None:
        """
        Replace the labels by those that :meth:`save` wrote from a store of the same spaces and capacity.

        The file may come from a stranger: it takes no more memory than another store of this size. If it is refused,
        this store is unchanged.

        :param path: The file.
        :raises LabelFileError: A ValueError, if the file is damaged, or its labels do not fit this store.
        :raises OSError: If the file does not exist or may not be read.
        """
        rows = LabelRows(self.observation_space, self.action_space, self.capacity)
        with store_file.opened(path, rows.arrays()) as file:
            n = min(file.n_added, self.capacity)
            rows.read(file, n, self._oldest(file.n_added))
            check_labels(rows.select(np.arange(n)), self.observation_space, self.action_space)
            self.n_added, self._rng = file.n_added, file.rng
        self._rows = rows
        self._sampler = None

    def _oldest(self, n_added: int) -> int:
        """The row of the oldest of so many labels."""
        return n_added % self.capacity if n_added > self.capacity else 0
