"""What the caregiver said, and what it said it about."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import gymnasium as gym
import numpy as np

from sb3_isr.common.spaces import Array, Observations, check_batch, concatenate, put, take, zeros

#: A caregiver that gives more different labels is taken to speak in degrees.
MOST_VALUES = 10


class LabelBatch(NamedTuple):
    """
    Labelled transitions.

    :param observations: Array ``[n, *shape]``, or a dictionary of such arrays: what the learner saw.
    :param actions: Array ``[n, *shape]``: what it then did, as the environment was told it.
    :param social_rewards: float32 ``[n]``: the caregiver's ``R_s`` for it.
    """

    observations: Observations
    actions: Array
    social_rewards: Array


class Unlabelled:
    """
    Transitions that the caregiver missed. What it would say of them is told to who asks, and counted.

    :param labels: The transitions, and what the caregiver would say of each; NaN of what it cannot be asked about.
    """

    def __init__(self, labels: LabelBatch) -> None:
        self._labels = labels

    def __len__(self) -> int:
        return len(self._labels.actions)

    @property
    def observations(self) -> Observations:
        """What the learner saw, ``[n, *shape]``."""
        return self._labels.observations

    @property
    def actions(self) -> Array:
        """What it then did, ``[n, *shape]``."""
        return self._labels.actions

    def that_can_be_asked(self) -> Unlabelled:
        """
        :return: Those of which the caregiver would say something.
        """
        return Unlabelled(at(self._labels, np.flatnonzero(~np.isnan(self._labels.social_rewards))))

    def ask(self, index: Array) -> LabelBatch:
        """
        :param index: Which of them, int ``[k]``.
        :return: The caregiver's labels.
        """
        return at(self._labels, index)

    def followed_by(self, newer: Unlabelled, most: int) -> Unlabelled:
        """
        :param newer: Later transitions.
        :param most: How many to keep.
        :return: The newest of both.
        """
        both = joined([self._labels, newer._labels])
        return Unlabelled(at(both, np.arange(max(0, len(both.actions) - most), len(both.actions))))


def joined(batches: Sequence[LabelBatch]) -> LabelBatch:
    """
    :param batches: At least one.
    :return: All their labels, in order.
    """
    observations, actions, social_rewards = zip(*batches, strict=True)
    return LabelBatch(concatenate(observations), np.concatenate(actions), np.concatenate(social_rewards))


def at(labels: LabelBatch, index: Array) -> LabelBatch:
    """
    :param labels: Some labels.
    :param index: Which of them, int ``[k]``.
    :return: Those.
    """
    return LabelBatch(take(labels.observations, index), labels.actions[index], labels.social_rewards[index])


class _Pairs(NamedTuple):
    """Distinct pairs of observation and action. Pair i has the labels from ``bounds[i]`` up to ``bounds[i + 1]``."""

    labels: Array
    bounds: Array

    def draw(self, pair: Array, member: Array) -> Array:
        """Turn uniform numbers from [0, 1) into labels: a pair, and one of its labels."""
        pairs = (pair * (len(self.bounds) - 1)).astype(int)
        starts = self.bounds[pairs]
        return np.asarray(self.labels[starts + (member * (self.bounds[pairs + 1] - starts)).astype(int)])


class LabelStore:
    """
    Holds the newest labels, in the spaces' own dtypes, and keeps a random part of them out of training.

    What is drawn to train on is balanced twice. Pairs of observation and action that were rewarded (or reproached) are
    drawn as often as the others, since praise is rare and a model that never predicts it is right most of the time.
    And each distinct pair is drawn as often as any other, since a learner that knows its task labels the same few pairs
    over and over, while it is the rare ones that it will try when it goes on learning. What a pair is worth on average
    is not changed by either.

    :param observation_space: The learner's observation space.
    :param action_space: The environment's action space.
    :param capacity: The most labels that are held; beyond it the oldest are overwritten.
    :param held_out: Each label's probability of being held out, in [0, 1). No gradient ever sees those.
    :param seed: Seeds the choice of the held-out part and the drawing of batches.
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
        #: How many labels were ever added; the store holds the newest ``capacity`` of them.
        self.n_added = 0
        self._rng = np.random.default_rng(seed)
        self._observations = zeros(observation_space, capacity)
        self._actions = np.asarray(zeros(action_space, capacity))
        self._social_rewards = np.zeros(capacity, np.float32)
        self._is_held_out = np.zeros(capacity, bool)
        self._kinds: list[_Pairs] | None = None

    def __len__(self) -> int:
        return min(self.n_added, self.capacity)

    @property
    def n_held_out(self) -> int:
        """How many of the labels in the store are held out."""
        return int(self._is_held_out[: len(self)].sum())

    @property
    def label_range(self) -> tuple[float, float] | None:
        """The least and the greatest label in the store, None if there is none."""
        labels = self._social_rewards[: len(self)]
        return (float(labels.min()), float(labels.max())) if len(labels) else None

    @property
    def label_values(self) -> tuple[float, ...] | None:
        """The different labels in the store, ascending; None if there are more than ``MOST_VALUES`` or none."""
        values = np.unique(self._social_rewards[: len(self)])
        return tuple(values.tolist()) if 0 < len(values) <= MOST_VALUES else None

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
        put(self._observations, index, take(batch.observations, newest))
        self._actions[index] = batch.actions[newest]
        self._social_rewards[index] = rewards[newest]
        self._is_held_out[index] = self._rng.random(len(index)) < self.held_out
        self.n_added += len(rewards)
        self._kinds = None

    def sample(self, batch_size: int) -> LabelBatch:
        """
        Draw labels to train on, with replacement: a kind, a distinct pair of that kind, and one of the pair's labels,
        each with equal probability.

        :param batch_size: How many.
        :return: Labels of which none is held out.
        :raises ValueError: If there is no label to train on.
        """
        if self._kinds is None:
            self._kinds = self._kinds_of_pairs()
        if not self._kinds:
            raise ValueError(f"There is no label to train on: of {len(self)} given, {self.n_held_out} are held out.")
        kind_of = self._rng.integers(len(self._kinds), size=batch_size)
        pair, member = self._rng.random((2, batch_size))
        index = np.empty(batch_size, int)
        for number, kind in enumerate(self._kinds):
            drawn = kind_of == number
            index[drawn] = kind.draw(pair[drawn], member[drawn])
        return self._at(index)

    def _kinds_of_pairs(self) -> list[_Pairs]:
        """The pairs with a label that is not 0, and the others; a kind that does not occur is left out."""
        small = np.min_scalar_type(self.capacity)  # beside the labels of a small task, int64 would be a burden
        trained_on = np.flatnonzero(~self._is_held_out[: len(self)]).astype(small)
        if not len(trained_on):
            return []
        hashes = self._hashes(trained_on)
        order = np.argsort(hashes, kind="stable")
        hashes.sort()
        by_pair = trained_on[order]
        starts = np.flatnonzero(np.append(True, hashes[1:] != hashes[:-1])).astype(small)
        del hashes, order  # before more is asked for: what lies above it in the heap would keep it from going back
        counts = np.diff(starts, append=small.type(len(by_pair)))
        is_rewarded = np.logical_or.reduceat(self._social_rewards[by_pair] != 0, starts)
        return [
            _Pairs(by_pair[np.repeat(kind, counts)], np.append(small.type(0), counts[kind].cumsum(dtype=small)))
            for kind in (is_rewarded, ~is_rewarded)
            if kind.any()
        ]

    def _hashes(self, index: Array) -> Array:
        hashes = np.empty(len(index), np.uint64)
        for start in range(0, len(index), 1024):  # a copy of all labels would double the memory
            chunk = slice(start, start + 1024)
            observations, actions, _ = self._at(index[chunk])
            hashes[chunk] = pair_hashes(observations, actions)
        return hashes

    def held_out_batches(self, batch_size: int = 1024) -> Iterator[LabelBatch]:
        """
        :param batch_size: The most labels in one batch.
        :return: The held-out labels, each once, in the order of the store.
        """
        index = np.flatnonzero(self._is_held_out[: len(self)])
        for start in range(0, len(index), batch_size):
            yield self._at(index[start : start + batch_size])

    def save(self, path: str | os.PathLike[str]) -> None:
        """
        Write the labels, which of them are held out, and the generator's state, to an npz file without pickles.

        :param path: The file.
        """
        observations = self._observations if isinstance(self._observations, dict) else {"": self._observations}
        held = slice(len(self))
        arrays: dict[str, Any] = {f"observations/{key}": value[held] for key, value in observations.items()}
        arrays["actions"] = self._actions[held]
        arrays["social_rewards"] = self._social_rewards[held]
        arrays["is_held_out"] = self._is_held_out[held]
        arrays["state"] = json.dumps({"n_added": self.n_added, "generator": self._rng.bit_generator.state})
        np.savez(path, **arrays)

    def load(self, path: str | os.PathLike[str]) -> None:
        """
        Read what :meth:`save` wrote into a store of the same spaces and capacity, in place of what it holds.

        :param path: The file.
        :raises ValueError: If the labels do not fit this store.
        """
        with np.load(path) as file:
            state = json.loads(str(file["state"]))
            rewards = file["social_rewards"]
            if len(rewards) != min(state["n_added"], self.capacity):
                raise ValueError(
                    f"{os.fspath(path)!r} holds {len(rewards)} labels of {state['n_added']}, which does not fit a "
                    f"store of capacity {self.capacity}; make it with the capacity it had."
                )
            observations: Observations = {
                name.removeprefix("observations/"): file[name] for name in file.files if name.startswith("observations")
            }
            if not isinstance(self._observations, dict):
                observations = observations[""]
            check_batch("The file's observations", observations, self.observation_space, len(rewards))
            check_batch("The file's actions", file["actions"], self.action_space, len(rewards))
            held = slice(len(rewards))
            put(self._observations, held, observations)
            self._actions[held] = file["actions"]
            self._social_rewards[held] = rewards
            self._is_held_out[held] = file["is_held_out"]
        self.n_added = state["n_added"]
        self._rng.bit_generator.state = state["generator"]
        self._kinds = None

    def _at(self, index: Array) -> LabelBatch:
        return at(LabelBatch(self._observations, self._actions, self._social_rewards), index)


def pair_hashes(observations: Observations, actions: Array) -> Array:
    """
    Multilinear hashing modulo 2**64 of pairs of observation and action.

    :param observations: Array ``[n, *shape]``, or a dictionary of such arrays.
    :param actions: Array ``[n, *shape]``.
    :return: uint64 ``[n]``, the same for equal pairs and (but for a chance of about 2**-56 each) for no others.
    """
    seen = list(observations.values()) if isinstance(observations, dict) else [observations]
    hashes = np.zeros(len(actions), np.uint64)
    for number, part in enumerate([*seen, actions]):
        rows = np.ascontiguousarray(part).reshape(len(part), -1).view(np.uint8)
        # Always the same weights, but others for each part: small numbers in two parts must not make up for each other.
        weights = np.random.default_rng(number).integers(2**64, size=rows.shape[1], dtype=np.uint64)
        hashes += rows.astype(np.uint64) @ weights
    return hashes
