"""Batches of labelled transitions, and the pool of transitions that may still be queried."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from sb3_isr.common.batches import Array, cast_batch
from sb3_isr.labels.transitions import Transitions


class LabelBatch(NamedTuple):
    """
    A batch of labelled transitions.

    :param transitions: ``n`` transitions.
    :param social_rewards: float32 ``[n]``: the caregiver's ``R_s`` for each.
    """

    transitions: Transitions
    social_rewards: Array

    def select(self, index: Any) -> LabelBatch:
        """
        Select some of the labels.

        :param index: Which of them: anything that indexes an array's first axis.
        :return: These labels, in the order of ``index``.
        """
        return LabelBatch(self.transitions.select(index), self.social_rewards[index])

    def write(self, index: Array, batch: LabelBatch) -> None:
        """
        Replace some of the labels, in place.

        :param index: Which of them, int ``[k]``.
        :param batch: The new ones, ``k`` of them.
        """
        self.transitions.write(index, batch.transitions)
        self.social_rewards[index] = batch.social_rewards

    def cast(self, like: LabelBatch) -> LabelBatch:
        """
        Convert to the dtypes of another batch.

        :param like: The other batch.
        :return: The same numbers, or where they are floats the nearest ones.
        :raises ValueError: If an integer dtype does not have a number, or a float one would make it infinite.
        """
        social_rewards = cast_batch("The labels' social rewards", self.social_rewards, like.social_rewards)
        return LabelBatch(self.transitions.cast(like.transitions), np.asarray(social_rewards))

    @staticmethod
    def concatenate(batches: Sequence[LabelBatch]) -> LabelBatch:
        """
        Concatenate batches of labels.

        :param batches: At least one.
        :return: All their labels, in order.
        """
        transitions, social_rewards = zip(*batches, strict=True)
        return LabelBatch(Transitions.concatenate(transitions), np.concatenate(social_rewards))


class QueryPool:
    """
    Transitions that the caregiver did not attend. Their labels are revealed only for the queried ones.

    :param labels: The transitions and the labels that the caregiver would give; NaN where it would give none.
    """

    def __init__(self, labels: LabelBatch) -> None:
        self._labels = labels

    def __len__(self) -> int:
        return len(self._labels.social_rewards)

    @property
    def transitions(self) -> Transitions:
        """The transitions, oldest first."""
        return self._labels.transitions

    def answerable(self) -> QueryPool:
        """
        Drop the transitions for which the caregiver has no answer.

        :return: The others.
        """
        return QueryPool(self._labels.select(np.flatnonzero(~np.isnan(self._labels.social_rewards))))

    def without_labels(self) -> QueryPool:
        """
        Remove what the caregiver would answer.

        :return: The same transitions, none of which has an answer.
        """
        return QueryPool(self._labels._replace(social_rewards=np.full_like(self._labels.social_rewards, np.nan)))

    def query(self, index: Array) -> LabelBatch:
        """
        Query the caregiver about some of the transitions.

        :param index: Which of them, int ``[k]``.
        :return: The caregiver's labels.
        """
        return self._labels.select(index)

    def extend(self, newer: QueryPool) -> QueryPool:
        """
        Append newer transitions.

        :param newer: Later transitions.
        :return: Both.
        """
        return QueryPool(LabelBatch.concatenate([self._labels, newer._labels]))

    def newest(self, max_size: int) -> QueryPool:
        """
        Drop the oldest transitions.

        :param max_size: How many to keep.
        :return: The newest of them.
        """
        n = len(self)
        return self if n <= max_size else QueryPool(self._labels.select(np.arange(n - max_size, n)))
