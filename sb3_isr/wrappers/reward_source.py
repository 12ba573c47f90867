"""
Reward sources: the place where the caregiver's reward is written also says what the environment itself gave.

A wrapper further out that changes rewards (frame skip, clipping, scaling) cannot then leave social reward in them
without being noticed. ``SocialRewardWrapper`` writes both parts itself; for environments that write only their social
reward, a source is put where a wrapper around them might change the sum.
"""

from __future__ import annotations

from typing import Any, SupportsFloat

import gymnasium as gym
import numpy as np
from gymnasium.wrappers import OrderEnforcing, PassiveEnvChecker, TimeLimit
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.vec_env import (
    VecCheckNan,
    VecEnv,
    VecEnvWrapper,
    VecExtractDictObs,
    VecFrameStack,
    VecMonitor,
    VecTransposeImage,
    VecVideoRecorder,
)
from stable_baselines3.common.vec_env.base_vec_env import VecEnvObs, VecEnvStepReturn

from sb3_isr.common.numbers import as_number
from sb3_isr.common.reward_parts import ENVIRONMENT_REWARD, SOCIAL_REWARD
from sb3_isr.wrappers.questions import wrapped_in
from sb3_isr.wrappers.social_reward import SocialRewardWrapper

#: Wrappers whose ``step`` leaves rewards as they are, or writes the parts of what it makes of them.
_KEEPING: tuple[Any, ...] = (
    gym.Wrapper,
    gym.ObservationWrapper,
    gym.ActionWrapper,
    TimeLimit,
    OrderEnforcing,
    PassiveEnvChecker,
    Monitor,
    SocialRewardWrapper,
)
_KEEPING_STEPS = {wrapper.step for wrapper in _KEEPING}
_KEEPING_VEC_STEPS = {
    wrapper.step_wait
    for wrapper in (VecCheckNan, VecExtractDictObs, VecFrameStack, VecMonitor, VecTransposeImage, VecVideoRecorder)
}


class RewardSource(gym.Wrapper[Any, Any, Any, Any], gym.utils.RecordConstructorArgs):
    """
    Writes ``info["environment_reward"]`` from the first label of the environment on, if nobody inside does.

    :param env: Any environment.
    """

    def __init__(self, env: gym.Env[Any, Any]) -> None:
        gym.utils.RecordConstructorArgs.__init__(self)
        gym.Wrapper.__init__(self, env)
        self._has_labels = np.zeros(1, bool)

    def step(self, action: Any) -> tuple[Any, SupportsFloat, bool, bool, dict[str, Any]]:
        """
        Step the environment.

        :param action: Passed on.
        :return: As it comes, but for the info.
        """
        observation, reward, terminated, truncated, info = self.env.step(action)
        return observation, reward, terminated, truncated, _with_parts(reward, info, self._has_labels, 0)


class VecRewardSource(VecEnvWrapper):
    """
    Does the same for vectorized environments.

    :param venv: The environments.
    """

    def __init__(self, venv: VecEnv) -> None:
        super().__init__(venv)
        self._has_labels = np.zeros(venv.num_envs, bool)

    def reset(self) -> VecEnvObs:
        """
        Reset all environments.

        :return: The first observations.
        """
        return self.venv.reset()

    def step_wait(self) -> VecEnvStepReturn:
        """
        Wait for the step.

        :return: As it comes, but for the infos.
        """
        observations, rewards, dones, infos = self.venv.step_wait()
        written = [_with_parts(rewards[i], info, self._has_labels, i) for i, info in enumerate(infos)]
        return observations, rewards, dones, written


def _with_parts(reward: Any, info: dict[str, Any], has_labels: np.ndarray, env: int) -> dict[str, Any]:
    label = info.get(SOCIAL_REWARD)
    has_labels[env] |= label is not None
    if ENVIRONMENT_REWARD in info or not has_labels[env]:
        return info
    try:
        environment_reward = as_number(reward) - (0.0 if label is None else as_number(label))
    except ValueError:  # whoever uses the label tells what is wrong with it
        return info
    return {**info, ENVIRONMENT_REWARD: environment_reward}


def watch_rewards(env: gym.Env[Any, Any]) -> None:
    """
    Put a source inside each wrapper that may change rewards.

    :param env: An environment with its wrappers.
    """
    while isinstance(env, gym.Wrapper):
        if type(env).step not in _KEEPING_STEPS and not isinstance(env, RewardSource):
            env.env = env.env if isinstance(env.env, RewardSource) else RewardSource(env.env)
        env = env.env


def watch_vec_rewards(venv: VecEnv) -> None:
    """
    Put a source inside each wrapper that may change rewards, around all environments and around each of them.

    :param venv: Vectorized environments with their wrappers.
    """
    wrapped_in(venv, _Watched)
    while isinstance(venv, VecEnvWrapper) and isinstance(venv.venv, VecEnv):
        if type(venv).step_wait not in _KEEPING_VEC_STEPS and not isinstance(venv, VecRewardSource):
            venv.venv = venv.venv if isinstance(venv.venv, VecRewardSource) else VecRewardSource(venv.venv)
        venv = venv.venv


class _Watching(type):
    """Each wrapper in another process can be reached by one question only: whether it is an instance of some class."""

    def __instancecheck__(cls, wrapper: Any) -> bool:
        watch_rewards(wrapper)
        return False


class _Watched(metaclass=_Watching):
    """No wrapper is one, but who is asked is watched."""
