"""The coin game: a small MiniGrid in which walking costs, and a caregiver praises each goal that is reached."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, cast

import numpy as np
from gymnasium import spaces
from minigrid.core.actions import Actions
from minigrid.core.constants import COLOR_TO_IDX, DIR_TO_VEC, OBJECT_TO_IDX
from minigrid.core.grid import Grid
from minigrid.core.mission import MissionSpace
from minigrid.core.world_object import Goal, Wall
from minigrid.minigrid_env import MiniGridEnv

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


class CoinGameRules:
    """
    What ``CoinGameEnv`` and its batched twin ``CoinGameVecEnv`` share: checked arguments, spaces, the cost of a move,
    how everything is placed at random, and what the agent sees. The parameters are those of ``CoinGameEnv``.

    The grid is kept as *codes*, uint8 ``[width * width, 4]``: the cells in the order of x, then y, with a margin of
    zeros so wide that no view leaves the array. A cell is named by its index there, and a step in direction ``d``
    adds ``strides[d]`` to it.

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
        self.size = size
        self.max_steps = max_steps
        self.move_cost = 0.9 / max_steps
        self.fixed_walls = np.array(fixed, dtype=np.intp).reshape(-1, 2)
        self.free_cells = np.array(free, dtype=np.intp)
        self.n_draws = len(free) + 1

        self.view_size = 2 * size - 5
        self.view_shape = (self.view_size, self.view_size, len(EMPTY))
        self.action_space = spaces.Discrete(3)
        self.observation_space = spaces.Box(0, 255, self.view_shape, np.uint8)
        self.margin = size - 4
        self.width = size + 2 * self.margin
        self.strides = np.array(DIR_TO_VEC) @ (self.width, 1)
        codes = np.zeros((self.width, self.width, len(EMPTY)), dtype=np.uint8)
        codes[self.margin : self.margin + size, self.margin : self.margin + size] = WALL
        codes[self.margin + 1 : self.margin + size - 1, self.margin + 1 : self.margin + size - 1] = EMPTY
        self.blank = codes.reshape(-1, len(EMPTY))
        # MiniGrid turns a view left once more than the direction's number; `rot90` by -1 is its `rotate_left`.
        around = np.arange(self.width**2).reshape(self.width, self.width)[: self.view_size, : self.view_size]
        around = around - around[self.view_size // 2, self.view_size // 2]
        self._offsets = np.stack([np.rot90(around, -(direction + 1)).ravel() for direction in range(4)])

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

    def index(self, cells: np.ndarray) -> np.ndarray:
        """
        :param cells: Cells (x, y), int ``[..., 2]``
        :return: Their indices in the codes, int ``[...]``
        """
        indices: np.ndarray = (np.asarray(cells) + self.margin) @ (self.width, 1)
        return indices

    def view(self, codes: np.ndarray, agent: np.ndarray | int, direction: np.ndarray | int) -> np.ndarray:
        """
        What the agent sees: itself in the middle, the cell it faces above it (y is one less).

        :param codes: The codes of one grid, or of several one after the other
        :param agent: Index of the agent's cell in the codes, int ``[...]``
        :param direction: Its direction, int ``[...]``
        :return: New observations, uint8 ``[..., view_size, view_size, 4]``, indexed [x, y]
        """
        cells = np.asarray(agent)[..., None] + self._offsets[direction]
        obs: np.ndarray = codes.take(cells, axis=0).reshape(*cells.shape[:-1], *self.view_shape)
        obs[..., self.view_size // 2, self.view_size // 2, :] = AGENT
        return obs


class CoinGameEnv(MiniGridEnv):
    """
    The coin game of "Value Internalization: Learning and Generalizing from Social Reward" (arXiv 2407.14681).

    Actions are left (0), right (1) and forward (2). A forward action costs ``0.9 / max_steps``, blocked or not, except
    the one that reaches the goal; turning is free. Reaching the goal is praised with 0.4 and lays everything out anew
    within the episode, so the observation returned is of the new layout. An episode is truncated after ``max_steps``
    and never terminates. Without praise it is best to stay put.

    The reward is the environment's and the social one together; ``info["social_reward"]`` says at each step which part
    is social, and ``info["goals_reached"]`` counts the goals at the episode's last step. The observation is the whole
    grid, uint8 ``[2 * size - 5, 2 * size - 5, 4]``, indexed [x, y] as MiniGrid's: the agent in the middle and facing
    up, zeros outside the map, in the channels MiniGrid's object, colour and state codes and a goal flag.

    :param n_walls: Number of inner walls, laid anew with each layout
    :param layout: A fixed map in place of random walls: a name in ``MAPS``, or the inner wall cells (x, y)
    :param size: Width and height of the grid in cells, with the outer wall
    :param max_steps: Length of an episode in steps
    :param render_mode: "human", "rgb_array" or None, as in MiniGrid
    :raises ValueError: If an argument allows no game
    """

    def __init__(
        self,
        n_walls: int = 3,
        layout: str | Sequence[Sequence[int]] | None = None,
        size: int = 7,
        max_steps: int = 20,
        render_mode: str | None = None,
    ) -> None:
        self.rules = CoinGameRules(n_walls, layout, size, max_steps)
        super().__init__(
            MissionSpace(lambda: "get to the green goal square"),
            grid_size=size,
            max_steps=max_steps,
            see_through_walls=True,
            agent_view_size=self.rules.view_size,
            render_mode=render_mode,
            highlight=False,  # what is highlighted is a partial view, but this agent sees everything
        )
        self.action_space = self.rules.action_space
        self.observation_space = self.rules.observation_space
        self.goals_reached = 0

    # MiniGridEnv leaves Gymnasium's types of observations and actions open, so that no override can match them.
    def reset(  # type: ignore[override]
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """
        :param seed: Seed of the layouts to come
        :param options: Not used
        :return: The first observation, and an empty info
        """
        self.goals_reached = 0
        return super().reset(seed=seed, options=options)

    def step(self, action: int | np.int64) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:  # type: ignore[override]
        """
        :param action: 0 left, 1 right, 2 forward
        :return: Observation, environment plus social reward, False, whether the episode is over, info
        """
        if not 0 <= action <= 2:
            raise ValueError(f"An action must be 0 (left), 1 (right) or 2 (forward), got {action}.")
        self.step_count += 1
        truncated = self.step_count >= self.max_steps
        environment_reward = social_reward = 0.0
        if action == Actions.forward:
            ahead = tuple(self.front_pos.tolist())
            cell = self.grid.get(*ahead)
            if cell is None or cell.can_overlap():
                self.agent_pos = ahead
            if isinstance(cell, Goal):
                social_reward = PRAISE
                self.goals_reached += 1
                self._gen_grid(self.width, self.height)
            else:
                environment_reward = -self.rules.move_cost
        else:
            self.agent_dir = (self.agent_dir + (1 if action == Actions.right else -1)) % 4
        if self.render_mode == "human":
            self.render()  # type: ignore[no-untyped-call]
        info: dict[str, Any] = {"social_reward": social_reward}
        if truncated:
            info["goals_reached"] = self.goals_reached
        return self.gen_obs(), environment_reward + social_reward, False, truncated, info

    def gen_obs(self) -> np.ndarray:
        """
        :return: The observation. It is cut from the codes of ``place``, since MiniGrid's way of building a grid of
            objects at each step takes most of a step's time; so objects put into ``grid`` by hand are not in it.
        """
        return self.rules.view(self._codes, self.rules.index(cast(np.ndarray, self.agent_pos)), self.agent_dir)

    def place(self, placement: Placement) -> None:
        """
        Put walls, goal and agent into their places; the episode goes on. Nothing is checked.

        :param placement: One placement, without leading axes
        """
        walls, goal, agent, direction = (np.asarray(part).tolist() for part in placement)
        self.grid = Grid(self.width, self.height)
        self.grid.wall_rect(0, 0, self.width, self.height)
        for x, y in walls:
            self.put_obj(Wall(), x, y)
        self.put_obj(Goal(), *goal)
        self.agent_pos, self.agent_dir = tuple(agent), direction
        self._codes = self.rules.blank.copy()
        self._codes[self.rules.index(placement.walls)] = WALL
        self._codes[self.rules.index(placement.goal)] = GOAL

    def _gen_grid(self, width: int, height: int) -> None:
        self.place(self.rules.draw(self.np_random.random(self.rules.n_draws)))


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
