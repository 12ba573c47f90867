"""Windows: whole episodes, or parts of long ones, assembled from the transitions that nobody attended."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np

from sb3_isr.common.batches import Array, Observations, index_batch
from sb3_isr.common.hashing import hash_rows
from sb3_isr.labels.batch import QueryPool


class Window(NamedTuple):
    """
    Consecutive transitions of one episode.

    :param pool: The transitions, with labels that are revealed only when they are queried.
    :param env: Number of the environment.
    :param step: Steps that this environment had done before.
    """

    pool: QueryPool
    env: int
    step: int


class _OpenEpisode:
    """What is known of the running episode of one environment: its last window, and the transitions after it."""

    def __init__(self) -> None:
        self.before: QueryPool | None = None
        self.rest: QueryPool | None = None
        self.steps = 0


class Windows:
    """
    Assembles windows, and keeps the newest ones.

    An episode of at most ``max_steps`` transitions is one window. A longer one is cut into windows of that length; the
    last of them ends where the episode does, and so shows part of the one before again.

    :param max_steps: The largest number of transitions in a window.
    :param capacity: The largest number of transitions in all windows that are kept.
    """

    def __init__(self, max_steps: int, capacity: int) -> None:
        self.max_steps = max_steps
        self.capacity = capacity
        self._windows: deque[Window] = deque()
        self._size = 0
        self._episodes: dict[int, _OpenEpisode] = {}

    def __len__(self) -> int:
        return len(self._windows)

    def __getitem__(self, number: int) -> Window:
        return self._windows[number]

    def __iter__(self) -> Iterator[Window]:
        return iter(self._windows)

    def add(self, pool: QueryPool) -> None:
        """
        Add transitions.

        :param pool: Later transitions than all before, in the order in which they were made in each environment.
        """
        for env in np.unique(pool.envs).tolist():
            self._add(env, pool.select(np.flatnonzero(pool.envs == env)))
        while self._size > self.capacity and len(self._windows) > 1:
            self._size -= len(self._windows.popleft().pool)

    def pop(self, numbers: list[int]) -> list[Window]:
        """
        Take windows out.

        :param numbers: Which of them, from 0, all different.
        :return: These windows.
        """
        chosen = [self._windows[number] for number in numbers]
        left = set(range(len(self._windows))).difference(numbers)
        self._windows = deque(self._windows[number] for number in sorted(left))
        self._size = sum(len(window.pool) for window in self._windows)
        return chosen

    def keep(self, can_show: Callable[[int, int, int], bool]) -> None:
        """
        Drop the windows that cannot be shown.

        :param can_show: Says whether one can, by environment, step and number of transitions.
        """
        kept = [window for window in self._windows if can_show(window.env, window.step, len(window.pool))]
        self._windows = deque(kept)
        self._size = sum(len(window.pool) for window in kept)

    def steps_done(self, env: int) -> int:
        """
        Count the steps of an environment.

        :param env: Its number.
        :return: Number of transitions that were added.
        """
        episode = self._episodes.get(env)
        if episode is None:
            return 0
        return episode.steps + (0 if episode.rest is None else len(episode.rest))

    def _add(self, env: int, pool: QueryPool) -> None:
        episode = self._episodes.setdefault(env, _OpenEpisode())
        if episode.rest is not None:
            pool = episode.rest.extend(pool)
        ends = pool.ended | ~np.append(_continues(pool), True)
        start = 0
        for end in (np.flatnonzero(ends) + 1).tolist():
            self._cut(episode, env, pool.select(slice(start, end)), has_ended=True)
            start = end
        episode.rest = self._cut(episode, env, pool.select(slice(start, len(pool))), has_ended=False)

    def _cut(self, episode: _OpenEpisode, env: int, pool: QueryPool, has_ended: bool) -> QueryPool | None:
        """Cut windows off the front of an episode; returns the rest of one that goes on."""
        while len(pool) >= self.max_steps:
            episode.before, pool = pool.select(slice(self.max_steps)), pool.select(slice(self.max_steps, None))
            self._append(episode.before, env, episode.steps)
            episode.steps += self.max_steps
        if not has_ended:
            return pool if len(pool) else None
        if len(pool):
            steps, n = episode.steps, len(pool)
            if episode.before is not None:
                pool, steps = episode.before.select(slice(n, None)).extend(pool), steps + n - self.max_steps
            self._append(pool, env, steps)
            episode.steps += n
        episode.before = None
        return None

    def _append(self, pool: QueryPool, env: int, step: int) -> None:
        self._windows.append(Window(pool, env, step))
        self._size += len(pool)


def _continues(pool: QueryPool) -> Array:
    """Whether each transition but the last one leads to where the next one begins, bool ``[n - 1]``."""
    # Somebody else may have reset or stepped the environments in between.
    transitions = pool.transitions
    led_to = _hashes(index_batch(transitions.next_observations, slice(0, -1)))
    return np.asarray(led_to == _hashes(index_batch(transitions.observations, slice(1, None))))


def _hashes(observations: Observations) -> Array:
    return hash_rows(list(observations.values()) if isinstance(observations, dict) else [observations])
