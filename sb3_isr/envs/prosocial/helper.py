"""A scripted learner of the prosocial game, which shows how well a learner can do."""

from __future__ import annotations

from minigrid.core.constants import DIR_TO_VEC

from sb3_isr.envs.grid_view import N_DIRECTIONS
from sb3_isr.envs.prosocial.layouts import Cell, Maze, ways
from sb3_isr.envs.prosocial.world import CAREGIVER, LEARNER, Actions, ProsocialWorld


def helpful_action(world: ProsocialWorld, game: int = 0) -> int:
    """
    Return the next action of a learner that knows the caregiver's goal.

    It walks to the ball, picks it up, and steps off the caregiver's way.

    :param world: A world in which the learner has followed this script since the layout began
    :param game: Index of the game
    :return: The learner's next action
    """
    layout = world.layouts[game]
    cell, direction = world.cell(LEARNER, game), int(world.directions[game, LEARNER])
    if world.carrying[game, LEARNER]:
        caregivers_way = _way(layout.maze, world.cell(CAREGIVER, game), layout.goal)
        return _first_action_off(caregivers_way, layout.maze, cell, direction)
    turn = (ways(layout.maze, layout.ball)[cell] - direction) % N_DIRECTIONS
    if turn:
        return Actions.LEFT if turn == N_DIRECTIONS - 1 else Actions.RIGHT
    return Actions.PICK_UP if _ahead(cell, direction) == layout.ball else Actions.FORWARD


def _ahead(cell: Cell, direction: int) -> Cell:
    dx, dy = DIR_TO_VEC[direction]
    return cell[0] + int(dx), cell[1] + int(dy)


def _way(maze: Maze, cell: Cell, goal: Cell) -> list[Cell]:
    cells = [cell]
    while cells[-1] != goal:
        cells.append(_ahead(cells[-1], ways(maze, goal)[cells[-1]]))
    return cells


def _first_action_off(way: list[Cell], maze: Maze, cell: Cell, direction: int) -> int:
    """Return the first action of a shortest path off the way that does not pass the caregiver at its start."""
    if cell not in way:
        return Actions.STILL
    seen, paths = {(cell, direction)}, [(cell, direction, -1)]
    for at, facing, first in paths:  # breadth-first search: the loop appends to the list
        if at not in way:
            return first
        for action, to, towards in (
            (Actions.FORWARD, _ahead(at, facing), facing),
            (Actions.LEFT, at, (facing - 1) % N_DIRECTIONS),
            (Actions.RIGHT, at, (facing + 1) % N_DIRECTIONS),
        ):
            if to in maze and to != way[0] and (to, towards) not in seen:
                seen.add((to, towards))
                paths.append((to, towards, action if first < 0 else first))
    return Actions.STILL
