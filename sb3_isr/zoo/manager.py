"""RL Zoo's experiment manager, and MaskablePPO, with what they lack."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import rl_zoo3.exp_manager
from sb3_contrib import MaskablePPO
from sb3_contrib.common.maskable.callbacks import MaskableEvalCallback
from sb3_contrib.common.maskable.utils import get_action_masks
from stable_baselines3.common.callbacks import BaseCallback, EvalCallback
from stable_baselines3.common.vec_env import VecEnv


class ZooManager(rl_zoo3.exp_manager.ExperimentManager):
    """RL Zoo's manager; ``env_kwargs`` of a configuration reach evaluation too, and so do MaskablePPO's masks."""

    def _preprocess_hyperparams(
        self, hyperparams: dict[str, Any]
    ) -> tuple[dict[str, Any], Callable[..., Any] | None, list[BaseCallback], Callable[..., Any] | None]:
        preprocessed = super()._preprocess_hyperparams(hyperparams)
        if self._eval_env_kwargs_args is None:
            self.eval_env_kwargs = self.env_kwargs
        return preprocessed

    def create_callbacks(self) -> None:
        """Make the callbacks as RL Zoo does, with masks in evaluation for MaskablePPO."""
        masked = issubclass(rl_zoo3.ALGOS[self.algo], MaskablePPO)
        vars(rl_zoo3.exp_manager)["EvalCallback"] = MaskableEvalCallback if masked else EvalCallback
        super().create_callbacks()  # type: ignore[no-untyped-call]


class ZooMaskablePPO(MaskablePPO):
    """MaskablePPO whose ``predict`` gets the masks from the environment, since RL Zoo does not pass them."""

    #: The environment in which RL Zoo shows a learner; its ``enjoy`` does not give it to the learner.
    shown_in: VecEnv | None = None

    def predict(
        self,
        observation: np.ndarray | dict[str, np.ndarray],
        state: tuple[np.ndarray, ...] | None = None,
        episode_start: np.ndarray | None = None,
        deterministic: bool = False,
        action_masks: np.ndarray | None = None,
    ) -> tuple[np.ndarray, tuple[np.ndarray, ...] | None]:
        """Predict as MaskablePPO does."""
        if action_masks is None and self.shown_in is not None:
            action_masks = get_action_masks(self.shown_in)
        return super().predict(observation, state, episode_start, deterministic, action_masks)
