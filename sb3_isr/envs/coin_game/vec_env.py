"""The coin game, many at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from minigrid.core.actions import Actions

from sb3_isr.envs.batched_games import BatchedGames
from sb3_isr.envs.coin_game.env import CoinGameEnv
from sb3_isr.envs.coin_game.rules import GOAL, PRAISE, WALL, CoinGameRules, Placement

# What each action adds to the direction.
_TURN = np.array([-1, 1, 0])


class CoinGameVecEnv(BatchedGames):
    """
    ``num_envs`` coin games, stepped together: what ``DummyVecEnv([lambda: Monitor(CoinGameEnv(...))] * num_envs)``
    gives, bit for bit and many times as fast. It cannot be rendered.

    :param num_envs: Number of games
    :param n_walls: Number of inner walls, laid anew with each layout
    :param layout: A fixed map in place of random walls: a name in ``MAPS``, or the inner wall cells (x, y)
    :param size: Width and height of the grid in cells, with the outer wall
    :param max_steps: Length of an episode in steps
    :raises ValueError: If an argument allows no game
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
        # The grids lie one after the other, so that a cell's index also says whose it is.
        self._origins = self._all * len(self.rules.blank)
        self._codes = np.tile(self.rules.blank, (num_envs, 1))
        self._agents = np.zeros(num_envs, dtype=np.intp)
        self._directions = np.zeros(num_envs, dtype=np.intp)

    def place(self, envs: np.ndarray, placements: Placement) -> None:
        """
        Put walls, goal and agent of some games into their places; the episodes go on. Nothing is checked.

        :param envs: Which games, int ``[n]``
        :param placements: Their placements, with one leading axis ``[n]``
        """
        self._codes.reshape(self.num_envs, *self.rules.blank.shape)[envs] = self.rules.blank
        origins = self._origins[envs]
        self._codes[origins[:, None] + self.rules.index(placements.walls)] = WALL
        self._codes[origins + self.rules.index(placements.goal)] = GOAL
        self._agents[envs] = origins + self.rules.index(placements.agent)
        self._directions[envs] = placements.direction

    def _lay_out(self, games: np.ndarray) -> None:
        uniform = [self._generators[i].random(self.rules.n_draws) for i in games]
        self.place(games, self.rules.draw(np.stack(uniform)))

    def _play(self, actions: np.ndarray) -> tuple[np.ndarray, np.ndarray, list[dict[str, Any]]]:
        forward = actions == Actions.forward
        self._directions = (self._directions + _TURN[actions]) % 4
        ahead = self._agents + self.rules.strides[self._directions]
        objects = self._codes[ahead, 0]
        reached = forward & (objects == GOAL[0])
        self._agents = np.where(forward & (objects != WALL[0]), ahead, self._agents)
        social_rewards = np.where(reached, PRAISE, 0.0)
        rewards = np.where(forward & ~reached, -self.rules.move_cost, 0.0) + social_rewards
        if reached.any():
            self._lay_out(np.flatnonzero(reached))
        return rewards, reached, [{"social_reward": social} for social in social_rewards.tolist()]

    def _observe(self) -> np.ndarray:
        return self.rules.view(self._codes, self._agents, self._directions)
