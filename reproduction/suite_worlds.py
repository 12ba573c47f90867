"""Worlds of the suite that Gymnasium and MiniGrid do not have, and their caregivers."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium import spaces
from minigrid.wrappers import ImgObsWrapper

from sb3_isr import SocialRewardWrapper
from sb3_isr.caregivers import Transition

Env = gym.Env[Any, Any]


class _PraiseForUnlocking(gym.Wrapper[Any, Any, Any, Any]):
    """DoorKey gives 0.2 for the first time that the door is open, too, which does not end the episode."""

    def reset(self, **kwargs: Any) -> Any:
        self._was_open = False
        return self.env.reset(**kwargs)

    def step(self, action: Any) -> Any:
        observation, reward, *rest = self.env.step(action)
        grid = self.env.unwrapped.grid  # type: ignore[attr-defined]
        is_open = any(cell is not None and cell.type == "door" and not cell.is_locked for cell in grid.grid)
        praise = 0.2 * (is_open and not self._was_open)
        self._was_open = self._was_open or is_open
        return observation, float(reward) + praise, *rest


def praise_for_unlocking(env: Env) -> Env:
    """
    Praise opening the door of DoorKey, too.

    :param env: DoorKey.
    :return: The same, in which the first time that the door is open gives 0.2.
    """
    praised: Env = ImgObsWrapper(_PraiseForUnlocking(env))  # type: ignore[no-untyped-call]
    return praised


class _WithoutReward(gym.Wrapper[Any, Any, Any, Any]):
    """Gives no reward of its own; ``info["length"]`` is the number of steps of the episode so far."""

    def reset(self, **kwargs: Any) -> Any:
        self._length = 0
        return self.env.reset(**kwargs)

    def step(self, action: Any) -> Any:
        observation, _, terminated, truncated, info = self.env.step(action)
        self._length += 1
        return observation, 0.0, terminated, truncated, {**info, "length": self._length}


def falling_is_scolded() -> Env:
    """
    Make CartPole without its own reward: -1 for falling, and nothing else.

    :return: The environment, with its caregiver.
    """
    env = _WithoutReward(gym.make("CartPole-v1"))
    return SocialRewardWrapper(env, lambda transition: -float(transition.terminated))


class Work(gym.Env[Any, Any]):
    """Work earns 0.1 a step, and breaks something with probability 0.01, for which the caregiver gives -1."""

    observation_space = spaces.Box(-1, 1, (3,), np.float32)
    action_space = spaces.Discrete(2)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """
        Start a day of 50 steps.

        :param seed: Seeds it.
        :param options: None.
        :return: Three random numbers, and an empty info.
        """
        super().reset(seed=seed)
        self._steps = 0
        return self._observe(), {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """
        Work or rest.

        :param action: 1 to work.
        :return: Three random numbers, the reward, and whether something broke, in the info.
        """
        self._steps += 1
        broke = bool(action == 1 and self.np_random.random() < 0.01)
        return self._observe(), 0.1 * float(action == 1), False, self._steps >= 50, {"broke": broke}

    def _observe(self) -> Any:
        return self.np_random.uniform(-1, 1, 3).astype(np.float32)


def breaking_is_scolded() -> Env:
    """
    Make the world of work.

    :return: The environment, with its caregiver.
    """
    return SocialRewardWrapper(Work(), _scold_for_breaking)


def _scold_for_breaking(transition: Transition) -> float:
    return -float(transition.info["broke"])
