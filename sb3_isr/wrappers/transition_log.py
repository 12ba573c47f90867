"""The transition log: the last steps of the environments, in memory that is allocated once."""

from __future__ import annotations

from typing import Any

import numpy as np

from sb3_isr.common.batches import Array, Observations, index_batch, write_batch
from sb3_isr.labels.transitions import Transitions

#: The most transitions in a log: with more the ISR would not be faster.
MAX_TRANSITIONS = 1024
#: The most bytes of them.
MAX_BYTES = 2**26


class TransitionLog:
    """
    Holds the last steps of environments that step together, until it is cleared.

    :param n_envs: Number of environments.
    """

    def __init__(self, n_envs: int) -> None:
        self.n_envs = n_envs
        #: Number of steps in it; the arrays below have a row for each, and rows that are not in use.
        self.n_steps = 0
        self._capacity = 0
        self._transitions: Transitions | None = None

    def has_room_for(self, transitions: Transitions) -> bool:
        """
        Compare a step with the memory that is there.

        :param transitions: Those of the step.
        :return: Whether it can be added to the steps that are there.
        """
        return self.n_steps < self._capacity and self._is_like(transitions)

    def add(
        self, transitions: Transitions, rewards: Array, labels: Array, dones: Array, present: Array, idle: Array | None
    ) -> None:
        """
        Add a step, a copy of it. If there is no room for it, the log must be empty.

        :param transitions: One for each environment.
        :param rewards: ``R_e + R_s``, ``[n_envs]``.
        :param labels: ``R_s``, ``[n_envs]``; NaN where there is none.
        :param dones: Whether an episode ended, bool ``[n_envs]``.
        :param present: ``P``, bool ``[n_envs]``.
        :param idle: Where the learner did nothing, bool ``[n_envs]``; None for nowhere.
        """
        row = self.n_steps
        if not row and not self.has_room_for(transitions):
            self._allocate(transitions)
        assert self._transitions is not None
        for out, part in zip(self._transitions, transitions):  # noqa: B905 (strict costs as much as a copy)
            write_batch(out, row, part)
        self.rewards[row] = rewards
        self.labels[row] = labels
        self.dones[row] = dones
        self.present[row] = present
        if idle is not None:
            self.idle[row] = idle
        self.n_steps += 1

    def transitions(self, start: int = 0) -> Transitions:
        """
        Get the transitions of the newest steps.

        :param start: The first of these steps.
        :return: All transitions from there on, step by step, in memory that later steps are written into.
        """
        assert self._transitions is not None
        rows = (index_batch(part, slice(start, self.n_steps)) for part in self._transitions)
        return Transitions(*map(_merge_axes, rows))

    def absent(self, start: int = 0) -> Array:
        """
        Find out where ``R_i`` is due: the caregiver is absent, and the learner did something.

        :param start: The first step.
        :return: bool ``[n_steps - start, n_envs]``.
        """
        steps = slice(start, self.n_steps)
        return ~(self.present[steps] | self.idle[steps])

    def labelled(self) -> Array:
        """
        Find the labels that the ISR may learn from: the caregiver is present, and the learner did something.

        :return: bool ``[n_steps, n_envs]``.
        """
        steps = slice(0, self.n_steps)
        return self.present[steps] & ~self.idle[steps] & ~np.isnan(self.labels[steps])

    def clear(self) -> None:
        """Remove all steps."""
        self.idle[: self.n_steps], self.internal_rewards[: self.n_steps] = False, 0.0
        self.n_steps = 0

    def _allocate(self, like: Transitions) -> None:
        step_size = sum(map(_size, like))
        capacity = self._capacity = max(1, min(MAX_TRANSITIONS // self.n_envs, MAX_BYTES // step_size))
        self._transitions = Transitions(*(_empty(capacity, part) for part in like))
        shape = capacity, self.n_envs
        #: What :meth:`add` is given, each ``[capacity, n_envs]``.
        self.rewards, self.labels = np.empty(shape), np.empty(shape)
        self.dones, self.present, self.idle = (np.zeros(shape, bool) for _ in range(3))
        #: ``R_i`` times its coefficient; 0 until it is known, and where it is not due.
        self.internal_rewards = np.zeros(shape)

    def _is_like(self, transitions: Transitions) -> bool:
        mine = self._transitions
        return (
            mine is not None
            and _is_row(mine.observations, transitions.observations)
            and _is_row(mine.actions, transitions.actions)
            and _is_row(mine.next_observations, transitions.next_observations)
        )


def _is_row(out: Observations, batch: Observations) -> bool:
    if isinstance(out, dict):
        return isinstance(batch, dict) and all(_is_row(out[key], batch[key]) for key in out)
    return not isinstance(batch, dict) and out.dtype == batch.dtype and out.shape[1:] == batch.shape


def _size(batch: Observations) -> int:
    return sum(map(_size, batch.values())) if isinstance(batch, dict) else batch.nbytes


def _empty(capacity: int, like: Observations) -> Any:
    if isinstance(like, dict):
        return {key: _empty(capacity, value) for key, value in like.items()}
    return np.empty((capacity, *like.shape), like.dtype)


def _merge_axes(batch: Any) -> Any:
    """From ``[n_steps, n_envs, ...]`` to ``[n_steps * n_envs, ...]``."""
    if isinstance(batch, dict):
        return {key: _merge_axes(value) for key, value in batch.items()}
    return batch.reshape(-1, *batch.shape[2:])
