"""Balanced sampling of labels: which labels are drawn to train on."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from sb3_isr.common.batches import Array, Observations
from sb3_isr.labels.batch import LabelBatch

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

    There are two kinds of pairs of observation and action: those with a label that is not 0, and the others. Praise is
    rare, and a model that never predicts it is right most of the time, hence the balance of kinds. (Where observations
    never repeat and rewards are stochastic, this biases the estimate towards the rare labels.) A learner that knows its
    task labels the same few pairs over and over, while it is the rare ones that it will try when it goes on learning,
    hence the balance of pairs.

    :param candidates: Which labels may be drawn, int ``[n]``.
    :param select: Returns some of the labels, given by an int array.
    """

    def __init__(self, candidates: Array, select: Callable[[Array], LabelBatch]) -> None:
        self._kinds = _kinds_of_pairs(candidates, select) if len(candidates) else []

    def __bool__(self) -> bool:
        return bool(self._kinds)

    def draw(self, batch_size: int, rng: np.random.Generator) -> Array:
        """
        Draw labels.

        :param batch_size: How many.
        :param rng: Source of randomness.
        :return: Which labels, int ``[batch_size]``.
        """
        kind_of = rng.integers(len(self._kinds), size=batch_size)
        pair, member = rng.random((2, batch_size))
        index = np.empty(batch_size, int)
        for number, kind in enumerate(self._kinds):
            drawn = kind_of == number
            index[drawn] = kind.draw(pair[drawn], member[drawn])
        return index


def pair_hashes(observations: Observations, actions: Array) -> Array:
    """
    Hash pairs of observation and action, by multilinear hashing modulo 2**64 (Carter & Wegman 1979).

    :param observations: Array ``[n, *shape]``, or a dictionary of such arrays.
    :param actions: Array ``[n, *shape]``.
    :return: uint64 ``[n]``, the same for equal pairs and (but for a chance of about 2**-56 each) for no others.
    """
    arrays = list(observations.values()) if isinstance(observations, dict) else [observations]
    hashes = np.zeros(len(actions), np.uint64)
    for number, part in enumerate([*arrays, actions]):
        rows = np.ascontiguousarray(part).reshape(len(part), -1).view(np.uint8)
        # The same weights at every call, but others for each part: equal bytes in two parts must not cancel out.
        weights = np.random.default_rng(number).integers(2**64, size=rows.shape[1], dtype=np.uint64)
        hashes += rows.astype(np.uint64) @ weights
    return hashes


def _kinds_of_pairs(candidates: Array, select: Callable[[Array], LabelBatch]) -> list[_Pairs]:
    """The pairs with a label that is not 0, and the others; a kind that does not occur is left out."""
    hashes, is_nonzero = _hashes(candidates, select)
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


def _hashes(candidates: Array, select: Callable[[Array], LabelBatch]) -> tuple[Array, Array]:
    hashes = np.empty(len(candidates), np.uint64)
    is_nonzero = np.empty(len(candidates), bool)
    for start in range(0, len(candidates), HASH_CHUNK):
        chunk = slice(start, start + HASH_CHUNK)
        labels = select(candidates[chunk])
        hashes[chunk] = pair_hashes(labels.observations, labels.actions)
        is_nonzero[chunk] = labels.social_rewards != 0
    return hashes, is_nonzero
