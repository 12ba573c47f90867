"""
Maps that stay as they are, from the views of an agent that is always in the center and facing up.

People need them: they cannot follow a world that turns around its agent. A view does not say which way is north, so a
map is turned so that the agent faces up when it is first seen; from then on its own turns say where it faces.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from sb3_isr.common.batches import Array
from sb3_isr.envs.grid_view import N_DIRECTIONS, GridView

#: The direction in which the agent faces when a map is first seen.
_UP = 3


class FixedMap(NamedTuple):
    """
    A world from above.

    :param codes: uint8 ``[size, size, n_channels]``, indexed [x, y]: the cells' codes.
    :param agent: The agent's cell (x, y).
    :param direction: Its direction in MiniGrid's code.
    :param is_new: Whether this is another layout than the one before.
    """

    codes: Array
    agent: tuple[int, int]
    direction: int
    is_new: bool


def fixed_maps(rules: GridView, views: Array, turns: Array) -> Iterator[FixedMap]:
    """
    Draw the maps of one piece of an episode.

    :param rules: The game's grid. The last channel of its codes is the goal flag.
    :param views: uint8 ``[k + 1, view_size, view_size, n_channels]``: what the agent saw.
    :param turns: int ``[k]``: the change of its direction by each action.
    :return: ``k + 1`` maps.
    """
    direction, known = _UP, None
    for view, turn in zip(views, [0, *turns.tolist()], strict=True):
        direction = (direction + turn) % N_DIRECTIONS
        codes, agent = _place(rules, view, direction)
        is_new = known is not None and not np.array_equal(_still(rules, codes), known)
        if is_new:  # its direction in a new layout is as unknown as at first
            direction = _UP
            codes, agent = _place(rules, view, direction)
        known = _still(rules, codes)
        yield FixedMap(codes, agent, direction, is_new)


def _still(rules: GridView, codes: Array) -> Array:
    """What stays where it is as long as the layout does: walls, and the goal."""
    return np.stack([codes[..., 0] == _wall(rules)[0], codes[..., -1] == 1])


def _wall(rules: GridView) -> Array:
    corner: Array = rules.blank[rules.index(np.zeros(2, int))]
    return corner


def _place(rules: GridView, view: Array, direction: int) -> tuple[Array, tuple[int, int]]:
    window = np.rot90(view, direction + 1)  # GridView turns the other way
    size, center = rules.size, rules.view_size // 2
    is_inside = window[..., 0] != 0
    origin = [_origin(np.any(is_inside, axis=axis, keepdims=True).ravel(), size) for axis in (1, 0)]
    codes = np.empty((size, size, view.shape[-1]), np.uint8)
    codes[:] = _wall(rules)  # the far outer wall is out of sight
    low, high = np.maximum(origin, 0), np.minimum(np.add(origin, size), rules.view_size)
    seen = window[low[0] : high[0], low[1] : high[1]]
    to = low - origin
    codes[to[0] : to[0] + seen.shape[0], to[1] : to[1] + seen.shape[1]] = seen
    return codes, (center - origin[0], center - origin[1])


def _origin(is_inside: Array, size: int) -> int:
    """Where the map begins in a window, along one axis; zeros are outside the map, but for what is out of sight."""
    inside = np.flatnonzero(is_inside)
    first, last = int(inside[0]), int(inside[-1])
    return first if first > 0 else last - size + 1
