"""Finds the ISR wrappers of a training environment, and speaks to them in whatever process they live."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import gymnasium as gym
import numpy as np
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.vec_env import VecEnv, VecEnvWrapper, VecMonitor, VecNormalize

from sb3_isr.common.spaces import Array
from sb3_isr.labels.store import LabelBatch, Unlabelled
from sb3_isr.wrappers import ISRRewardWrapper, VecISRReward
from sb3_isr.wrappers.composer import InternalReward, Sums


class Connection:
    """
    One end of the wire between :class:`~sb3_isr.ISRCallback` and the wrappers that apply the equation.

    :param env: The training environment: one ``VecISRReward`` in it, or an ``ISRRewardWrapper`` in each environment.
    :raises ValueError: If there is none, or both.
    """

    def __init__(self, env: VecEnv) -> None:
        self.n_envs = env.num_envs
        outside: list[VecEnv] = []
        while isinstance(env, VecEnvWrapper) and not isinstance(env, VecISRReward):
            outside.append(env)
            env = env.venv
        in_environments = env.env_is_wrapped(ISRRewardWrapper)
        self._vec_wrapper = env if isinstance(env, VecISRReward) else None
        self._base = env
        if self._vec_wrapper is not None and any(in_environments):
            raise ValueError(
                "There must be one ISR wrapper, got VecISRReward around ISRRewardWrapper, which would take the social "
                "reward away twice; leave ISRRewardWrapper out."
            )
        if self._vec_wrapper is None and not all(in_environments):
            raise ValueError(
                "ISRCallback needs a training environment with an ISR wrapper, got none; "
                "write model = PPO(..., VecISRReward(venv))."
            )
        _warn_of_wrappers_outside(outside)
        if self._vec_wrapper is None:
            self._warn_of_monitor_outside()

    def spaces(self) -> tuple[gym.Space[Any], gym.Space[Any]]:
        """
        :return: Observation space and action space of the ISR, where the wrapper sits.
        """
        if self._vec_wrapper is not None:
            return self._vec_wrapper.isr_spaces()
        observation_space, action_space = self._base.env_method("isr_spaces", indices=0)[0]
        return observation_space, action_space

    def connect(
        self,
        internal_reward: InternalReward,
        probability: float,
        coefficient: float,
        rngs: Sequence[np.random.Generator],
        keeps_unlabelled: bool,
    ) -> None:
        """As ``RewardComposer.connect``; one generator for each environment."""
        common = internal_reward, probability, coefficient
        if self._vec_wrapper is not None:
            self._vec_wrapper.isr_call("connect", *common, rngs, keeps_unlabelled)
            return
        for i, rng in enumerate(rngs):
            self._base.env_method("isr_call", "connect", *common, [rng], keeps_unlabelled, indices=i)

    def update(self, internal_reward: InternalReward, probability: float, coefficient: float) -> None:
        """As ``RewardComposer.update``."""
        self._call("update", internal_reward, probability, coefficient)

    def disconnect(self) -> None:
        """As ``RewardComposer.disconnect``."""
        self._call("disconnect")

    def rngs(self) -> list[np.random.Generator]:
        """
        :return: The presence generators of all environments, as they are by now.
        """
        return [rng for rngs in self._call("rngs") for rng in rngs]

    def take_labels(self) -> list[LabelBatch]:
        """
        :return: The labels given since the last call.
        """
        return [labels for labels in self._call("take_labels") if labels is not None]

    def take_unlabelled(self) -> list[Unlabelled]:
        """
        :return: What the caregiver missed since the last call, if that is kept.
        """
        return [missed for missed in self._call("take_unlabelled") if missed is not None]

    def last_internal_rewards(self) -> Array:
        """
        :return: ``R_i`` in the utilities of the last step, ``[n_envs]``; NaN where the caregiver attended.
        """
        return np.concatenate(self._call("last_internal_rewards"))

    def take_sums(self) -> Sums:
        """
        :return: What happened since the last call, added up over environments.
        """
        return Sums(*np.sum(self._call("take_sums"), axis=0).tolist())

    def _call(self, method: str, *args: Any) -> list[Any]:
        if self._vec_wrapper is not None:
            return [self._vec_wrapper.isr_call(method, *args)]
        return self._base.env_method("isr_call", method, *args)

    def _warn_of_monitor_outside(self) -> None:
        monitored = self._base.env_is_wrapped(Monitor)
        if any(m and not inside for m, inside in zip(monitored, self._base.env_method("isr_monitored"), strict=True)):
            warnings.warn(
                "A Monitor outside ISRRewardWrapper reports the utility as if it were the true reward; "
                "write ISRRewardWrapper(Monitor(env)).",
                stacklevel=2,
            )


def _warn_of_wrappers_outside(outside: Sequence[VecEnv]) -> None:
    for env in outside:
        if isinstance(env, VecNormalize) and env.norm_reward:
            warnings.warn(
                "VecNormalize(norm_reward=True) outside the ISR wrapper rescales utilities by their own spread, which "
                "changes when the caregiver leaves; write VecNormalize(venv, norm_reward=False).",
                stacklevel=2,
            )
        if isinstance(env, VecMonitor):
            warnings.warn(
                "A VecMonitor outside VecISRReward reports the utility as if it were the true reward; "
                "write VecISRReward(VecMonitor(venv)).",
                stacklevel=2,
            )
