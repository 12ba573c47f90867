"""All mazes of the prosocial game, and all placements of agents, ball and goal in them."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from itertools import product
from typing import NamedTuple

import numpy as np
from minigrid.core.constants import DIR_TO_VEC

#: Width and height of the grid with its outer wall, and number of walls inside it.
SIZE = 7
N_WALLS = 8

Cell = tuple[int, int]
Maze = frozenset[Cell]
Row = tuple[bool, ...]  # True is a wall

_DIRECTIONS: list[Cell] = [(int(x), int(y)) for x, y in DIR_TO_VEC]
_OUTER_WALL = (True,) * SIZE


class Layout(NamedTuple):
    """
    A maze, and the cells (x, y) of ball, goal and agents in it.

    :param maze: The open cells
    :param ball: The ball's cell, where most corridors meet, between the caregiver and its goal
    :param caregiver: The caregiver's first cell, a dead end
    :param goal: The caregiver's goal, a dead end beyond the ball
    :param learner: The learner's first cell, another dead end beyond the ball
    """

    maze: Maze
    ball: Cell
    caregiver: Cell
    goal: Cell
    learner: Cell


@cache
def layouts() -> tuple[Layout, ...]:
    """Return all layouts (about 24,000) in a fixed order."""
    return tuple(layout for maze in mazes() for layout in _layouts_in(maze))


@cache
def mazes() -> tuple[Maze, ...]:
    """
    Return the open cells of all mazes of corridors, in a fixed order.

    In a maze of corridors all open cells are connected. A block of 2x2 cells, which may include the outer wall, has one
    to three open cells, and if it has two, they are not diagonal to each other.
    """
    grids = (
        frozenset((x, y) for y, row in enumerate(rows) for x, is_wall in enumerate(row) if not is_wall)
        for rows in _rows_below([_OUTER_WALL], N_WALLS)
    )
    return tuple(maze for maze in grids if _reachable(maze, min(maze)) == maze)


@cache
def ways(maze: Maze, goal: Cell) -> np.ndarray:
    """
    Return the direction of the next step of the shortest way to a goal, for each cell.

    :param maze: The open cells
    :param goal: One of them
    :return: int ``[SIZE, SIZE]``, indexed [x, y], read-only; 0 in walls and at the goal itself
    """
    directions = np.zeros((SIZE, SIZE), dtype=np.intp)
    seen = [goal]
    for x, y in seen:  # breadth-first search: the loop appends to the list
        for direction, (dx, dy) in enumerate(_DIRECTIONS):
            before = (x - dx, y - dy)
            if before in maze and before not in seen:
                directions[before] = direction
                seen.append(before)
    directions.setflags(write=False)
    return directions


def _rows_below(rows: list[Row], n_walls: int) -> Iterator[list[Row]]:
    """Yield all grids that start with these rows and have this number of inner walls in the rows below."""
    if len(rows) == SIZE - 1:
        if n_walls == 0 and _fits_below(_OUTER_WALL, rows[-1]):
            yield [*rows, _OUTER_WALL]
        return
    for inner in product((False, True), repeat=SIZE - 2):
        row = (True, *inner, True)
        if sum(inner) <= n_walls and _fits_below(row, rows[-1]):
            yield from _rows_below([*rows, row], n_walls - sum(inner))


@cache
def _fits_below(row: Row, above: Row) -> bool:
    """Return whether each 2x2 block of two rows may occur in a maze of corridors."""
    blocks = zip(above, above[1:], row, row[1:], strict=False)
    return all(0 < sum(block) < 4 and not (block[0] == block[3] != block[1] == block[2]) for block in blocks)


def _layouts_in(maze: Maze) -> Iterator[Layout]:
    degrees = {cell: len(_neighbours(maze, cell)) for cell in sorted(maze)}
    dead_ends = [cell for cell, degree in degrees.items() if degree == 1]
    for ball in (cell for cell, degree in degrees.items() if degree == max(degrees.values())):
        for goal in dead_ends:
            beyond = _reachable(maze - {ball}, goal)
            learners = [cell for cell in dead_ends if cell in beyond and cell != goal]
            for caregiver in (cell for cell in dead_ends if cell not in beyond):
                yield from (Layout(maze, ball, caregiver, goal, learner) for learner in learners)


def _neighbours(cells: Maze, cell: Cell) -> list[Cell]:
    around = ((cell[0] + dx, cell[1] + dy) for dx, dy in _DIRECTIONS)
    return [neighbour for neighbour in around if neighbour in cells]


def _reachable(cells: Maze, start: Cell) -> Maze:
    seen, new = {start}, [start]
    for cell in new:  # breadth-first search: the loop appends to the list
        new += [neighbour for neighbour in _neighbours(cells, cell) if neighbour not in seen]
        seen.update(new)
    return frozenset(seen)
