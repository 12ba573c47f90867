"""ISRRewardWrapper: the ISR wrapper for one Gymnasium environment."""

from __future__ import annotations

from typing import Any, SupportsFloat

import gymnasium as gym
import numpy as np
from stable_baselines3.common.env_util import is_wrapped
from stable_baselines3.common.monitor import Monitor

from sb3_isr.common.numbers import unwrap
from sb3_isr.isr.model import InternalSocialReward
from sb3_isr.labels.transitions import Transitions
from sb3_isr.wrappers.composer import InternalReward, RewardComposer
from sb3_isr.wrappers.isr_actions import ISRActions
from sb3_isr.wrappers.recorder import Record
from sb3_isr.wrappers.reward_source import watch_rewards


class ISRRewardWrapper(gym.Wrapper[Any, Any, Any, Any], gym.utils.RecordConstructorArgs):
    """
    Turns the true reward into the utility ``U = R_e + P * R_s + (1 - P) * R_i``.

    Nothing changes until an :class:`~sb3_isr.ISRCallback` connects it. :class:`~sb3_isr.VecISRReward` does the same
    for many environments in one call, and is faster. Put a ``Monitor`` inside: outside it would report U as if it
    were the true reward.

    :param env: An environment whose ``info["social_reward"]`` says which part of the reward is the caregiver's.
    :param isr: A trained ISR that rewards from the first step on, as if the caregiver had left for good.
    :raises TypeError: If ``env`` is not a Gymnasium environment.
    :raises ValueError: If another one is inside, or the ISR was made for other spaces.
    """

    def __init__(self, env: gym.Env[Any, Any], isr: InternalSocialReward | None = None) -> None:
        _check(env)
        gym.utils.RecordConstructorArgs.__init__(self, isr=isr, _disable_deepcopy=True)
        gym.Wrapper.__init__(self, env)
        watch_rewards(env)
        declared = env.get_wrapper_attr("isr_action_space") if env.has_wrapper_attr("isr_action_space") else None
        self._isr_actions = ISRActions(self.action_space, declared)
        if isr is not None:
            isr.check_spaces(*self.isr_spaces())
        self._composer = RewardComposer(1, self._isr_actions, isr.predict if isr else None)
        self._observations: Any = None
        self._has_ended = False

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """
        Reset the environment.

        :param seed: Passed on.
        :param options: Passed on.
        :return: The first observation and its info.
        """
        observation, info = self.env.reset(seed=seed, options=options)
        self._observations = _batch_of_one(observation)
        self._composer.reset()
        self._has_ended = False
        return observation, info

    def step(self, action: Any) -> tuple[Any, SupportsFloat, bool, bool, dict[str, Any]]:
        """
        Step the environment, and turn its reward into the utility.

        :param action: Passed on.
        :return: Observation, utility (a Python float), terminated, truncated and info.
        """
        actions = _batch_of_one(action)
        observation, reward, terminated, truncated, info = self.env.step(action)
        next_observations = _batch_of_one(observation)
        utilities = self._composer.compose(
            Transitions(self._observations, actions, next_observations, np.array([bool(terminated)])),
            np.array([float(unwrap(reward))]),
            np.array([terminated or truncated]),
            [info],
            # After an end without a reset: Gymnasium's Autoreset resets in this step, whatever the action is.
            idle=np.array([self._has_ended]),
        )
        self._observations = next_observations
        self._has_ended = bool(terminated or truncated)
        return observation, float(utilities[0]), terminated, truncated, info

    def isr_connect(
        self,
        internal_reward: InternalReward,
        probability: float,
        coefficient: float,
        rng: np.random.Generator,
        keeps_unattended: bool,
        only_announced: bool = False,
    ) -> None:
        """Call :meth:`RewardComposer.connect`; with its own name, because ``env_method`` may reach it by name only."""
        self._composer.connect(internal_reward, probability, coefficient, [rng], keeps_unattended, only_announced)

    def isr_update(self, internal_reward: InternalReward, probability: float, coefficient: float) -> None:
        """Call :meth:`RewardComposer.update`."""
        self._composer.update(internal_reward, probability, coefficient)

    def isr_announce_step(self) -> None:
        """Call :meth:`RewardComposer.announce_step`."""
        self._composer.announce_step()

    def isr_disconnect(self) -> None:
        """Call :meth:`RewardComposer.disconnect`."""
        self._composer.disconnect()

    def isr_collect(self) -> Record:
        """Call :meth:`RewardComposer.collect`."""
        return self._composer.collect()

    def isr_rng(self) -> np.random.Generator:
        """
        Get the generator from which presence is drawn.

        :return: As it is by now: in another process it is a copy of the one that was given to :meth:`isr_connect`.
        """
        return self._composer.attendance.rngs[0]

    def isr_last_internal_reward(self) -> float:
        """
        Get ``R_i`` of the last step.

        :return: ``R_i`` in its utility; NaN if the caregiver attended.
        """
        return float(self._composer.last_internal_rewards[0])

    def isr_spaces(self) -> tuple[gym.Space[Any], gym.Space[Any]]:
        """
        Get the spaces of the ISR.

        :return: Observation space and action space.
        """
        return self.observation_space, self._isr_actions.space

    def isr_monitored(self) -> bool:
        """
        Look for a ``Monitor`` inside.

        :return: Whether a ``Monitor`` inside reports the true reward.
        """
        return is_wrapped(self.env, Monitor)


def _check(env: Any) -> None:
    if not isinstance(env, gym.Env):
        raise TypeError(
            f"ISRRewardWrapper wraps one Gymnasium environment, got {env!r}; make one, as in "
            "ISRRewardWrapper(gym.make(...)), or wrap a VecEnv in VecISRReward."
        )
    if is_wrapped(env, ISRRewardWrapper):
        raise ValueError(
            "There must be one ISR wrapper, got ISRRewardWrapper around ISRRewardWrapper, which would subtract the "
            "social reward twice; leave one out."
        )


def _batch_of_one(element: Any) -> Any:
    # A copy: some environments write into the arrays that they gave or took.
    if isinstance(element, dict):
        return {key: np.array(value)[None] for key, value in element.items()}
    return np.array(element)[None]
