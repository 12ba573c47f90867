"""The batched coin game."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from minigrid.core.actions import Actions

from sb3_isr.common.batches import Array
from sb3_isr.envs.batched_games import BatchedGames
from sb3_isr.envs.coin_game.env import CoinGameEnv
from sb3_isr.envs.coin_game.picture import pictures
from sb3_isr.envs.coin_game.rules import GOAL, PRAISE, TURNS, WALL, CoinGameRules, Placement
from sb3_isr.envs.grid_view import N_DIRECTIONS
from sb3_isr.labels.transitions import Transitions


class CoinGameVecEnv(BatchedGames):
    """
    Many coin games as one vectorized environment in NumPy.

    It returns exactly what ``DummyVecEnv([lambda: Monitor(CoinGameEnv(...))] * num_envs)`` returns for the same seed,
    but much faster. It cannot be rendered.

    :param num_envs: Number of games
    :param n_walls: Number of inner walls, placed at random in each layout
    :param layout: A fixed map instead of random walls: a name in ``MAPS``, or the inner wall cells (x, y)
    :param size: Width and height of the grid in cells, with the outer wall
    :param max_steps: Length of an episode in steps
    :raises ValueError: If an argument does not define a valid game
    """

    rules: CoinGameRules

    def __init__(
        self,
        num_envs: int,
        n_walls: int = 3,
        layout: str | Sequence[Sequence[int]] | None = None,
        size: int = 7,
        max_steps: int = 20,
    ) -> None:
        super().__init__(CoinGameEnv, num_envs, CoinGameRules(n_walls, layout, size, max_steps))
        # The grids are concatenated, so that a cell's index also identifies its game.
        self._origins = self._all * len(self.rules.blank)
        self._codes = np.tile(self.rules.blank, (num_envs, 1))
        self._agents = np.zeros(num_envs, dtype=np.intp)
        self._directions = np.zeros(num_envs, dtype=np.intp)

    def isr_pictures(self, transitions: Transitions) -> list[Array]:
        """
        Draw what a learner did from above, on a map that does not turn with it.

        :param transitions: ``k`` transitions of one episode, as this game's learners see them
        :return: ``k + 1`` pictures, uint8 ``[height, width, 3]``; none of maps that are too small to
            say where they are (of less than 5 cells)
        """
        return pictures(self.rules, transitions)

    def place(self, envs: np.ndarray, placements: Placement) -> None:
        """
        Place walls, goal and agent of some games within their running episodes, without any checks.

        :param envs: Indices of the games, int ``[n]``
        :param placements: Their placements, with one leading axis ``[n]``
        """
        self._codes.reshape(self.num_envs, *self.rules.blank.shape)[envs] = self.rules.blank
        origins = self._origins[envs]
        self._codes[origins[:, None] + self.rules.index(placements.walls)] = WALL
        self._codes[origins + self.rules.index(placements.goal)] = GOAL
        self._agents[envs] = origins + self.rules.index(placements.agent)
        self._directions[envs] = placements.direction

    def _generate_layouts(self, games: np.ndarray) -> None:
        uniform = [self._generators[i].random(self.rules.n_draws) for i in games]
        self.place(games, self.rules.draw(np.stack(uniform)))

    def _step_games(self, actions: np.ndarray) -> tuple[np.ndarray, np.ndarray, list[dict[str, Any]]]:
        forward = actions == Actions.forward
        self._directions = (self._directions + TURNS[actions]) % N_DIRECTIONS
        ahead = self._agents + self.rules.strides[self._directions]
        objects = self._codes[ahead, 0]
        reached = forward & (objects == GOAL[0])
        self._agents = np.where(forward & (objects != WALL[0]), ahead, self._agents)
        social_rewards = np.where(reached, PRAISE, 0.0)
        rewards = np.where(forward & ~reached, -self.rules.move_cost, 0.0) + social_rewards
        if reached.any():
            self._generate_layouts(np.flatnonzero(reached))
        return rewards, reached, [{"social_reward": social} for social in social_rewards.tolist()]

    def _observe(self) -> np.ndarray:
        return self.rules.view(self._codes, self._agents, self._directions)
