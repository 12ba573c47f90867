"""The coin game, many at once: ``CoinGameEnv`` as an SB3 ``VecEnv`` in NumPy."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.utils.seeding import np_random
from minigrid.core.actions import Actions
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.vec_env import VecEnv
from stable_baselines3.common.vec_env.base_vec_env import VecEnvIndices

from sb3_isr.envs.coin_game_rules import GOAL, PRAISE, WALL, CoinGameRules, Placement

# What each action adds to the direction.
_TURN = np.array([-1, 1, 0])


class CoinGameVecEnv(VecEnv):
    """
    ``num_envs`` coin games, stepped together. With the same seed it gives, bit for bit, what
    ``DummyVecEnv([lambda: Monitor(CoinGameEnv(...))] * num_envs)`` gives, many times as fast: layouts,
    observations, rewards, dones and infos, Monitor's ``info["episode"]`` included. It cannot be rendered.

    As an episode ends only after ``max_steps`` and all begin together, all end together.

    :param num_envs: Number of games
    :param n_walls: Number of inner walls, laid anew with each layout
    :param layout: A fixed map in place of random walls: a name in ``MAPS``, or the inner wall cells (x, y)
    :param size: Width and height of the grid in cells, with the outer wall
    :param max_steps: Length of an episode in steps
    :raises ValueError: If an argument allows no game
    """

    def __init__(
        self,
        num_envs: int,
        n_walls: int = 3,
        layout: str | Sequence[Sequence[int]] | None = None,
        size: int = 7,
        max_steps: int = 20,
    ) -> None:
        if num_envs < 1:
            raise ValueError(f"num_envs must be at least 1, got {num_envs}.")
        self.rules = CoinGameRules(n_walls, layout, size, max_steps)
        super().__init__(num_envs, self.rules.observation_space, self.rules.action_space)
        self._all = np.arange(num_envs)
        # The grids lie one after the other, so that a cell's index also says whose it is.
        self._origins = self._all * len(self.rules.blank)
        self._codes = np.tile(self.rules.blank, (num_envs, 1))
        self._agents = np.zeros(num_envs, dtype=np.intp)
        self._directions = np.zeros(num_envs, dtype=np.intp)
        # A generator for each game: what happens in one depends neither on the others nor on their number.
        self._generators = [np_random()[0] for _ in range(num_envs)]
        self._start_time = time.time()

    def reset(self) -> np.ndarray:
        """
        :return: The first observations, uint8 ``[num_envs, view_size, view_size, 4]``
        """
        for i, seed in enumerate(self._seeds):
            if seed is not None:
                self._generators[i] = np_random(seed)[0]
        self._reset_seeds()
        self._reset_options()
        return self._begin_episodes()

    def step_async(self, actions: np.ndarray) -> None:
        """
        :param actions: 0 left, 1 right, 2 forward, int ``[num_envs]``
        """
        actions = np.asarray(actions)
        if actions.shape != (self.num_envs,) or actions.min() < 0 or actions.max() > 2:
            raise ValueError(f"Actions must be {self.num_envs} of 0 (left), 1 (right) and 2 (forward), got {actions}.")
        self._actions = actions

    def step_wait(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, list[dict[str, Any]]]:
        """
        :return: Observations as in ``reset``, environment plus social rewards (float32 ``[num_envs]``), dones
            (bool ``[num_envs]``) and infos, all new at each step
        """
        forward = self._actions == Actions.forward
        self._directions = (self._directions + _TURN[self._actions]) % 4
        ahead = self._agents + self.rules.strides[self._directions]
        objects = self._codes[ahead, 0]
        reached = forward & (objects == GOAL[0])
        self._agents = np.where(forward & (objects != WALL[0]), ahead, self._agents)

        social_rewards = np.where(reached, PRAISE, 0.0)
        rewards = np.where(forward & ~reached, -self.rules.move_cost, 0.0) + social_rewards
        self._step_count += 1
        self._returns += rewards
        self._goals_reached += reached
        done = self._step_count >= self.rules.max_steps
        infos = [{"social_reward": social, "TimeLimit.truncated": done} for social in social_rewards.tolist()]

        if reached.any():
            self._place_anew(np.flatnonzero(reached))
        obs = self._observe()
        if done:
            self._end_episodes(infos, obs)
            obs = self._begin_episodes()
        return obs, rewards.astype(np.float32), np.full(self.num_envs, done), infos

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

    def _place_anew(self, envs: np.ndarray) -> None:
        uniform = [self._generators[i].random(self.rules.n_draws) for i in envs]
        self.place(envs, self.rules.draw(np.stack(uniform)))

    def _observe(self) -> np.ndarray:
        return self.rules.view(self._codes, self._agents, self._directions)

    def _begin_episodes(self) -> np.ndarray:
        self._step_count = 0
        self._returns = np.zeros(self.num_envs)
        self._goals_reached = np.zeros(self.num_envs, dtype=np.intp)
        self._place_anew(self._all)
        return self._observe()

    def _end_episodes(self, infos: list[dict[str, Any]], last_obs: np.ndarray) -> None:
        seconds = round(time.time() - self._start_time, 6)
        goals, returns = self._goals_reached.tolist(), self._returns.tolist()
        for i, info in enumerate(infos):
            info["goals_reached"] = goals[i]
            info["terminal_observation"] = last_obs[i]
            info["episode"] = {"r": round(returns[i], 6), "l": self._step_count, "t": seconds}

    def close(self) -> None:
        """There is nothing to close."""

    def get_attr(self, attr_name: str, indices: VecEnvIndices = None) -> list[Any]:
        """
        :param attr_name: An attribute of ``rules``, which are the same for all games, or "render_mode" (None)
        :param indices: Which games
        :return: The value, once for each game
        """
        value = None if attr_name == "render_mode" else getattr(self.rules, attr_name)
        return [value for _ in self._get_indices(indices)]

    def set_attr(self, attr_name: str, value: Any, indices: VecEnvIndices = None) -> None:
        """
        :raises AttributeError: Always, since the games are not objects of their own
        """
        raise AttributeError(
            f"The games of a CoinGameVecEnv have no attributes of their own, so {attr_name!r} cannot be set. "
            "Make a new one with the arguments wanted, or take a DummyVecEnv of CoinGameEnv."
        )

    def env_method(
        self, method_name: str, *method_args: Any, indices: VecEnvIndices = None, **method_kwargs: Any
    ) -> list[Any]:
        """
        :raises AttributeError: Always, since the games are not objects of their own
        """
        raise AttributeError(
            f"The games of a CoinGameVecEnv have no methods of their own, so {method_name!r} cannot be called. "
            "Take a DummyVecEnv of CoinGameEnv."
        )

    def env_is_wrapped(
        self, wrapper_class: type[gym.Wrapper[Any, Any, Any, Any]], indices: VecEnvIndices = None
    ) -> list[bool]:
        """
        :param wrapper_class: The wrapper asked for
        :param indices: Which games
        :return: True for ``Monitor``, since the infos have all that it writes, and SB3 asks for no other reason
        """
        return [wrapper_class is Monitor for _ in self._get_indices(indices)]

    def get_images(self) -> Sequence[np.ndarray | None]:
        """
        :raises NotImplementedError: Always
        """
        raise NotImplementedError('A CoinGameVecEnv has no images. Render CoinGameEnv(render_mode="rgb_array").')
