"""VecISRReward: the ISR wrapper for vectorized environments."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
from stable_baselines3.common.vec_env import VecEnv, VecEnvWrapper, unwrap_vec_normalize
from stable_baselines3.common.vec_env.base_vec_env import VecEnvObs, VecEnvStepReturn

from sb3_isr.isr.model import InternalSocialReward
from sb3_isr.wrappers.composer import RewardComposer
from sb3_isr.wrappers.isr_actions import ISRActions, isr_action_space_of


class VecISRReward(VecEnvWrapper):
    """
    Turns the true reward into the utility ``U = R_e + P * R_s + (1 - P) * R_i``, for all environments in one call.

    Nothing changes until an :class:`~sb3_isr.ISRCallback` connects it, so the same stack serves evaluation. Put it
    inside ``VecNormalize``.

    :param venv: Environments whose ``info["social_reward"]`` says which part of the reward is the caregiver's.
    :param isr: A trained ISR that rewards from the first step on, as if the caregiver had left for good.
    :raises ValueError: If ``VecNormalize`` is inside, or the ISR was made for other spaces.
    """

    def __init__(self, venv: VecEnv, isr: InternalSocialReward | None = None) -> None:
        if unwrap_vec_normalize(venv) is not None:
            raise ValueError(
                "VecISRReward must be inside VecNormalize, got it outside: off-policy algorithms store the reward of "
                "VecNormalize, so the internal reward would be lost. Write VecNormalize(VecISRReward(venv))."
            )
        super().__init__(venv)
        self._isr_actions = ISRActions(self.action_space, isr_action_space_of(venv))
        if isr is not None:
            isr.check_spaces(*self.isr_spaces())
        #: Applies the equation.
        self.composer = RewardComposer(venv.num_envs, self._isr_actions, isr.predict if isr else None)
        self._observations: Any = None
        self._actions: Any = None

    def isr_spaces(self) -> tuple[gym.Space[Any], gym.Space[Any]]:
        """
        Get the spaces of the ISR.

        :return: Observation space and action space.
        """
        return self.observation_space, self._isr_actions.space

    def reset(self) -> VecEnvObs:
        """
        Reset all environments.

        :return: The first observations, ``[n_envs, *shape]``.
        """
        self._observations = self.venv.reset()
        self.composer.reset()
        return self._observations  # type: ignore[no-any-return]

    def step_async(self, actions: np.ndarray) -> None:
        """
        Tell the environments to step.

        :param actions: ``[n_envs, *shape]``.
        """
        self._actions = np.array(actions)  # a copy: an environment here may write into what it took
        self.venv.step_async(actions)

    def step_wait(self) -> VecEnvStepReturn:
        """
        Wait for the step, and turn its rewards into utilities.

        :return: Observations, utilities, dones and infos.
        """
        observations, rewards, dones, infos = self.venv.step_wait()
        utilities = self.composer.compose(self._observations, self._actions, rewards, dones, infos)
        self._observations = observations
        return observations, utilities, dones, infos
