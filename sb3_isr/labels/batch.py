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
    :param envs: Number of each transition's environment, int ``[n]``; None if all are of one.
    :param ended: Whether the episode ended with it, bool ``[n]``; None for nowhere.
    """

    def __init__(self, labels: LabelBatch, envs: Array | None = None, ended: Array | None = None) -> None:
        n = len(labels.transitions.actions)
        self._labels = labels
        self.envs: Array = np.zeros(n, int) if envs is None else envs
        self.ended: Array = np.zeros(n, bool) if ended is None else ended

    def __len__(self) -> int:
        return len(self.envs)

    @property
    def transitions(self) -> Transitions:
        """The transitions, oldest first."""
        return self._labels.transitions

    def select(self, index: Any) -> QueryPool:
        """
        Select some of the transitions, without a look at their labels.

        :param index: Which of them: anything that indexes an array's first axis.
        :return: These transitions, in the order of ``index``.
        """
        return QueryPool(self._labels.select(index), self.envs[index], self.ended[index])

    def in_environment(self, env: int) -> QueryPool:
        """
        Say of which environment all transitions are.

        :param env: Its number.
        :return: The same transitions.
        """
        return QueryPool(self._labels, np.full(len(self), env), self.ended)

    def without_labels(self) -> QueryPool:
        """
        Remove what the caregiver would answer.

        :return: The same transitions, none of which has an answer.
        """
        unknown = np.full(len(self), np.nan, np.float32)
        return QueryPool(LabelBatch(self.transitions, unknown), self.envs, self.ended)

    def query(self, index: Any) -> LabelBatch:
        """
        Query the caregiver about some of the transitions.

        :param index: Which of them: anything that indexes an array's first axis.
        :return: The caregiver's labels; NaN where it gives none.
        """
        labels = self._labels.select(index)
        return labels._replace(social_rewards=labels.social_rewards.astype(np.float32))

    def extend(self, newer: QueryPool) -> QueryPool:
        """
        Append newer transitions.

        :param newer: Later transitions.
        :return: Both.
        """
        return QueryPool.concatenate([self, newer])

    @staticmethod
    def concatenate(pools: Sequence[QueryPool]) -> QueryPool:
        """
        Concatenate pools.

        :param pools: At least one.
        :return: All their transitions, in order.
        """
        labels = LabelBatch.concatenate([pool._labels for pool in pools])
        envs, ended = (np.concatenate([getattr(pool, name) for pool in pools]) for name in ("envs", "ended"))
        return QueryPool(labels, envs, ended)

    def newest(self, max_size: int) -> QueryPool:
        """
        Drop the oldest transitions.

        :param max_size: How many to keep.
        :return: The newest of them.
        """
        n = len(self)
        return self if n <= max_size else self.select(np.arange(n - max_size, n))
