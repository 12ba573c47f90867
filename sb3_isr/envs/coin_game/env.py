"""The coin game: a small MiniGrid in which moving costs reward and a caregiver praises each goal that is reached."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import numpy as np
from minigrid.core.actions import Actions
from minigrid.core.grid import Grid
from minigrid.core.mission import MissionSpace
from minigrid.core.world_object import Goal, Wall
from minigrid.minigrid_env import MiniGridEnv

from sb3_isr.common.batches import Array
from sb3_isr.envs.coin_game.picture import pictures
from sb3_isr.envs.coin_game.rules import ACTIONS, GOAL, PRAISE, WALL, CoinGameRules, Placement
from sb3_isr.envs.grid_view import N_DIRECTIONS
from sb3_isr.labels.transitions import Transitions


class CoinGameEnv(MiniGridEnv):
    """
    The coin game of "Value Internalization: Learning and Generalizing from Social Reward" (arXiv 2407.14681).

    Actions are left (0), right (1) and forward (2). A forward action costs ``0.9 / max_steps``, blocked or not, except
    the one that reaches the goal; turning is free. Reaching the goal gives a social reward of 0.4 and starts a new
    random layout within the episode, which the returned observation already shows. An episode is truncated after
    ``max_steps`` and never terminates. Without the social reward, the best policy is not to move.

    The reward is the sum of environment and social reward; ``info["social_reward"]`` holds the social part at each
    step, and ``info["goals_reached"]`` the number of goals at the episode's last step. The observation is the whole
    grid, uint8 ``[2 * size - 5, 2 * size - 5, 4]``, indexed [x, y] like MiniGrid's: the agent in the center and facing
    up, zeros outside the map. The channels are MiniGrid's object, colour and state codes and a goal flag.

    :param n_walls: Number of inner walls, placed at random in each layout
    :param layout: A fixed map instead of random walls: a name in ``MAPS``, or the inner wall cells (x, y)
    :param size: Width and height of the grid in cells, with the outer wall
    :param max_steps: Length of an episode in steps
    :param render_mode: "human", "rgb_array" or None, as in MiniGrid
    :raises ValueError: If an argument does not define a valid game
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
            highlight=False,  # highlighting marks a partial view, but this agent sees the whole grid
        )
        self.action_space = self.rules.action_space
        self.observation_space = self.rules.observation_space
        self.goals_reached = 0

    # MiniGridEnv leaves Gymnasium's types of observations and actions open, so no override can match them.
    def reset(  # type: ignore[override]
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """
        Start an episode.

        :param seed: Seed of the layouts
        :param options: Not used
        :return: The first observation, and an empty info
        """
        self.goals_reached = 0
        return super().reset(seed=seed, options=options)

    def step(self, action: int | np.int64) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:  # type: ignore[override]
        """
        Perform an action.

        :param action: 0 left, 1 right, 2 forward
        :return: Observation, environment plus social reward, terminated (always False), truncated, info
        :raises ValueError: If there is no such action
        """
        if not 0 <= action < len(ACTIONS):
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
            self.agent_dir = (self.agent_dir + (1 if action == Actions.right else -1)) % N_DIRECTIONS
        if self.render_mode == "human":
            self.render()  # type: ignore[no-untyped-call]
        info: dict[str, Any] = {"social_reward": social_reward}
        if truncated:
            info["goals_reached"] = self.goals_reached
        return self.gen_obs(), environment_reward + social_reward, False, truncated, info

    def gen_obs(self) -> np.ndarray:
        """
        Return the observation, without objects that were put into ``grid`` other than by ``place``.

        It is read from the codes that ``place`` writes, because MiniGrid's own way, building a grid of objects at each
        step, would take most of a step's time.
        """
        return self.rules.view(self._codes, self.rules.index(cast(np.ndarray, self.agent_pos)), self.agent_dir)

    def isr_pictures(self, transitions: Transitions) -> list[Array]:
        """
        Draw what a learner did from above, on a map that does not turn with it.

        :param transitions: ``k`` transitions of one episode, as this game's learners see them
        :return: ``k + 1`` pictures, uint8 ``[height, width, 3]``; none of maps that are too small to
            say where they are (of less than 5 cells)
        """
        return pictures(self.rules, transitions)

    def place(self, placement: Placement) -> None:
        """
        Place walls, goal and agent within the running episode, without any checks.

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
