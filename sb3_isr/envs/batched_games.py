"""Base class of the batched games: many copies of a Gymnasium game as one SB3 ``VecEnv`` in NumPy."""

from __future__ import annotations

import time
from abc import abstractmethod
from collections.abc import Sequence
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium import spaces
from gymnasium.utils.seeding import np_random
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.vec_env import VecEnv
from stable_baselines3.common.vec_env.base_vec_env import VecEnvIndices


class BatchedGames(VecEnv):
    """
    Base class of vectorized environments that step many games at once.

    A subclass returns exactly what ``DummyVecEnv([lambda: Monitor(single(...))] * num_envs)`` returns for the same
    seed, but much faster: layouts, observations, rewards, dones and infos, including Monitor's ``info["episode"]``.
    It cannot be rendered.

    All episodes end together, because they start together and last ``max_steps``.

    :param single: The class of one game
    :param num_envs: Number of games
    :param rules: What all games share: ``observation_space``, ``action_space``, ``action_names``, ``max_steps`` and
        all other attributes that ``get_attr`` finds
    :raises ValueError: If ``num_envs`` is less than 1
    """

    def __init__(self, single: type[gym.Env[Any, Any]], num_envs: int, rules: Any) -> None:
        if num_envs < 1:
            raise ValueError(f"num_envs must be at least 1, got {num_envs}.")
        self.rules = rules
        self._single = single.__name__
        super().__init__(num_envs, rules.observation_space, rules.action_space)
        self._all = np.arange(num_envs)
        # One generator per game, so that a game depends neither on the other games nor on their number.
        self._generators = [np_random()[0] for _ in range(num_envs)]
        self._start_time = time.time()

    @abstractmethod
    def _generate_layouts(self, games: np.ndarray) -> None:
        """
        Generate new layouts of some games, drawn from their generators.

        :param games: Indices of the games, int ``[n]``
        """

    @abstractmethod
    def _step_games(self, actions: np.ndarray) -> tuple[np.ndarray, np.ndarray, list[dict[str, Any]]]:
        """
        Step all games, and generate new layouts of those in which a goal was reached.

        :param actions: int ``[num_envs]``
        :return: Environment plus social rewards (float64 ``[num_envs]``), where a goal was reached (bool
            ``[num_envs]``) and infos
        """

    @abstractmethod
    def _observe(self) -> np.ndarray:
        """Return new observations, uint8 ``[num_envs, *shape]``."""

    def reset(self) -> np.ndarray:
        """
        Start an episode in all games.

        :return: The first observations, uint8 ``[num_envs, *shape]``
        """
        for i, seed in enumerate(self._seeds):
            if seed is not None:
                self._generators[i] = np_random(seed)[0]
        self._reset_seeds()
        self._reset_options()
        return self._begin_episodes()

    def step_async(self, actions: np.ndarray) -> None:
        """
        Check the actions, and keep them for ``step_wait``.

        :param actions: int ``[num_envs]``
        :raises ValueError: If there is not one valid action for each game
        """
        actions = np.asarray(actions)
        assert isinstance(self.action_space, spaces.Discrete)
        if actions.shape != (self.num_envs,) or actions.min() < 0 or actions.max() >= self.action_space.n:
            names = ", ".join(f"{number} ({name})" for number, name in enumerate(self.rules.action_names))
            raise ValueError(f"Actions must be {self.num_envs} of {names}, got {actions}.")
        self._actions = actions

    def step_wait(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, list[dict[str, Any]]]:
        """
        Step all games with the actions given to ``step_async``.

        :return: Observations as in ``reset``, environment plus social rewards (float32 ``[num_envs]``), dones
            (bool ``[num_envs]``) and infos, all newly created at each step
        """
        rewards, reached, infos = self._step_games(self._actions)
        self._step_count += 1
        self._returns += rewards
        self._goals_reached += reached
        done = self._step_count >= self.rules.max_steps
        for info in infos:
            info["TimeLimit.truncated"] = done
        obs = self._observe()
        if done:
            self._end_episodes(infos, obs)
            obs = self._begin_episodes()
        return obs, rewards.astype(np.float32), np.full(self.num_envs, done), infos

    def _begin_episodes(self) -> np.ndarray:
        self._step_count = 0
        self._returns = np.zeros(self.num_envs)
        self._goals_reached = np.zeros(self.num_envs, dtype=np.intp)
        self._generate_layouts(self._all)
        return self._observe()

    def _end_episodes(self, infos: list[dict[str, Any]], last_obs: np.ndarray) -> None:
        seconds = round(time.time() - self._start_time, 6)
        goals, returns = self._goals_reached.tolist(), self._returns.tolist()
        for i, info in enumerate(infos):
            info["goals_reached"] = goals[i]
            info["terminal_observation"] = last_obs[i]
            info["episode"] = {"r": round(returns[i], 6), "l": self._step_count, "t": seconds}

    def close(self) -> None:
        """Do nothing, as there is nothing to close."""

    def get_attr(self, attr_name: str, indices: VecEnvIndices = None) -> list[Any]:
        """
        Return an attribute of the rules, which all games share.

        :param attr_name: An attribute of ``rules``, or "render_mode" (None)
        :param indices: Indices of the games
        :return: The value, once for each game
        """
        value = None if attr_name == "render_mode" else getattr(self.rules, attr_name)
        return [value for _ in self._get_indices(indices)]

    def set_attr(self, attr_name: str, value: Any, indices: VecEnvIndices = None) -> None:
        """
        Refuse to set an attribute.

        :raises AttributeError: Always, since the games are not objects of their own
        """
        raise AttributeError(
            f"The games of a {type(self).__name__} have no attributes of their own, so {attr_name!r} cannot be set. "
            f"Create a new one with other arguments, or use a DummyVecEnv of {self._single}."
        )

    def env_method(
        self, method_name: str, *method_args: Any, indices: VecEnvIndices = None, **method_kwargs: Any
    ) -> list[Any]:
        """
        Call a method that all games share; those that begin with ``isr_`` are for sb3-isr.

        :param method_name: Name of the method
        :param method_args: Its arguments
        :param indices: Indices of the games
        :param method_kwargs: Its keyword arguments
        :return: What it returns, once for each game
        :raises AttributeError: If it is another one, since the games are not objects of their own
        """
        if self._shares(method_name):
            return [getattr(self, method_name)(*method_args, **method_kwargs) for _ in self._get_indices(indices)]
        raise AttributeError(
            f"The games of a {type(self).__name__} have no methods of their own, so {method_name!r} cannot be called. "
            f"Use a DummyVecEnv of {self._single}."
        )

    def has_attr(self, attr_name: str) -> bool:
        """
        Tell whether the games have an attribute, or a method that they share.

        :param attr_name: Its name
        :return: Whether they have it
        """
        return self._shares(attr_name) or super().has_attr(attr_name)

    def _shares(self, method_name: str) -> bool:
        return method_name.startswith("isr_") and hasattr(type(self), method_name)

    def env_is_wrapped(
        self, wrapper_class: type[gym.Wrapper[Any, Any, Any, Any]], indices: VecEnvIndices = None
    ) -> list[bool]:
        """
        Tell whether the games are wrapped, which is True for ``Monitor`` alone.

        SB3 asks whether there is a Monitor because it needs what Monitor writes to the infos, and they have it.

        :param wrapper_class: The wrapper class
        :param indices: Indices of the games
        :return: The answer, once for each game
        """
        return [wrapper_class is Monitor for _ in self._get_indices(indices)]

    def get_images(self) -> Sequence[np.ndarray | None]:
        """
        Refuse to render.

        :raises NotImplementedError: Always
        """
        raise NotImplementedError(
            f'A {type(self).__name__} cannot be rendered. Render {self._single}(render_mode="rgb_array") instead.'
        )
