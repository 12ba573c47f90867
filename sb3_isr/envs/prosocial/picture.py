"""Renders the prosocial game."""

from __future__ import annotations

from typing import Any

import numpy as np
from minigrid.core.constants import COLORS
from minigrid.core.grid import Grid
from minigrid.core.world_object import Ball, Goal, Wall, WorldObj
from minigrid.utils.rendering import fill_coords, point_in_circle, point_in_triangle, rotate_fn

from sb3_isr.envs.prosocial.layouts import SIZE
from sb3_isr.envs.prosocial.world import AGENT_COLORS, BALL, BALL_COLOR, GOAL, WALL, ProsocialWorld

_BALL = Ball(BALL_COLOR)  # type: ignore[no-untyped-call]
_OBJECTS = {int(WALL[0]): Wall(), int(BALL[0]): _BALL, int(GOAL[0]): Goal()}
_TRIANGLE = point_in_triangle((0.12, 0.19), (0.87, 0.50), (0.12, 0.81))  # type: ignore[no-untyped-call]
_SMALL_CIRCLE = point_in_circle(0.5, 0.5, 0.18)  # type: ignore[no-untyped-call]


class _Agent(WorldObj):
    """A triangle in the agent's colour, with the ball on it if the agent carries it."""

    def __init__(self, color: str, direction: int, is_carrying: bool, below: WorldObj | None) -> None:
        super().__init__("agent", color)
        self.direction = direction
        self.is_carrying = is_carrying
        self.below = below

    def encode(self) -> tuple[Any, ...]:
        """Return the key under which MiniGrid caches the rendered tile."""
        return self.color, self.direction, self.is_carrying, self.below is None

    def render(self, image: np.ndarray) -> None:  # type: ignore[override]
        """Draw the agent into a tile."""
        if self.below is not None:
            self.below.render(image)
        triangle = rotate_fn(_TRIANGLE, 0.5, 0.5, 0.5 * np.pi * self.direction)  # type: ignore[no-untyped-call]
        fill_coords(image, triangle, COLORS[self.color])  # type: ignore[no-untyped-call]
        if self.is_carrying:
            fill_coords(image, _SMALL_CIRCLE, COLORS[BALL_COLOR])  # type: ignore[no-untyped-call]


def picture(world: ProsocialWorld, tile_size: int = 32) -> np.ndarray:
    """
    Render the first game of a world from above.

    :param world: The world
    :param tile_size: Width and height of a cell in pixels
    :return: uint8 ``[SIZE * tile_size, SIZE * tile_size, 3]``
    """
    grid = Grid(SIZE, SIZE)
    for x in range(SIZE):
        for y in range(SIZE):
            grid.set(x, y, _OBJECTS.get(int(world.codes[world.index(np.array([x, y])), 0])))
    for agent, color in enumerate(AGENT_COLORS):
        x, y = world.cell(agent)
        drawn = _Agent(color, int(world.directions[0, agent]), bool(world.carrying[0, agent]), grid.get(x, y))
        grid.set(x, y, drawn)
    return grid.render(tile_size, agent_pos=(-1, -1))
