"""Pictures of maps from above, in MiniGrid's style."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from minigrid.core.constants import COLORS
from minigrid.core.grid import Grid
from minigrid.core.world_object import WorldObj
from minigrid.utils.rendering import fill_coords, point_in_circle, point_in_triangle, rotate_fn

from sb3_isr.common.batches import Array

_TRIANGLE = point_in_triangle((0.12, 0.19), (0.87, 0.50), (0.12, 0.81))  # type: ignore[no-untyped-call]
_SMALL_CIRCLE = point_in_circle(0.5, 0.5, 0.18)  # type: ignore[no-untyped-call]
#: Height of a line of text in pixels.
_LINE = 28


class DrawnAgent(WorldObj):
    """
    A triangle in an agent's colour, with what it carries and what it stands on.

    :param color: The agent's colour.
    :param direction: Its direction in MiniGrid's code.
    :param carries: The colour of what it carries; None for nothing.
    :param below: What it stands on; None for nothing.
    """

    def __init__(self, color: str, direction: int, carries: str | None = None, below: WorldObj | None = None) -> None:
        super().__init__("agent", color)
        self._direction = direction
        self._carries = carries
        self._below = below

    def encode(self) -> tuple[object, ...]:  # type: ignore[override]
        """Return the key under which MiniGrid caches the rendered tile."""
        return self.color, self._direction, self._carries, self._below is None

    def render(self, image: Array) -> None:  # type: ignore[override]
        """Draw the agent into a tile."""
        if self._below is not None:
            self._below.render(image)
        triangle = rotate_fn(_TRIANGLE, 0.5, 0.5, 0.5 * np.pi * self._direction)  # type: ignore[no-untyped-call]
        fill_coords(image, triangle, COLORS[self.color])  # type: ignore[no-untyped-call]
        if self._carries is not None:
            fill_coords(image, _SMALL_CIRCLE, COLORS[self._carries])  # type: ignore[no-untyped-call]


def draw_map(size: int, objects: Mapping[tuple[int, int], WorldObj], tile_size: int = 32) -> Array:
    """
    Draw a map.

    :param size: Width and height in cells.
    :param objects: What is in the cells (x, y).
    :param tile_size: Width and height of a cell in pixels.
    :return: uint8 ``[size * tile_size, size * tile_size, 3]``.
    """
    # As Grid.render does, in a tenth of its time: the learner is waiting.
    empty = Grid.render_tile(None, tile_size=tile_size).astype(np.uint8)
    picture: Array = np.tile(empty, (size, size, 1))
    tiles: dict[int, Array] = {}
    for (x, y), thing in objects.items():
        left, top = x * tile_size, y * tile_size
        if id(thing) not in tiles:
            tiles[id(thing)] = Grid.render_tile(thing, tile_size=tile_size)
        picture[top : top + tile_size, left : left + tile_size] = tiles[id(thing)]
    return picture


def with_caption(picture: Array, caption: str) -> Array:
    """
    Write on the outer wall at the bottom of a map.

    :param picture: uint8 ``[height, width, 3]``.
    :param caption: The text; "" for nothing.
    :return: The same with the text.
    """
    if not caption:
        return picture
    from PIL import Image, ImageDraw

    image = Image.fromarray(picture)
    drawing = ImageDraw.Draw(image)
    drawing.rectangle((0, image.height - _LINE, image.width, image.height), fill=(28, 120, 52))
    middle = (image.width / 2, image.height - _LINE / 2)
    drawing.text(middle, caption, fill=(255, 255, 255), anchor="mm", font_size=17)
    return np.asarray(image)
