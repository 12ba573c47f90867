"""The rules of the coin game, which the single game and its batched twin share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from gymnasium import spaces
from minigrid.core.constants import COLOR_TO_IDX, OBJECT_TO_IDX
from minigrid.core.world_object import Goal, Wall

from sb3_isr.envs.grid_view import GridView

#: The caregiver's social reward for reaching the goal.
PRAISE = 0.4

#: The hand-made maps, as inner wall cells (x, y) of a 7x7 grid; figure 5 of arXiv 2407.14681.
MAPS: dict[str, tuple[tuple[int, int], ...]] = {
    "plus": ((3, 2), (2, 3), (3, 3), (4, 3), (3, 4)),
    "x": ((2, 2), (2, 4), (3, 3), (4, 2), (4, 4)),
    "U": ((2, 2), (2, 3), (3, 4), (4, 3), (4, 2)),
    "T": ((2, 2), (3, 2), (4, 2), (3, 3), (3, 4)),
    "four_rooms": ((3, 1), (1, 3), (3, 3), (5, 3), (3, 5)),
}

# A cell's four channels: MiniGrid's object, colour and state codes, and the goal flag.
EMPTY = np.array([OBJECT_TO_IDX["empty"], 0, 0, 0], dtype=np.uint8)
WALL = np.array([*Wall().encode(), 0], dtype=np.uint8)
GOAL = np.array([*Goal().encode(), 1], dtype=np.uint8)
# The state stays 0. The published code wrote the agent's absolute direction there, which an observation that is
# turned to the agent must not carry: the same sight would look different in each of the four directions.
AGENT = np.array([OBJECT_TO_IDX["agent"], COLOR_TO_IDX["red"], 0, 0], dtype=np.uint8)


class Placement(NamedTuple):
    """
    Where everything is, in cells (x, y) of the grid. A batch of placements has leading axes, here ``...``.

    :param walls: The inner wall cells, int ``[..., n_walls, 2]``
    :param goal: The goal's cell, int ``[..., 2]``
    :param agent: The agent's cell, int ``[..., 2]``
    :param direction: The agent's direction in MiniGrid's code (0 right, 1 down, 2 left, 3 up), int ``[...]``
    """

    walls: np.ndarray
    goal: np.ndarray
    agent: np.ndarray
    direction: np.ndarray


class CoinGameRules(GridView):
    """
    What ``CoinGameEnv`` and its batched twin ``CoinGameVecEnv`` share: checked arguments, spaces, the cost of a move,
    how everything is placed at random, and what the agent sees. The parameters are those of ``CoinGameEnv``.

    :raises ValueError: If an argument allows no game
    """

    def __init__(self, n_walls: int, layout: str | Sequence[Sequence[int]] | None, size: int, max_steps: int) -> None:
        if size < 4:
            raise ValueError(f"size must be at least 4, to hold agent and goal inside the outer wall, got {size}.")
        if max_steps < 1:
            raise ValueError(f"max_steps must be at least 1, got {max_steps}; the published game has 20.")
        fixed = () if layout is None else _map_cells(layout, size)
        free = [(x, y) for x in range(1, size - 1) for y in range(1, size - 1) if (x, y) not in fixed]
        self.n_random_walls = n_walls if layout is None else 0
        if not 0 <= self.n_random_walls <= len(free) - 2:
            raise ValueError(
                f"Inner walls, agent and goal need a cell each, and size {size} has {(size - 2) ** 2} of them: "
                f"take 0 to {(size - 2) ** 2 - 2} walls or a larger size, got {len(fixed) or n_walls} walls."
            )
        super().__init__(size, WALL, EMPTY)
        self.max_steps = max_steps
        self.move_cost = 0.9 / max_steps
        self.fixed_walls = np.array(fixed, dtype=np.intp).reshape(-1, 2)
        self.free_cells = np.array(free, dtype=np.intp)
        self.n_draws = len(free) + 1
        self.action_space = spaces.Discrete(3)
        self.action_names = ("left", "right", "forward")

    def draw(self, uniform: np.ndarray) -> Placement:
        """
        Turn random numbers into placements: walls, goal and agent on distinct, uniformly random free cells, and a
        random direction. The goal may be out of reach, as in the published game.

        :param uniform: Independent uniform numbers from [0, 1), float ``[..., n_draws]``, a row for each placement
        :return: The placements
        """
        cells = self.free_cells[np.argsort(uniform[..., :-1])[..., : self.n_random_walls + 2]]
        walls = cells[..., 2:, :]
        if len(self.fixed_walls):
            walls = np.broadcast_to(self.fixed_walls, (*uniform.shape[:-1], *self.fixed_walls.shape))
        return Placement(walls, cells[..., 0, :], cells[..., 1, :], (4 * uniform[..., -1]).astype(np.intp))

    def view(self, codes: np.ndarray, agent: np.ndarray | int, direction: np.ndarray | int) -> np.ndarray:
        """
        What the agent sees: itself in the middle, the cell it faces above it (y is one less).

        :param codes: The codes of one grid, or of several one after the other
        :param agent: Index of the agent's cell in the codes, int ``[...]``
        :param direction: Its direction, int ``[...]``
        :return: New observations, uint8 ``[..., view_size, view_size, 4]``, indexed [x, y]
        """
        cells = self.cells_around(agent, direction)
        obs: np.ndarray = codes.take(cells, axis=0).reshape(*cells.shape[:-1], *self.view_shape)
        obs[..., self.view_size // 2, self.view_size // 2, :] = AGENT
        return obs


def _map_cells(layout: str | Sequence[Sequence[int]], size: int) -> tuple[tuple[int, int], ...]:
    """
    :param layout: A map's name or its inner wall cells
    :param size: Width and height of the grid
    :return: The wall cells, each inside the outer wall and there only once
    """
    if isinstance(layout, str):
        if layout not in MAPS:
            raise ValueError(f"layout must be one of {', '.join(MAPS)} or a sequence of cells (x, y), got {layout!r}.")
        layout = MAPS[layout]
    cells = tuple((int(x), int(y)) for x, y in layout)
    outside = [cell for cell in cells if not (min(cell) >= 1 and max(cell) <= size - 2)]
    if outside:
        raise ValueError(
            f"A layout's cells (x, y) must lie inside the outer wall, both from 1 to {size - 2} for size {size}, "
            f"got {outside}. Leave them out, or take a larger size."
        )
    if len(set(cells)) < len(cells):
        raise ValueError(f"A layout names each cell once, got {cells}. Leave the second naming out.")
    return cells
