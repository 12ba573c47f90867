"""The rows of a label store: preallocated arrays that hold labelled transitions."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np

from sb3_isr.common.batches import Array, Observations, index_batch, write_batch
from sb3_isr.common.memory import total_memory
from sb3_isr.labels.batch import LabelBatch
from sb3_isr.labels.checked import zero_labels
from sb3_isr.labels.next_observations import OWN, NextObservations
from sb3_isr.labels.store_file import LabelFile
from sb3_isr.labels.transitions import Transitions


class LabelRows:
    """
    Preallocated rows of labels. Pages of zeros that are never written take no memory.

    :param observation_space: The learner's observation space.
    :param action_space: The environment's action space.
    :param capacity: Number of rows.
    :raises ValueError: If they need more memory than there is.
    """

    def __init__(self, observation_space: gym.Space[Any], action_space: gym.Space[Any], capacity: int) -> None:
        self._spaces = observation_space, action_space
        # A next observation is most often another row's observation, and then takes nothing.
        n_bytes = _bytes_of_row(zero_labels(*self._spaces, 1))
        memory = total_memory()
        if memory is not None and capacity * n_bytes > memory:
            raise _too_large(capacity, n_bytes, memory)
        try:
            zeros = zero_labels(*self._spaces, capacity)
        except MemoryError as error:
            raise _too_large(capacity, n_bytes, None) from error
        self._observations, self._actions, next_observations, terminated = zeros.transitions
        #: Whether the episode terminated, bool ``[capacity]``.
        self.terminated = terminated
        self._next_observations = NextObservations(next_observations, capacity)
        #: The labels, float32 ``[capacity]``.
        self.social_rewards = zeros.social_rewards
        #: Whether they are held out of training, bool ``[capacity]``.
        self.is_held_out = np.zeros(capacity, bool)

    def write(self, index: Array, labels: LabelBatch, is_held_out: Array) -> None:
        """
        Replace rows.

        :param index: Which rows, int ``[k]``, in the order of their age.
        :param labels: The new labels, ``k`` of them, in the rows' dtypes.
        :param is_held_out: Whether they are held out of training, bool ``[k]``.
        """
        transitions, social_rewards = labels
        write_batch(self._observations, index, transitions.observations)
        self._actions[index] = transitions.actions
        self._next_observations.write(index, transitions.observations, transitions.next_observations)
        self.terminated[index] = transitions.terminated
        self.social_rewards[index] = social_rewards
        self.is_held_out[index] = is_held_out

    def select(self, index: Array) -> LabelBatch:
        """
        Get rows.

        :param index: Which rows, int ``[k]``.
        :return: A copy of their labels.
        """
        next_observations = self._next_observations.select(index, self._observations)
        observations = index_batch(self._observations, index)
        transitions = Transitions(observations, self._actions[index], next_observations, self.terminated[index])
        return LabelBatch(transitions, self.social_rewards[index])

    def pairs(self, index: Array) -> tuple[Observations, Array]:
        """
        Get the pairs of observation and action of rows.

        :param index: Which rows, int ``[k]``.
        :return: A copy of the observations, and of the actions.
        """
        return index_batch(self._observations, index), self._actions[index]

    def arrays(self) -> dict[str, Array]:
        """
        Get the arrays that a file holds.

        :return: Arrays ``[capacity, ...]`` by their names; they are no copies.
        """
        return {
            **_named("observations", self._observations),
            "actions": self._actions,
            "terminated": self.terminated,
            "social_rewards": self.social_rewards,
            "is_held_out": self.is_held_out,
            "next_rows": self._next_observations.rows,
            **_named("next_observations", self._next_observations.own),
        }

    def filled(self, n: int) -> dict[str, Array]:
        """
        Get what a file must hold.

        :param n: Number of rows that are filled.
        :return: Arrays by their names, ``[n, ...]``; of the next observations only those that are no other row's.
        """
        own = np.flatnonzero(self._next_observations.rows[:n] == OWN)
        return {
            name: array[own] if name.startswith("next_observations/") else array[:n]
            for name, array in self.arrays().items()
        }

    def read(self, file: LabelFile, n: int, oldest: int) -> None:
        """
        Fill rows from a file.

        :param file: The file.
        :param n: Number of rows to fill.
        :param oldest: The row that is the oldest.
        :raises ValueError: If the file does not hold ``n`` rows.
        """
        arrays = self.arrays()
        of_own = [name for name in arrays if name.startswith("next_observations/")]
        for name in [name for name in arrays if name not in of_own]:
            arrays[name][:n] = file.read(name, n)
        rows = self._next_observations.rows[:n]
        is_shared = rows != OWN
        ages = (np.arange(n) - oldest) % max(1, n)
        if ((rows < OWN) | (rows >= n)).any() or (ages[rows[is_shared]] <= ages[is_shared]).any():
            raise ValueError("its 'next_rows' are not the numbers of newer rows")
        own = np.flatnonzero(~is_shared)
        for name in of_own:
            arrays[name][own] = file.read(name, len(own))


def _bytes_of_row(row: LabelBatch) -> int:
    (observations, actions, _, terminated), social_rewards = row
    arrays = [*_named("", observations).values(), actions, terminated, social_rewards]
    return sum(array.nbytes for array in arrays)


def _named(name: str, observations: Observations) -> dict[str, Array]:
    by_key = observations if isinstance(observations, dict) else {"": observations}
    return {f"{name}/{key}": value for key, value in by_key.items()}


def _too_large(capacity: int, n_bytes: int, memory: int | None) -> ValueError:
    here = "what this machine can give" if memory is None else f"this machine's {memory / 2**30:.3g} GiB"
    fitting = max(1, (memory or 2**32) // 4 // n_bytes)
    return ValueError(
        f"The label store must fit into memory, but capacity={capacity} labels of {n_bytes:,} bytes each need "
        f"{capacity * n_bytes / 2**30:,.4g} GiB, more than {here}; give it a smaller capacity, as in "
        f'ISRCallback(store_kwargs={{"capacity": {fitting}}}), or the environment smaller observations.'
    )
