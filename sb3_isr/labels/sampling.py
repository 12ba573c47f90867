"""Balanced sampling of labels: which labels are drawn to train on."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from sb3_isr.common.batches import Array, Observations
from sb3_isr.common.hashing import hash_rows

#: Labels that are hashed at once: a copy of all of them would double the memory.
HASH_CHUNK = 1024


class _Pairs(NamedTuple):
    """Distinct pairs of observation and action. Pair i has the labels from ``bounds[i]`` up to ``bounds[i + 1]``."""

    labels: Array
    bounds: Array

    def draw(self, pair: Array, member: Array) -> Array:
        """Turn uniform numbers from [0, 1) into labels: a pair, and one of its labels."""
        pairs = (pair * (len(self.bounds) - 1)).astype(int)
        starts = self.bounds[pairs]
        return np.asarray(self.labels[starts + (member * (self.bounds[pairs + 1] - starts)).astype(int)])


class BalancedSampler:
    """
    Draws labels with replacement, balanced over kinds and over pairs of observation and action.

    It draws a kind, a distinct pair of that kind, and one of the pair's labels, each with equal probability.

    The kinds are the pairs of observation and action with a label that is not 0, and the others: praise is rare, and
    without this balance few batches would hold any. To which kind a pair belongs depends on its labels, so that the
    mean of the drawn labels is biased where observations never repeat and rewards are stochastic. The weights of
    importance sampling correct it: with them each distinct pair counts the same.

    A learner that knows its task labels the same few pairs over and over, while it is the rare ones that it will try
    when it goes on learning, hence the balance over pairs. It needs no correction, since it does not depend on labels.

    :param candidates: Which labels may be drawn, int ``[n]``.
    :param pairs: Returns observations and actions of some of them, given by an int array.
    :param social_rewards: The labels, float32 ``[n_rows]``.
    """

    def __init__(
        self, candidates: Array, pairs: Callable[[Array], tuple[Observations, Array]], social_rewards: Array
    ) -> None:
        self._kinds = _kinds_of_pairs(candidates, pairs, social_rewards) if len(candidates) else []
        n_pairs = np.array([len(kind.bounds) - 1 for kind in self._kinds], np.float32)
        self._weights = len(n_pairs) * n_pairs / n_pairs.sum() if len(n_pairs) else n_pairs

    def __bool__(self) -> bool:
        return bool(self._kinds)

    def draw(self, batch_size: int, rng: np.random.Generator) -> tuple[Array, Array]:
        """
        Draw labels.

        :param batch_size: How many.
        :param rng: Source of randomness.
        :return: Which labels, int ``[batch_size]``, and their weights, float32 ``[batch_size]``, of which the
            expectation is 1.
        """
        kind_of = rng.integers(len(self._kinds), size=batch_size)
        pair, member = rng.random((2, batch_size))
        index = np.empty(batch_size, int)
        for number, kind in enumerate(self._kinds):
            drawn = kind_of == number
            index[drawn] = kind.draw(pair[drawn], member[drawn])
        return index, self._weights[kind_of]


def pair_hashes(observations: Observations, actions: Array) -> Array:
    """
    Hash pairs of observation and action.

    :param observations: Array ``[n, *shape]``, or a dictionary of such arrays.
    :param actions: Array ``[n, *shape]``.
    :return: uint64 ``[n]``, see :func:`~sb3_isr.common.hashing.hash_rows`.
    """
    arrays = list(observations.values()) if isinstance(observations, dict) else [observations]
    return hash_rows([*arrays, actions])


def _kinds_of_pairs(
    candidates: Array, pairs: Callable[[Array], tuple[Observations, Array]], social_rewards: Array
) -> list[_Pairs]:
    """The pairs with a label that is not 0, and the others; a kind that does not occur is left out."""
    hashes, is_nonzero = _hashes(candidates, pairs), social_rewards[candidates] != 0
    order = np.argsort(hashes, kind="stable")
    hashes.sort()
    by_pair, is_nonzero = candidates[order], is_nonzero[order]
    small = candidates.dtype.type
    starts = np.flatnonzero(np.append(True, hashes[1:] != hashes[:-1])).astype(small)
    del hashes, order  # before more is allocated: what lies above it in the heap would keep it from being freed
    counts = np.diff(starts, append=small(len(by_pair)))
    is_rewarded = np.logical_or.reduceat(is_nonzero, starts)
    return [
        _Pairs(by_pair[np.repeat(kind, counts)], np.append(small(0), counts[kind].cumsum(dtype=small)))
        for kind in (is_rewarded, ~is_rewarded)
        if kind.any()
    ]


def _hashes(candidates: Array, pairs: Callable[[Array], tuple[Observations, Array]]) -> Array:
    hashes = np.empty(len(candidates), np.uint64)
    for start in range(0, len(candidates), HASH_CHUNK):
        chunk = slice(start, start + HASH_CHUNK)
        hashes[chunk] = pair_hashes(*pairs(candidates[chunk]))
    return hashes
