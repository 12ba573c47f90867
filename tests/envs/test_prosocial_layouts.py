"""Properties that every layout of the prosocial game has, over thousands of seeds."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from sb3_isr.envs.prosocial.layouts import Cell, Layout, layouts, mazes, ways
from sb3_isr.envs.prosocial.world import ProsocialWorld

INNER = [(x, y) for x in range(1, 6) for y in range(1, 6)]


def drawn(seed: int) -> Layout:
    """A layout as each environment of the game draws it."""
    world = ProsocialWorld(1, max_steps=100)
    world.generate_layouts([0], [np.random.default_rng(seed)])
    return world.layouts[0]


def neighbours(cell: Cell, maze: frozenset[Cell]) -> set[Cell]:
    """The open neighbours of a cell."""
    x, y = cell
    return {(x + 1, y), (x - 1, y), (x, y + 1), (x, y - 1)} & maze


def connected(cell: Cell, maze: frozenset[Cell]) -> set[Cell]:
    """The open cells that can be reached from a cell."""
    reached: set[Cell] = set()
    border = {cell}
    while border:
        reached |= border
        border = set().union(*(neighbours(other, maze) for other in border)) - reached
    return reached


@settings(max_examples=10 * settings().max_examples, derandomize=True)
@given(st.integers(0, 2**32 - 1))
def test_in_every_layout_help_is_necessary_and_possible(seed: int) -> None:
    maze, ball, caregiver, goal, learner = drawn(seed)
    # Walls: eight of the inner cells, and the whole border.
    assert maze <= set(INNER)
    assert len(INNER) - len(maze) == 8
    for x in range(6):
        for y in range(6):
            block = [cell in maze for cell in ((x, y), (x + 1, y), (x, y + 1), (x + 1, y + 1))]
            assert 0 < sum(block) < 4
            assert block not in ([True, False, False, True], [False, True, True, False])
    # All cells are connected, by one path only: a tree has one edge fewer than cells.
    assert connected(ball, maze) == maze
    degrees = {cell: len(neighbours(cell, maze)) for cell in maze}
    assert sum(degrees.values()) == 2 * (len(maze) - 1)
    # The ball blocks the way where most corridors meet; all else is at dead ends, the learner on the goal's side.
    assert degrees[ball] == max(degrees.values())
    assert [degrees[cell] for cell in (caregiver, goal, learner)] == [1, 1, 1]
    goals_side = connected(goal, maze - {ball})
    assert caregiver not in goals_side
    assert learner in goals_side - {goal}
    # The caregiver's way, step by step, is the shortest and passes the ball.
    way = [caregiver]
    while way[-1] != goal:
        step = [(1, 0), (0, 1), (-1, 0), (0, -1)][ways(maze, goal)[way[-1]]]
        way.append((way[-1][0] + step[0], way[-1][1] + step[1]))
    assert set(way) <= maze
    assert len(set(way)) == len(way)  # in a tree there is only one way without a detour
    assert ball in way


def test_the_number_of_mazes_and_layouts() -> None:
    # Counted by an independent program that tries the walls in another order.
    assert len(mazes()) == len(set(mazes())) == 1072
    assert len(layouts()) == len(set(layouts())) == 23840


def test_the_seed_decides_the_layout() -> None:
    assert drawn(1) == drawn(1)
    assert len({drawn(seed) for seed in range(100)}) > 95


def test_the_mazes_are_symmetric() -> None:
    """No rule distinguishes directions, so a missing mirror image would be an error in the search."""
    found = set(mazes())
    assert {frozenset((y, x) for x, y in maze) for maze in found} == found
    assert {frozenset((6 - x, y) for x, y in maze) for maze in found} == found
