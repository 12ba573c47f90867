"""An environment whose every number is known beforehand."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium import spaces
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.vec_env import VecEnv

Space = gym.Space[Any]


class ScriptedEnv(gym.Env[Any, Any]):
    """
    Plays a list of (R_e, R_s) over and over, one episode each time; R_s = None is a step without a label.

    The observation is [number of the environment, step], so that a transition can be told from every other.
    """

    def __init__(
        self,
        script: Sequence[tuple[float, float | None]],
        number: int = 0,
        action_space: Space | None = None,
        truncates: bool = False,
    ) -> None:
        self.script = list(script)
        self.number = number
        self.truncates = truncates
        self.observation_space = spaces.Box(0, 1000, (2,), np.float32)
        self.action_space = action_space or spaces.Discrete(3)
        self.step_count = 0

    def _observation(self) -> np.ndarray[Any, Any]:
        return np.array([self.number, self.step_count], np.float32)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        self.step_count = 0
        return self._observation(), {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        environment_reward, social_reward = self.script[self.step_count]
        self.step_count += 1
        ends = self.step_count == len(self.script)
        info = {} if social_reward is None else {"social_reward": social_reward}
        reward = environment_reward + (social_reward or 0)
        return self._observation(), reward, ends and not self.truncates, ends and self.truncates, info


def scripted_vec_env(scripts: Sequence[Sequence[tuple[float, float | None]]], **kwargs: Any) -> VecEnv:
    """One monitored environment for each script, as SB3's own helper builds them."""
    numbers = iter(range(len(scripts)))

    def make() -> ScriptedEnv:
        number = next(numbers)
        return ScriptedEnv(scripts[number], number, **kwargs)

    return make_vec_env(make, n_envs=len(scripts))
