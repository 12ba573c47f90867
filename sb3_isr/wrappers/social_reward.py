"""SocialRewardWrapper: adds a caregiver to any Gymnasium environment."""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping
from typing import Any, SupportsFloat

import gymnasium as gym

from sb3_isr.caregivers.base import Caregiver, Transition
from sb3_isr.caregivers.plain import PlainCaregiver, plain_caregiver


class SocialRewardWrapper(gym.Wrapper[Any, Any, Any, Any], gym.utils.RecordConstructorArgs):
    """
    Asks a caregiver about each transition, and adds its reward ``R_s`` to the environment's ``R_e``.

    ``info["social_reward"]`` is the social part of the sum; without the key the caregiver gave no label.

    A ``Monitor`` may be inside (``make_vec_env`` and RL Zoo put it there): the return of the episode that it reports in
    ``info["episode"]`` is then corrected by what the caregiver changed.

    :param env: Any environment.
    :param caregiver: The caregiver. For YAML, also its dotted name, alone (``sb3_isr.TaskRewardCaregiver``) or with its
        arguments (``{sb3_isr.NoisyCaregiver: {caregiver: sb3_isr.PraiseCaregiver, std: 0.1}}``). It is asked at every
        step, also in autonomy, where its answers measure what is lost and are used for nothing else. The wrapper keeps
        a copy, since a caregiver may remember an episode.
    """

    def __init__(self, env: gym.Env[Any, Any], caregiver: Caregiver | PlainCaregiver) -> None:
        gym.utils.RecordConstructorArgs.__init__(self, caregiver=caregiver)
        gym.Wrapper.__init__(self, env)
        self.caregiver: Caregiver = (
            plain_caregiver(caregiver) if isinstance(caregiver, str | Mapping) else copy.deepcopy(caregiver)
        )
        self._observation: Any = None
        self._return_change = 0.0

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """
        Start an episode.

        :param seed: Seeds the environment, and the caregiver too.
        :param options: Passed on.
        :return: The first observation and its info.
        """
        observation, info = self.env.reset(seed=seed, options=options)
        self._observation = copy.deepcopy(observation)
        self.caregiver.reset(seed)
        self._return_change = 0.0
        return observation, info

    def step(self, action: Any) -> tuple[Any, SupportsFloat, bool, bool, dict[str, Any]]:
        """
        Step the environment, and ask the caregiver about the transition.

        :param action: Passed on.
        :return: Observation, ``R_e + R_s`` (a Python float), terminated, truncated and info.
        :raises ValueError: If the caregiver returns something that is neither a finite number nor None.
        """
        action_copy = copy.deepcopy(action)  # some environments write into the arrays that they gave or took
        observation, reward, terminated, truncated, info = self.env.step(action)
        transition = Transition(self._observation, action_copy, float(reward), observation, terminated, truncated, info)
        social_reward = self.caregiver.social_reward(transition)
        true_reward = self.caregiver.environment_reward(transition)
        info = {key: value for key, value in info.items() if key != "social_reward"}
        if social_reward is not None:
            if not math.isfinite(social_reward):
                raise ValueError(
                    f"A caregiver must return a finite number, or None for no label, but {self.caregiver!r} "
                    f"returned {social_reward!r}."
                )
            info["social_reward"] = float(social_reward)
            true_reward += float(social_reward)
        self._return_change += true_reward - transition.reward
        if "episode" in info:
            info["episode"] = {**info["episode"], "r": info["episode"]["r"] + self._return_change}
        self._observation = copy.deepcopy(observation)
        return observation, true_reward, terminated, truncated, info
