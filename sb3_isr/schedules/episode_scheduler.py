"""The scheduler of episode queries: it assembles windows while training goes on, and chooses what is asked."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from sb3_isr.isr.model import InternalSocialReward
from sb3_isr.labels.batch import QueryPool
from sb3_isr.labels.transitions import Transitions
from sb3_isr.schedules.episode_queries import REASONS, EpisodeQueries
from sb3_isr.schedules.query_scheduler import QueryScheduler
from sb3_isr.schedules.windows import Window, Windows


class Chosen(NamedTuple):
    """
    A window to ask about.

    :param window: The window.
    :param reason: Why it was chosen, in words for the respondent.
    """

    window: Window
    reason: str


class EpisodeScheduler(QueryScheduler):
    """
    Carries out episode queries. Whoever has a respondent asks it for windows.

    :param schedule: The schedule.
    :param rng: Source of randomness.
    """

    def __init__(self, schedule: EpisodeQueries, rng: np.random.Generator) -> None:
        super().__init__()
        self.schedule = schedule
        self.n_reserved = schedule.budget
        self._rng = rng
        self._windows = Windows(schedule.max_steps, schedule.window)

    def on_unattended(self, unattended: QueryPool) -> None:
        """As :class:`QueryScheduler`'s."""
        self._windows.add(unattended)

    def steps_done(self, n_envs: int) -> list[int]:
        """
        Count the steps of each environment so far: what a question's ``step`` would be for its next transition.

        :param n_envs: Number of environments.
        :return: Steps of each of them.
        """
        return [self._windows.steps_done(env) for env in range(n_envs)]

    def choose(
        self,
        n: int,
        isr: InternalSocialReward | None,
        asked: Sequence[Transitions],
        can_show: Callable[[int, int, int], bool] | None = None,
    ) -> list[Chosen]:
        """
        Choose windows to ask about; they are not chosen again.

        :param n: How many are wanted.
        :param isr: The ISR; None if there is none yet.
        :param asked: What was asked before.
        :param can_show: Says whether there are pictures of a window, by environment, step and number of transitions;
            those without are dropped. None if it does not matter.
        :return: The windows; fewer than ``n`` if there are no more.
        """
        if n >= 1 and can_show is not None:
            self._windows.keep(can_show)
        if n < 1 or not len(self._windows):
            return []
        chosen = self.schedule.choose(self._windows, n, isr, asked, self._rng)
        windows = self._windows.pop([number for number, _ in chosen])
        return [Chosen(window, REASONS[rule]) for window, (_, rule) in zip(windows, chosen, strict=True)]
