"""What RL Zoo's ``enjoy`` and ``record_video`` show: environment, social and internal reward told apart."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import rl_zoo3.utils
from stable_baselines3.common.vec_env import VecEnv, VecEnvWrapper
from stable_baselines3.common.vec_env.base_vec_env import VecEnvObs, VecEnvStepReturn

from sb3_isr.common.reward_parts import SOCIAL_REWARD, read_parts
from sb3_isr.isr.model import InternalSocialReward
from sb3_isr.labels.transitions import last_observations, terminations
from sb3_isr.wrappers.isr_actions import ISRActions, isr_action_space_of
from sb3_isr.zoo.callback import isr_folder
from sb3_isr.zoo.manager import ZooMaskablePPO


class RewardPrinter(VecEnvWrapper):
    """
    Prints the returns of each episode: the environment's, the caregiver's, and the one that the ISR would have given.

    :param venv: The environments.
    :param isr: The ISR; None without one.
    """

    def __init__(self, venv: VecEnv, isr: InternalSocialReward | None) -> None:
        super().__init__(venv)
        self.isr = isr
        self._isr_actions = ISRActions(venv.action_space, isr_action_space_of(venv))
        self._returns = np.zeros((venv.num_envs, 3))

    def reset(self) -> VecEnvObs:
        """
        Reset all environments.

        :return: The first observations.
        """
        observations = self.venv.reset()
        self._observations: Any = copy.deepcopy(observations)  # environments may write into what they gave
        self._returns[:] = 0.0
        return observations

    def step_async(self, actions: np.ndarray) -> None:
        """
        Tell the environments to step.

        :param actions: ``[n_envs, *shape]``.
        """
        self._actions = np.array(actions)
        self.venv.step_async(actions)

    def step_wait(self) -> VecEnvStepReturn:
        """
        Wait for the step, and print the returns of episodes that ended.

        :return: Observations, rewards, dones and infos, as they come.
        """
        observations, rewards, dones, infos = self.venv.step_wait()
        social = np.nan_to_num(read_parts(infos, SOCIAL_REWARD))
        self._returns[:, 0] += rewards - social
        self._returns[:, 1] += social
        if self.isr is not None:
            actions = self._isr_actions(self._actions, infos)
            last: Any = last_observations(observations, dones, infos)  # type: ignore[arg-type]
            self._returns[:, 2] += self.isr.predict(self._observations, actions, last, terminations(dones, infos))
        for i in np.flatnonzero(dones):
            environment, social_return, internal = self._returns[i]
            internal_text = "no ISR" if self.isr is None else f"{internal:.2f}"
            print(f"Environment reward: {environment:.2f}, social: {social_return:.2f}, internal: {internal_text}")
        self._returns[dones] = 0.0
        self._observations = copy.deepcopy(observations)
        return observations, rewards, dones, infos


class ShownLearner:
    """Replaces the functions that ``enjoy`` and ``record_video`` look up, to learn which learner is shown."""

    def __init__(self) -> None:
        self.isr: InternalSocialReward | None = None
        self._get_model_path = rl_zoo3.utils.get_model_path
        self._create_test_env = rl_zoo3.utils.create_test_env

    def get_model_path(self, *args: Any, **kwargs: Any) -> tuple[str, str, str]:
        """Find the learner as RL Zoo does, and load the ISR beside it."""
        name_prefix, model_path, log_path = self._get_model_path(*args, **kwargs)
        path = isr_folder(model_path) / "isr.safetensors"
        self.isr = InternalSocialReward.load(path, device="cpu") if path.exists() else None
        return name_prefix, model_path, log_path

    def create_test_env(
        self, env_id: str, *, hyperparams: dict[str, Any], env_kwargs: dict[str, Any], **kwargs: Any
    ) -> VecEnv:
        """Make the environment as RL Zoo does, with ``env_kwargs`` of the configuration and a RewardPrinter."""
        env_kwargs = {**hyperparams.get("env_kwargs", {}), **env_kwargs}
        outer = hyperparams.get("vec_env_wrapper") or []
        wrappers = [{RewardPrinter: {"isr": self.isr}}, *(outer if isinstance(outer, list) else [outer])]
        ZooMaskablePPO.shown_in = self._create_test_env(
            env_id, hyperparams={**hyperparams, "vec_env_wrapper": wrappers}, env_kwargs=env_kwargs, **kwargs
        )
        return ZooMaskablePPO.shown_in
