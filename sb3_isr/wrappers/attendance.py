"""Attendance: whether the caregiver attends the running episode of each environment."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from sb3_isr.common.batches import Array


class Attendance:
    """
    Draws at the start of each episode whether the caregiver attends it.

    :param n_envs: Number of environments that step together.
    """

    def __init__(self, n_envs: int) -> None:
        #: That the caregiver attends an episode that starts now.
        self.probability = 0.0
        #: One generator for each environment. In another process they are copies of those that were given.
        self.rngs: Sequence[np.random.Generator] = []
        #: ``P`` of the running episodes, bool ``[n_envs]``.
        self.present: Array = np.zeros(n_envs, bool)
        self.all_present = False
        self._starts = np.ones(n_envs, bool)

    def end_episodes(self, dones: Array | bool) -> None:
        """
        Remember in which environments an episode starts next.

        Nothing is drawn before its first step, so that an episode's end and the reset after it are one start.

        :param dones: Whether an episode ended, bool ``[n_envs]``, or one value for all environments.
        """
        self._starts |= dones

    def draw(self) -> None:
        """Draw the presence for the episodes that start now."""
        if not self._starts.any():
            return
        for i in np.flatnonzero(self._starts).tolist():
            self.present[i] = self.rngs[i].random() < self.probability
        self._starts[:] = False
        self.all_present = bool(self.present.all())
