"""VecISRReward: the ISR wrapper for vectorized environments."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
from stable_baselines3.common.vec_env import VecEnv, VecEnvWrapper, unwrap_vec_normalize, unwrap_vec_wrapper
from stable_baselines3.common.vec_env.base_vec_env import VecEnvIndices, VecEnvObs, VecEnvStepReturn

from sb3_isr.common.batches import copy_batch
from sb3_isr.isr.model import InternalSocialReward
from sb3_isr.labels.transitions import Transitions, last_observations, terminations
from sb3_isr.wrappers.composer import RewardComposer
from sb3_isr.wrappers.idle_steps import IdleSteps
from sb3_isr.wrappers.isr_actions import ISRActions, isr_action_space_of
from sb3_isr.wrappers.isr_reward import ISRRewardWrapper
from sb3_isr.wrappers.reward_source import watch_vec_rewards
from sb3_isr.wrappers.venv_queries import wrapped_in


class VecISRReward(VecEnvWrapper):
    """
    Turns the true reward into the utility ``U = R_e + P * R_s + (1 - P) * R_i``, for all environments in one call.

    Nothing changes until an :class:`~sb3_isr.ISRCallback` connects it, so the same stack serves evaluation. Put it
    inside ``VecNormalize``.

    :param venv: Environments whose ``info["social_reward"]`` says which part of the reward is the caregiver's.
    :param isr: A trained ISR that rewards from the first step on, as if the caregiver had left for good.
    :raises TypeError: If ``venv`` is not a ``VecEnv``.
    :raises ValueError: If ``VecNormalize`` or another ISR wrapper is inside, or the ISR was made for other spaces.
    """

    def __init__(self, venv: VecEnv, isr: InternalSocialReward | None = None) -> None:
        _check(venv)
        super().__init__(venv)
        watch_vec_rewards(venv)
        self._isr_actions = ISRActions(self.action_space, isr_action_space_of(venv))
        if isr is not None:
            isr.check_spaces(*self.isr_spaces())
        #: Applies the equation.
        self.composer = RewardComposer(venv.num_envs, self._isr_actions, isr.predict if isr else None)
        self._idle_steps = IdleSteps(venv)
        self._observations: Any = None
        self._actions: Any = None

    def isr_spaces(self) -> tuple[gym.Space[Any], gym.Space[Any]]:
        """
        Get the spaces of the ISR.

        :return: Observation space and action space.
        """
        return self.observation_space, self._isr_actions.space

    def get_attr(self, attr_name: str, indices: VecEnvIndices = None) -> list[Any]:
        """
        Get an attribute of the environments.

        :param attr_name: The attribute.
        :param indices: The environments; None for all.
        :return: Its values.
        :raises AttributeError: If there is none, also of environments that know no attributes.
        """
        try:
            return self.venv.get_attr(attr_name, indices)
        except NotImplementedError as error:
            raise AttributeError(attr_name) from error

    def reset(self) -> VecEnvObs:
        """
        Reset all environments.

        :return: The first observations, ``[n_envs, *shape]``.
        """
        observations = self.venv.reset()
        self._observations = copy_batch(observations)  # type: ignore[arg-type]  # environments and wrappers may write into what they gave
        self._idle_steps.reset()
        self.composer.reset()
        return observations

    def step(self, actions: np.ndarray) -> VecEnvStepReturn:
        """
        Step the environments, and turn their rewards into utilities.

        :param actions: ``[n_envs, *shape]``.
        :return: Observations, utilities, dones and infos.
        """
        self._actions = np.array(actions)  # a copy, as of observations
        return self._compose(*self.venv.step(actions))  # not in two calls: an environment may have this one only

    def step_async(self, actions: np.ndarray) -> None:
        """
        Tell the environments to step.

        :param actions: ``[n_envs, *shape]``.
        """
        self._actions = np.array(actions)
        self.venv.step_async(actions)

    def step_wait(self) -> VecEnvStepReturn:
        """
        Wait for the step, and turn its rewards into utilities.

        :return: Observations, utilities, dones and infos.
        """
        return self._compose(*self.venv.step_wait())

    def _compose(self, observations: VecEnvObs, rewards: Any, dones: Any, infos: Any) -> VecEnvStepReturn:
        idle = self._idle_steps.find(observations, dones, infos)
        seen: Any = copy_batch(observations)  # type: ignore[arg-type]
        ended = np.asarray(dones, bool)  # SuperSuit's are uint8
        last = last_observations(seen, ended, infos)
        transitions = Transitions(self._observations, self._actions, last, terminations(ended, infos))
        utilities = self.composer.compose(transitions, rewards, ended, infos, idle)
        self._observations = seen
        return observations, utilities, dones, infos


def _check(venv: Any) -> None:
    if not isinstance(venv, VecEnv):
        raise TypeError(
            f"VecISRReward wraps a VecEnv of Stable-Baselines3, got {venv!r}; make one, as in "
            "VecISRReward(make_vec_env(...)), or wrap one Gymnasium environment in ISRRewardWrapper."
        )
    if unwrap_vec_normalize(venv) is not None:
        raise ValueError(
            "VecISRReward must be inside VecNormalize, got it outside: off-policy algorithms store the reward of "
            "VecNormalize, so the internal reward would be lost. Write VecNormalize(VecISRReward(venv))."
        )
    inside = ISRRewardWrapper if any(wrapped_in(venv, ISRRewardWrapper)) else VecISRReward
    if inside is ISRRewardWrapper or unwrap_vec_wrapper(venv, VecISRReward) is not None:
        raise ValueError(
            f"There must be one ISR wrapper, got VecISRReward around {inside.__name__}, which would subtract the "
            f"social reward twice; leave {inside.__name__} out."
        )
