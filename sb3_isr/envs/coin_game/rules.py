"""The rules of the coin game, shared by the single and the batched environment."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from gymnasium import spaces
from minigrid.core.actions import Actions
from minigrid.core.constants import COLOR_TO_IDX, OBJECT_TO_IDX
from minigrid.core.world_object import Goal, Wall

from sb3_isr.envs.coin_game.maps import wall_cells
from sb3_isr.envs.grid_view import N_DIRECTIONS, GridView

#: The caregiver's social reward for reaching the goal.
PRAISE = 0.4

#: MiniGrid's actions that the game has, numbered from 0.
ACTIONS = (Actions.left, Actions.right, Actions.forward)

# A cell's four channels: MiniGrid's object, colour and state codes, and the goal flag.
EMPTY = np.array([OBJECT_TO_IDX["empty"], 0, 0, 0], dtype=np.uint8)
WALL = np.array([*Wall().encode(), 0], dtype=np.uint8)
GOAL = np.array([*Goal().encode(), 1], dtype=np.uint8)
# The state stays 0. The published code wrote the agent's absolute direction there, which must not be part of an
# observation that is rotated to the agent: the same view would differ between the four directions.
AGENT = np.array([OBJECT_TO_IDX["agent"], COLOR_TO_IDX["red"], 0, 0], dtype=np.uint8)

#: The change of direction by each action.
TURNS = np.array([-1, 1, 0])


class Placement(NamedTuple):
    """
    The positions of walls, goal and agent, in cells (x, y); a batch of placements has leading axes, here ``...``.

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
    Rules that ``CoinGameEnv`` and the batched ``CoinGameVecEnv`` share.

    These are the checked arguments, the spaces, the cost of a move, the random placement of all objects, and the
    agent's view. The parameters are those of ``CoinGameEnv``.

    :raises ValueError: If an argument does not define a valid game
    """

    def __init__(self, n_walls: int, layout: str | Sequence[Sequence[int]] | None, size: int, max_steps: int) -> None:
        if size < 4:
            raise ValueError(
                f"size must be at least 4, to fit agent and goal inside the outer wall, got {size}; "
                "the published game has 7."
            )
        if max_steps < 1:
            raise ValueError(f"max_steps must be at least 1, got {max_steps}; the published game has 20.")
        fixed = () if layout is None else wall_cells(layout, size)
        free = [(x, y) for x in range(1, size - 1) for y in range(1, size - 1) if (x, y) not in fixed]
        self.n_random_walls = n_walls if layout is None else 0
        if not 0 <= self.n_random_walls <= len(free) - 2:
            raise ValueError(
                f"Inner walls, agent and goal need one cell each, and size {size} has {(size - 2) ** 2} of them: "
                f"choose 0 to {(size - 2) ** 2 - 2} walls or a larger size, got {len(fixed) or n_walls} walls."
            )
        super().__init__(size, WALL, EMPTY)
        self.max_steps = max_steps
        self.move_cost = 0.9 / max_steps
        self.fixed_walls = np.array(fixed, dtype=np.intp).reshape(-1, 2)
        self.free_cells = np.array(free, dtype=np.intp)
        self.n_draws = len(free) + 1
        self.action_space = spaces.Discrete(len(ACTIONS))
        self.action_names = tuple(action.name for action in ACTIONS)

    def draw(self, uniform: np.ndarray) -> Placement:
        """
        Turn uniform random numbers into placements.

        Walls, goal and agent are on distinct, uniformly random free cells, and the direction is random. The goal may
        be unreachable, as in the published game.

        :param uniform: Independent uniform numbers from [0, 1), float ``[..., n_draws]``, one row per placement
        :return: The placements
        """
        cells = self.free_cells[np.argsort(uniform[..., :-1])[..., : self.n_random_walls + 2]]
        walls = cells[..., 2:, :]
        if len(self.fixed_walls):
            walls = np.broadcast_to(self.fixed_walls, (*uniform.shape[:-1], *self.fixed_walls.shape))
        direction = (N_DIRECTIONS * uniform[..., -1]).astype(np.intp)
        return Placement(walls, cells[..., 0, :], cells[..., 1, :], direction)

    def view(self, codes: np.ndarray, agent: np.ndarray | int, direction: np.ndarray | int) -> np.ndarray:
        """
        Return what the agent sees: itself in the center, the cell it faces above it (y is one less).

        :param codes: The codes of one grid, or of several concatenated grids
        :param agent: Index of the agent's cell in the codes, int ``[...]``
        :param direction: Its direction, int ``[...]``
        :return: New observations, uint8 ``[..., view_size, view_size, 4]``, indexed [x, y]
        """
        cells = self.cells_around(agent, direction)
        obs: np.ndarray = codes.take(cells, axis=0).reshape(*cells.shape[:-1], *self.view_shape)
        obs[..., self.view_size // 2, self.view_size // 2, :] = AGENT
        return obs
