"""Windows: episodes are assembled as they were, whatever the order in which their transitions come."""

from __future__ import annotations

import numpy as np
import pytest

from sb3_isr.common.batches import Array
from sb3_isr.labels import QueryPool
from sb3_isr.schedules.windows import Windows
from tests.labels.made_labels import make_labels, numbers_in


def pool(lengths: list[int], first: int = 0, env: int = 0) -> QueryPool:
    """Consecutive episodes of one environment; after each, a number is left out, so that none leads to the next."""
    parts = []
    for length in lengths:
        part = make_labels([0.0] * length, first)
        parts.append(QueryPool(part, np.full(length, env), np.arange(length) == length - 1))
        first += length + 1
    return QueryPool.concatenate(parts)


def shown(windows: Windows) -> list[list[int]]:
    return [numbers_in(window.pool.query(slice(None))) for window in windows]


@pytest.mark.parametrize(
    ("lengths", "expected"),
    [
        ([2, 3], [[0, 1], [3, 4, 5]]),
        ([4], [[0, 1, 2, 3]]),
        ([6], [[0, 1, 2, 3], [2, 3, 4, 5]]),  # the last one ends with the episode, and shows the way to its end
        ([9, 1], [[0, 1, 2, 3], [4, 5, 6, 7], [5, 6, 7, 8], [10]]),
    ],
)
@pytest.mark.parametrize("n_parts", [1, 2, 5, 10])
def test_episodes_are_cut_into_windows(lengths: list[int], expected: list[list[int]], n_parts: int) -> None:
    windows, episodes = Windows(4, 1000), pool(lengths)
    for index in np.array_split(np.arange(len(episodes)), n_parts):
        windows.add(episodes.select(index))
    assert shown(windows) == expected
    assert windows[0].step == 0


def test_steps_are_counted_in_each_environment() -> None:
    windows = Windows(4, 1000)
    both = QueryPool.concatenate([pool([6, 2]), pool([3], 100, env=1)])
    order: Array = np.array([0, 8, 1, 2, 9, 3, 4, 10, 5, 6, 7])
    windows.add(both.select(order))
    assert [(window.env, window.step, len(window.pool)) for window in windows] == [
        (0, 0, 4),
        (0, 2, 4),
        (0, 6, 2),
        (1, 0, 3),
    ]


def test_an_episode_that_somebody_else_broke_off_is_cut_there() -> None:
    """Environments are reset when learn is called again: nothing says that the episode ended."""
    windows, whole = Windows(4, 1000), pool([9])
    broken = whole.select(np.array([0, 1, 5, 6, 7, 8]))
    windows.add(broken)
    assert shown(windows) == [[0, 1], [5, 6, 7, 8]]


def test_the_newest_windows_are_kept_and_those_taken_out_are_gone() -> None:
    windows = Windows(4, 6)
    windows.add(pool([2] * 5))
    assert shown(windows) == [[6, 7], [9, 10], [12, 13]]
    assert numbers_in(windows.pop([2, 0])[0].pool.query(slice(None))) == [12, 13]
    assert shown(windows) == [[9, 10]]
