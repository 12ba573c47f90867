"""Attendance: whether the caregiver attends the running episode of each environment."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from sb3_isr.common.batches import Array

#: Presence is drawn anew in an episode that lasts for longer than this, and than twice the longest one before.
MIN_LIMIT = 20


class Attendance:
    """
    Draws at the start of each episode whether the caregiver attends it.

    An episode is what the learner takes for one: with ``EpisodicLifeEnv`` each life. Where none ends, or suddenly one
    goes on and on, nobody would ever leave or come back. So an episode that lasts for longer than 20 steps and than
    twice the longest one before in its environment counts as ended, and presence is drawn anew that often.

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
        #: Number of steps so far for which presence was drawn.
        self.steps = 0
        # For each environment the steps at which its episode began and at which presence is drawn next, and the length
        # of its longest episode.
        self._began = np.zeros(n_envs, np.int64)
        self._due = np.zeros(n_envs, np.int64)
        self._longest = np.zeros(n_envs, np.int64)

    def end_episodes(self, dones: Array | bool) -> None:
        """
        Remember in which environments an episode starts next.

        Nothing is drawn before its first step, so that an episode's end and the reset after it are one start.

        :param dones: Whether an episode ended, bool ``[n_envs]``, or one value for all environments.
        """
        lengths = (self.steps - self._began) * dones
        np.maximum(self._longest, lengths, out=self._longest)
        self._began[dones] = self._due[dones] = self.steps

    def draw(self) -> None:
        """Draw the presence for the episodes that start now. Called before each step."""
        starts = self._due <= self.steps
        if starts.any():
            for i in np.flatnonzero(starts).tolist():
                # In mid-episode only if it may change something, so that most runs draw the same as without a limit.
                if self._began[i] == self.steps or self.present[i] != self.probability:
                    self.present[i] = self.rngs[i].random() < self.probability
            self._due[starts] = self.steps + np.maximum(MIN_LIMIT, 2 * self._longest[starts])
            self.all_present = bool(self.present.all())
        self.steps += 1
