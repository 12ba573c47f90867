"""
RL Zoo's command line with what it lacks for internalization: ``python -m sb3_isr.zoo.__main__ train|enjoy|record_video ...``.

The options are RL Zoo's. ``env_kwargs`` of a configuration reach evaluation and ``record_video``; ``ppo_mask``
(MaskablePPO of sb3-contrib) and, where SBX is installed, ``sbx_ppo``, ``sbx_dqn`` and ``sbx_sac`` are algorithms;
``enjoy`` tells environment, social and internal reward apart; ``--gym-packages sb3_isr`` is not needed.

RL Zoo has no hooks, but looks its parts up by name; here those names are given to subclasses of them.
"""

from __future__ import annotations

import runpy
import sys
from collections.abc import Callable
from functools import partial
from importlib.util import find_spec
from typing import Any

import numpy as np
import rl_zoo3
import rl_zoo3.enjoy
import rl_zoo3.exp_manager
import rl_zoo3.train
import rl_zoo3.utils
from sb3_contrib import MaskablePPO
from sb3_contrib.common.maskable.callbacks import MaskableEvalCallback
from sb3_contrib.common.maskable.utils import get_action_masks
from stable_baselines3.common.callbacks import BaseCallback, EvalCallback
from stable_baselines3.common.vec_env import VecEnv, VecEnvWrapper
from stable_baselines3.common.vec_env.base_vec_env import VecEnvObs, VecEnvStepReturn

from sb3_isr.isr.model import InternalSocialReward
from sb3_isr.wrappers.isr_actions import Hearing, declared_by
from sb3_isr.zoo.callback import isr_folder


class ZooManager(rl_zoo3.exp_manager.ExperimentManager):
    """RL Zoo's, with a configuration's ``env_kwargs`` in evaluation too, and masked actions there for MaskablePPO."""

    def _preprocess_hyperparams(
        self, hyperparams: dict[str, Any]
    ) -> tuple[dict[str, Any], Callable[..., Any] | None, list[BaseCallback], Callable[..., Any] | None]:
        preprocessed = super()._preprocess_hyperparams(hyperparams)
        if self._eval_env_kwargs_args is None:
            self.eval_env_kwargs = self.env_kwargs
        return preprocessed

    def create_callbacks(self) -> None:
        """As RL Zoo's."""
        masked = issubclass(rl_zoo3.ALGOS[self.algo], MaskablePPO)
        vars(rl_zoo3.exp_manager)["EvalCallback"] = MaskableEvalCallback if masked else EvalCallback
        super().create_callbacks()  # type: ignore[no-untyped-call]


class ZooMaskablePPO(MaskablePPO):
    """MaskablePPO that RL Zoo, which knows of no masks, can ask for actions: it asks the environment for them."""

    #: The environment in which RL Zoo shows a learner; its ``enjoy`` does not tell the learner.
    shown_in: VecEnv | None = None

    def predict(
        self,
        observation: np.ndarray | dict[str, np.ndarray],
        state: tuple[np.ndarray, ...] | None = None,
        episode_start: np.ndarray | None = None,
        deterministic: bool = False,
        action_masks: np.ndarray | None = None,
    ) -> tuple[np.ndarray, tuple[np.ndarray, ...] | None]:
        """As MaskablePPO's."""
        if action_masks is None and self.shown_in is not None:
            action_masks = get_action_masks(self.shown_in)
        return super().predict(observation, state, episode_start, deterministic, action_masks)


class RewardsApart(VecEnvWrapper):
    """
    Prints at each episode's end what environment and caregiver gave in it, and what the ISR would have given.

    :param venv: The environments.
    :param isr: The ISR; None if there is none.
    """

    def __init__(self, venv: VecEnv, isr: InternalSocialReward | None) -> None:
        super().__init__(venv)
        self.isr = isr
        self._hearing = Hearing(venv.action_space, declared_by(venv))
        self._returns = np.zeros((venv.num_envs, 3))

    def reset(self) -> VecEnvObs:
        """
        :return: The first observations.
        """
        self._observations: Any = self.venv.reset()
        self._returns[:] = 0.0
        observations: VecEnvObs = self._observations
        return observations

    def step_async(self, actions: np.ndarray) -> None:
        """
        :param actions: ``[n_envs, *shape]``
        """
        self._actions = np.array(actions)
        self.venv.step_async(actions)

    def step_wait(self) -> VecEnvStepReturn:
        """
        :return: Observations, rewards, dones and infos, as they come.
        """
        observations, rewards, dones, infos = self.venv.step_wait()
        social = np.array([info.get("social_reward") or 0.0 for info in infos])
        self._returns[:, 0] += rewards - social
        self._returns[:, 1] += social
        if self.isr is not None:
            self._returns[:, 2] += self.isr.predict(self._observations, self._hearing(self._actions, infos))
        for i in np.flatnonzero(dones):
            environment, social_return, internal = self._returns[i]
            internal_text = "no ISR" if self.isr is None else f"{internal:.2f}"
            print(f"Environment reward: {environment:.2f}, social: {social_return:.2f}, internal: {internal_text}")
        self._returns[dones] = 0.0
        self._observations = observations
        return observations, rewards, dones, infos


class _Shown:
    """What ``enjoy`` and ``record_video`` look up: it hears which model is shown, and makes its environment."""

    def __init__(self) -> None:
        self.isr: InternalSocialReward | None = None
        self._get_model_path = rl_zoo3.utils.get_model_path
        self._create_test_env = rl_zoo3.utils.create_test_env

    def get_model_path(self, *args: Any, **kwargs: Any) -> tuple[str, str, str]:
        name_prefix, model_path, log_path = self._get_model_path(*args, **kwargs)
        path = isr_folder(model_path) / "isr.safetensors"
        self.isr = InternalSocialReward.load(path, device="cpu") if path.exists() else None
        return name_prefix, model_path, log_path

    def create_test_env(
        self, env_id: str, *, hyperparams: dict[str, Any], env_kwargs: dict[str, Any], **kwargs: Any
    ) -> VecEnv:
        env_kwargs = {**hyperparams.get("env_kwargs", {}), **env_kwargs}
        around = hyperparams.get("vec_env_wrapper") or []
        wrappers = [{RewardsApart: {"isr": self.isr}}, *(around if isinstance(around, list) else [around])]
        ZooMaskablePPO.shown_in = self._create_test_env(
            env_id, hyperparams={**hyperparams, "vec_env_wrapper": wrappers}, env_kwargs=env_kwargs, **kwargs
        )
        return ZooMaskablePPO.shown_in


def main() -> None:
    """The command line: a script of RL Zoo, and its options."""
    algorithms: dict[str, Any] = {"ppo_mask": ZooMaskablePPO}
    if find_spec("sbx"):
        import sbx

        algorithms |= {"sbx_ppo": sbx.PPO, "sbx_dqn": sbx.DQN, "sbx_sac": sbx.SAC}
    rl_zoo3.ALGOS.update(algorithms)
    vars(rl_zoo3.train)["ExperimentManager"] = ZooManager
    shown = _Shown()
    for module in (rl_zoo3.utils, rl_zoo3.enjoy):
        vars(module).update(get_model_path=shown.get_model_path, create_test_env=shown.create_test_env)
    scripts: dict[str, Callable[[], object]] = {
        "train": rl_zoo3.train.train,
        "enjoy": rl_zoo3.enjoy.enjoy,
        "record_video": partial(runpy.run_module, "rl_zoo3.record_video", run_name="__main__"),
    }
    script = sys.argv.pop(1) if len(sys.argv) > 1 else ""
    if script not in scripts:
        sys.exit(f"The first argument must be one of {', '.join(scripts)}, got {script!r}; RL Zoo's options follow it.")
    scripts[script]()


if __name__ == "__main__":
    main()
