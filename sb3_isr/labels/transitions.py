"""Batches of transitions: what can be labelled, and what an ISR can be given."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from sb3_isr.common.batches import (
    Array,
    Observations,
    cast_batch,
    concatenate_batches,
    copy_batch,
    index_batch,
    write_batch,
)


class Transitions(NamedTuple):
    """
    A batch of transitions.

    :param observations: Array ``[n, *shape]``, or a dictionary of such arrays: what the learner saw.
    :param actions: Array ``[n, *shape]``: what it then did, as the environment was told it.
    :param next_observations: As ``observations``: what it saw then; at an episode's end the last observation, not the
        first one of the next episode.
    :param terminated: bool ``[n]``: whether the episode terminated. An episode that was truncated did not.
    """

    observations: Observations
    actions: Array
    next_observations: Observations
    terminated: Array

    def select(self, index: Any) -> Transitions:
        """
        Select some of the transitions.

        :param index: Which of them: anything that indexes an array's first axis.
        :return: These transitions, in the order of ``index``.
        """
        return Transitions(*(index_batch(part, index) for part in self))  # type: ignore[arg-type]

    def parts(self, size: int = 1024) -> Iterator[Transitions]:
        """
        Split into smaller batches.

        :param size: The largest number of transitions in one.
        :return: The batches, in order.
        """
        for start in range(0, len(self.actions), size):
            yield self.select(slice(start, start + size))

    def copy(self) -> Transitions:
        """
        Copy all transitions.

        :return: The same in memory of its own.
        """
        return Transitions(*(copy_batch(part) for part in self))  # type: ignore[arg-type]

    def write(self, index: Array, transitions: Transitions) -> None:
        """
        Replace some of the transitions, in place.

        :param index: Which of them, int ``[k]``.
        :param transitions: The new ones, ``k`` of them.
        """
        for out, part in zip(self, transitions, strict=True):
            write_batch(out, index, part)

    def cast(self, like: Transitions) -> Transitions:
        """
        Convert to the dtypes of another batch.

        :param like: The other batch.
        :return: The same numbers, or where they are floats the nearest ones.
        :raises ValueError: If an integer dtype does not have a number, or a float one would make it infinite.
        """
        names = ("observations", "actions", "next observations", "terminated")
        parts = zip(names, self, like, strict=True)
        return Transitions(*(cast_batch(f"The labels' {name}", part, other) for name, part, other in parts))  # type: ignore[arg-type]

    @staticmethod
    def concatenate(batches: Sequence[Transitions]) -> Transitions:
        """
        Concatenate batches.

        :param batches: At least one.
        :return: All their transitions, in order.
        """
        return Transitions(*(concatenate_batches(parts) for parts in zip(*batches, strict=True)))  # type: ignore[arg-type]


def last_observations(next_observations: Observations, dones: Array, infos: Sequence[dict[str, Any]]) -> Observations:
    """
    Get what learners saw after a step of vectorized environments, which reset at an episode's end.

    :param next_observations: What the environments returned, ``[n_envs, *shape]``.
    :param dones: Whether an episode ended, bool ``[n_envs]``.
    :param infos: The infos of the step; ``terminal_observation`` is an episode's last observation.
    :return: The same with the last observation where an episode ended; a copy, if any has. (Where it is not in the
        info, as in environments that do not keep Stable-Baselines3's rule, the returned one is left.)
    """
    if not dones.any():
        return next_observations
    result = copy_batch(next_observations)
    for i in np.flatnonzero(dones).tolist():
        last = _info(infos, i).get("terminal_observation")
        if last is not None:
            write_batch(result, i, last)
    return result


def terminations(dones: Array, infos: Sequence[dict[str, Any]]) -> Array:
    """
    Tell termination from truncation, as Stable-Baselines3 does.

    :param dones: Whether an episode ended, bool ``[n_envs]``.
    :param infos: The infos of the step.
    :return: Whether it terminated, bool ``[n_envs]``.
    """
    if not dones.any():
        return dones
    result = dones.copy()
    for i in np.flatnonzero(dones).tolist():
        result[i] = not _info(infos, i).get("TimeLimit.truncated", False)
    return result


def _info(infos: Sequence[dict[str, Any]], i: int) -> dict[str, Any]:
    return infos[i] if i < len(infos) else {}  # Stable-Baselines3 does without them
