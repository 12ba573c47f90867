"""Connections from the callback to the ISR wrappers of a training environment, in whatever process they are."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any, Protocol

import gymnasium as gym
import numpy as np
from stable_baselines3 import HerReplayBuffer
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.vec_env import VecEnv, VecEnvWrapper, VecMonitor, VecNormalize

from sb3_isr.common.batches import Array
from sb3_isr.wrappers import ISRRewardWrapper, VecISRReward
from sb3_isr.wrappers.composer import InternalReward, LateRewards
from sb3_isr.wrappers.recorder import Record
from sb3_isr.wrappers.venv_queries import wrapped_in


class Connection(Protocol):
    """What the callback needs of the wrappers; the methods are those of ``RewardComposer``."""

    n_envs: int

    def spaces(self) -> tuple[gym.Space[Any], gym.Space[Any]]:
        """Get the observation space and the action space of the ISR."""

    def connect(
        self,
        internal_reward: InternalReward,
        probability: float,
        coefficient: float,
        rngs: Sequence[np.random.Generator],
        keeps_unattended: bool,
        add_late_rewards: LateRewards | None = None,
    ) -> None:
        """Turn the rewards of announced steps into utilities; there is one generator for each environment."""

    def update(self, internal_reward: InternalReward, probability: float, coefficient: float) -> None:
        """Change what rewards are turned into from now on."""

    def announce_step(self) -> None:
        """Announce that the next step is the learner's."""

    def compute_late_rewards(self) -> None:
        """Compute the internal rewards that were deferred, and add them."""

    def disconnect(self) -> None:
        """Leave rewards as they come from now on."""

    def collect(self) -> list[Record]:
        """Get what happened since the last call."""

    def rngs(self) -> list[np.random.Generator]:
        """Get the presence generators of all environments, as they are by now."""

    def last_internal_rewards(self) -> Array:
        """Get ``R_i`` in the utilities of the last step, ``[n_envs]``; NaN where the caregiver attended."""


def find_connection(env: VecEnv) -> Connection:
    """
    Find the ISR wrappers of a training environment.

    :param env: The training environment: one ``VecISRReward`` in it, or an ``ISRRewardWrapper`` in each environment.
    :return: A connection to them.
    :raises ValueError: If there are none.
    """
    outside: list[VecEnv] = []
    while isinstance(env, VecEnvWrapper) and not isinstance(env, VecISRReward):
        outside.append(env)
        env = env.venv
    if not isinstance(env, VecISRReward):
        in_environments = wrapped_in(env, ISRRewardWrapper)
        if not all(in_environments):
            raise ValueError(
                "ISRCallback needs a training environment with an ISR wrapper, got "
                f"{'one in some environments only' if any(in_environments) else 'none'}; "
                "write model = PPO(..., VecISRReward(venv))."
            )
    _warn_of_wrappers_outside(outside)
    return VecConnection(env) if isinstance(env, VecISRReward) else EnvConnection(env)


class VecConnection:
    """
    A connection to a ``VecISRReward``.

    :param wrapper: The wrapper.
    """

    def __init__(self, wrapper: VecISRReward) -> None:
        self.n_envs = wrapper.num_envs
        self._wrapper = wrapper
        self._composer = wrapper.composer

    def spaces(self) -> tuple[gym.Space[Any], gym.Space[Any]]:
        """As :class:`Connection`'s."""
        return self._wrapper.isr_spaces()

    def connect(
        self,
        internal_reward: InternalReward,
        probability: float,
        coefficient: float,
        rngs: Sequence[np.random.Generator],
        keeps_unattended: bool,
        add_late_rewards: LateRewards | None = None,
    ) -> None:
        """As :class:`Connection`'s."""
        self._composer.connect(
            internal_reward, probability, coefficient, rngs, keeps_unattended, True, add_late_rewards
        )

    def update(self, internal_reward: InternalReward, probability: float, coefficient: float) -> None:
        """As :class:`Connection`'s."""
        self._composer.update(internal_reward, probability, coefficient)

    def announce_step(self) -> None:
        """As :class:`Connection`'s."""
        self._composer.announce_step()

    def compute_late_rewards(self) -> None:
        """As :class:`Connection`'s."""
        self._composer.compute_late_rewards()

    def disconnect(self) -> None:
        """As :class:`Connection`'s."""
        self._composer.disconnect()

    def collect(self) -> list[Record]:
        """As :class:`Connection`'s."""
        return [self._composer.collect()]

    def rngs(self) -> list[np.random.Generator]:
        """As :class:`Connection`'s."""
        return list(self._composer.attendance.rngs)

    def last_internal_rewards(self) -> Array:
        """As :class:`Connection`'s."""
        return self._composer.last_internal_rewards


class EnvConnection:
    """
    A connection to an ``ISRRewardWrapper`` in each environment.

    The names given to ``env_method`` are those of its methods.

    :param venv: The environments.
    """

    def __init__(self, venv: VecEnv) -> None:
        self.n_envs = venv.num_envs
        self._venv = venv
        self._warn_of_monitor_outside()

    def spaces(self) -> tuple[gym.Space[Any], gym.Space[Any]]:
        """As :class:`Connection`'s."""
        observation_space, action_space = self._venv.env_method("isr_spaces", indices=0)[0]
        return observation_space, action_space

    def connect(
        self,
        internal_reward: InternalReward,
        probability: float,
        coefficient: float,
        rngs: Sequence[np.random.Generator],
        keeps_unattended: bool,
        add_late_rewards: LateRewards | None = None,
    ) -> None:
        """As :class:`Connection`'s."""
        assert add_late_rewards is None
        for i, rng in enumerate(rngs):
            arguments = (internal_reward, probability, coefficient, rng, keeps_unattended, True)
            self._venv.env_method("isr_connect", *arguments, indices=i)

    def update(self, internal_reward: InternalReward, probability: float, coefficient: float) -> None:
        """As :class:`Connection`'s."""
        self._venv.env_method("isr_update", internal_reward, probability, coefficient)

    def announce_step(self) -> None:
        """As :class:`Connection`'s."""
        self._venv.env_method("isr_announce_step")

    def compute_late_rewards(self) -> None:
        """As :class:`Connection`'s; in environments nothing is deferred."""

    def disconnect(self) -> None:
        """As :class:`Connection`'s."""
        self._venv.env_method("isr_disconnect")

    def collect(self) -> list[Record]:
        """As :class:`Connection`'s."""
        records: list[Record] = self._venv.env_method("isr_collect")
        for env, record in enumerate(records):
            if record.unattended is not None:  # each wrapper takes its environment for number 0
                records[env] = record._replace(unattended=record.unattended.in_environment(env))
        return records

    def rngs(self) -> list[np.random.Generator]:
        """As :class:`Connection`'s."""
        return list(self._venv.env_method("isr_rng"))

    def last_internal_rewards(self) -> Array:
        """As :class:`Connection`'s."""
        return np.array(self._venv.env_method("isr_last_internal_reward"))

    def _warn_of_monitor_outside(self) -> None:
        monitored = self._venv.env_is_wrapped(Monitor)
        if any(m and not inside for m, inside in zip(monitored, self._venv.env_method("isr_monitored"), strict=True)):
            warnings.warn(
                "A Monitor outside ISRRewardWrapper reports the utility as if it were the true reward; "
                "write ISRRewardWrapper(Monitor(env)).",
                stacklevel=2,
            )


def check_algorithm(model: BaseAlgorithm) -> None:
    """
    Check that the rewards of a wrapper reach an algorithm.

    :param model: The learner.
    :raises ValueError: If it takes its rewards elsewhere.
    """
    # By name: sb3-contrib is an extra.
    if any(base.__name__ == "ARS" for base in type(model).__mro__):
        raise ValueError("ARS maximizes the Monitor's reward, which no ISR wrapper changes; use another algorithm.")
    if isinstance(getattr(model, "replay_buffer", None), HerReplayBuffer):
        raise ValueError(
            "HerReplayBuffer recomputes rewards by the environment, past any ISR wrapper; use the ReplayBuffer."
        )


def _warn_of_wrappers_outside(outside: Sequence[VecEnv]) -> None:
    for env in outside:
        if isinstance(env, VecNormalize) and env.norm_reward:
            warnings.warn(
                "VecNormalize(norm_reward=True) outside the ISR wrapper rescales utilities by their own standard "
                "deviation, which changes when the caregiver leaves; write VecNormalize(venv, norm_reward=False).",
                stacklevel=2,
            )
        if isinstance(env, VecMonitor):
            warnings.warn(
                "A VecMonitor outside VecISRReward reports the utility as if it were the true reward; "
                "write VecISRReward(VecMonitor(venv)).",
                stacklevel=2,
            )
