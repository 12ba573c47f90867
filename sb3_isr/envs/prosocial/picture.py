"""Renders the prosocial game."""

from __future__ import annotations

import numpy as np
from minigrid.core.world_object import Ball, Goal, Wall, WorldObj

from sb3_isr.common.batches import Array
from sb3_isr.envs.fixed_maps import FixedMap, fixed_maps
from sb3_isr.envs.grid_view import N_DIRECTIONS
from sb3_isr.envs.map_pictures import DrawnAgent, draw_map, with_caption
from sb3_isr.envs.prosocial.layouts import SIZE
from sb3_isr.envs.prosocial.world import (
    AGENT_CODE,
    AGENT_COLORS,
    BALL,
    BALL_COLOR,
    GOAL,
    LEARNER,
    TURNS,
    WALL,
    ProsocialWorld,
)
from sb3_isr.labels.transitions import Transitions

_BALL = Ball(BALL_COLOR)  # type: ignore[no-untyped-call]
_OBJECTS: dict[int, WorldObj] = {int(WALL[0]): Wall(), int(BALL[0]): _BALL, int(GOAL[0]): Goal()}


def picture(world: ProsocialWorld, tile_size: int = 32) -> np.ndarray:
    """
    Render the first game of a world from above.

    :param world: The world
    :param tile_size: Width and height of a cell in pixels
    :return: uint8 ``[SIZE * tile_size, SIZE * tile_size, 3]``
    """
    cells = [(x, y) for x in range(SIZE) for y in range(SIZE)]
    objects = {cell: _OBJECTS.get(int(world.codes[world.index(np.array(cell)), 0])) for cell in cells}
    for agent, color in enumerate(AGENT_COLORS):
        cell = world.cell(agent)
        direction, is_carrying = int(world.directions[0, agent]), bool(world.carrying[0, agent])
        objects[cell] = _agent(color, direction, is_carrying, objects[cell])
    return draw_map(SIZE, {cell: thing for cell, thing in objects.items() if thing is not None}, tile_size)


def pictures(world: ProsocialWorld, transitions: Transitions) -> list[Array]:
    """
    Render what a learner did from above, from what it saw.

    :param world: Any world.
    :param transitions: ``k`` transitions of one episode.
    :return: ``k + 1`` pictures, uint8 ``[height, width, 3]``.
    """
    assert not isinstance(transitions.observations, dict)
    assert not isinstance(transitions.next_observations, dict)
    views = np.concatenate([transitions.observations[:1], transitions.next_observations])
    # The ISR is given the actions of both agents.
    actions = transitions.actions.reshape(len(transitions.actions), -1)[:, LEARNER]
    return [_picture(drawn) for drawn in fixed_maps(world, views, TURNS[actions])]


def _picture(drawn: FixedMap) -> Array:
    objects: dict[tuple[int, int], WorldObj] = {}
    for x, y in np.argwhere(drawn.codes[..., 0] > 1).tolist():
        code, _, state, carried, is_goal = drawn.codes[x, y].tolist()
        below = _OBJECTS[int(GOAL[0])] if is_goal else None
        if code == AGENT_CODE:
            is_learner = (x, y) == drawn.agent
            color = AGENT_COLORS[0 if is_learner else 1]
            objects[x, y] = _agent(color, (state + drawn.direction) % N_DIRECTIONS, carried > 0, below)
        else:
            objects[x, y] = _OBJECTS[code]
    caption = "goal reached, new maze" if drawn.is_new else ""
    return with_caption(draw_map(SIZE, objects), caption)


def _agent(color: str, direction: int, is_carrying: bool, below: WorldObj | None) -> DrawnAgent:
    return DrawnAgent(color, direction, BALL_COLOR if is_carrying else None, below)
