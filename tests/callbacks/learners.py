"""Tiny learners on an environment whose caregiver praises the last of four steps."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gymnasium as gym
import numpy as np
import torch
from gymnasium import spaces
from stable_baselines3 import PPO
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.vec_env import VecEnv

from sb3_isr import InternalSocialReward, VecISRReward
from sb3_isr.labels import LabelRange
from sb3_isr.labels.label_range import LabelRanges
from tests.scripted_env import Script, scripted_vec_env

#: Two environments whose caregiver praises the last of four steps.
SCRIPTS: list[Script] = [[(-0.5, 0.0), (-0.5, 0.0), (-0.5, 0.0), (0.0, 1.0)]] * 2
QUICK: dict[str, Any] = {"trainer_kwargs": {"gradient_steps": 5}, "isr_kwargs": {"net_arch": (4,)}}


def scripted() -> VecISRReward:
    """Both environments, wrapped."""
    return VecISRReward(scripted_vec_env(SCRIPTS))


def ppo(env: VecEnv | gym.Env[Any, Any] | None = None, **kwargs: Any) -> PPO:
    """PPO with rollouts of 16 steps in each environment."""
    kwargs = {"n_steps": 16, "batch_size": 32, "n_epochs": 1, "seed": 0, "device": "cpu", **kwargs}
    return PPO("MlpPolicy", scripted() if env is None else env, policy_kwargs={"net_arch": [4]}, **kwargs)


def off_policy(cls: type[BaseAlgorithm], env: VecEnv | None = None, **kwargs: Any) -> BaseAlgorithm:
    """An off-policy algorithm that learns soon."""
    kwargs = {"learning_starts": 20, "batch_size": 8, "policy_kwargs": {"net_arch": [4]}, **kwargs}
    return cls("MlpPolicy", scripted() if env is None else env, seed=0, device="cpu", **kwargs)


class Watch(BaseCallback):
    """Keeps the learner's rewards, and what was logged."""

    reads_rewards = True

    def __init__(self) -> None:
        super().__init__()
        self.rewards: list[list[float]] = []
        self.logged: list[dict[str, float]] = []

    def _on_step(self) -> bool:
        self.rewards.append(self.locals["rewards"].tolist())
        return True

    def _on_rollout_end(self) -> None:
        self.logged.append(dict(self.logger.name_to_value))


def weights_of(*modules: torch.nn.Module) -> torch.Tensor:
    """All parameters of some networks."""
    return torch.cat([p.detach().flatten().clone() for module in modules for p in module.parameters()])


class Planted(InternalSocialReward):
    """
    An ISR of two members with planted predictions, which pays 1 everywhere.

    :param predictions: The members' predictions in the first window, the second one and so on.
    """

    def __init__(self, predictions: Callable[[int], tuple[float, float]]) -> None:
        box, discrete = spaces.Box(0, 1000, (2,), np.float32), spaces.Discrete(3)
        super().__init__(box, discrete, net_arch=(4,), n_members=2, device="cpu")
        self.predictions = predictions
        self.n_windows = 0
        self.label_ranges = LabelRanges.both(LabelRange(0.0, 1.0, (0.0, 1.0)))

    def predict_members(self, observations: Any, actions: Any, *outcome: Any) -> Any:
        """Look at a window."""
        self.n_windows += 1
        return np.tile(np.array(self.predictions(self.n_windows))[:, None], len(actions))

    def predict(self, observations: Any, actions: Any, *outcome: Any) -> Any:
        """Pay for everything."""
        return np.ones(len(actions), np.float32)


#: Predictions that are a label, and those that are none.
SURE, UNSURE = (1.0, 1.0), (0.6, 0.6)
