"""The ISR wrapper for one Gymnasium environment."""

from __future__ import annotations

from typing import Any, SupportsFloat

import gymnasium as gym
import numpy as np
from stable_baselines3.common.env_util import is_wrapped
from stable_baselines3.common.monitor import Monitor

from sb3_isr.isr.model import InternalSocialReward
from sb3_isr.wrappers.composer import RewardComposer
from sb3_isr.wrappers.isr_actions import Hearing


class ISRRewardWrapper(gym.Wrapper[Any, Any, Any, Any], gym.utils.RecordConstructorArgs):
    """
    Turns the true reward into the utility ``U = R_e + P * R_s + (1 - P) * R_i``.

    Nothing changes until an :class:`~sb3_isr.ISRCallback` connects it. :class:`~sb3_isr.VecISRReward` does the same
    for many environments in one call, and is faster. Put a ``Monitor`` inside: outside it reports U for the true
    reward.

    :param env: An environment whose ``info["social_reward"]`` says which part of the reward is the caregiver's.
    :param isr: A trained ISR that rewards from the first step on, as if the caregiver were gone for good.
    :raises ValueError: If the ISR was made for other spaces.
    """

    def __init__(self, env: gym.Env[Any, Any], isr: InternalSocialReward | None = None) -> None:
        gym.utils.RecordConstructorArgs.__init__(self, isr=isr, _disable_deepcopy=True)
        gym.Wrapper.__init__(self, env)
        declared = env.get_wrapper_attr("isr_action_space") if env.has_wrapper_attr("isr_action_space") else None
        self._hearing = Hearing(self.action_space, declared)
        if isr is not None:
            isr.check_spaces(*self.isr_spaces())
        self._composer = RewardComposer(1, self._hearing, isr.predict if isr else None)
        self._observations: Any = None

    def isr_call(self, method: str, *args: Any) -> Any:
        """
        How :class:`~sb3_isr.ISRCallback` reaches the part that applies the equation, in whatever process it lives.

        :param method: Name of a method of ``RewardComposer``.
        :param args: Its arguments.
        :return: What it returns.
        """
        return getattr(self._composer, method)(*args)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """
        :param seed: Passed on.
        :param options: Passed on.
        :return: The first observation and its info.
        """
        observation, info = self.env.reset(seed=seed, options=options)
        self._observations = _batch_of_one(observation)
        self._composer.reset()
        return observation, info

    def step(self, action: Any) -> tuple[Any, SupportsFloat, bool, bool, dict[str, Any]]:
        """
        :param action: Passed on.
        :return: Observation, utility (a Python float), terminated, truncated and info.
        """
        actions = _batch_of_one(action)
        observation, reward, terminated, truncated, info = self.env.step(action)
        utilities = self._composer.compose(
            self._observations,
            actions,
            np.array([float(reward)]),
            np.array([terminated or truncated]),
            [info],
        )
        self._observations = _batch_of_one(observation)
        return observation, float(utilities[0]), terminated, truncated, info

    def isr_spaces(self) -> tuple[gym.Space[Any], gym.Space[Any]]:
        """
        :return: Observation space and action space of the ISR.
        """
        return self.observation_space, self._hearing.space

    def isr_monitored(self) -> bool:
        """
        :return: Whether a ``Monitor`` inside reports the true reward.
        """
        return is_wrapped(self.env, Monitor)


def _batch_of_one(element: Any) -> Any:
    # A copy: some environments write into the arrays that they gave or took.
    if isinstance(element, dict):
        return {key: np.array(value)[None] for key, value in element.items()}
    return np.array(element)[None]
