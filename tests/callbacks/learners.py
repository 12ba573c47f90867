"""Tiny learners on an environment whose caregiver praises the last of four steps."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import torch
from stable_baselines3 import PPO
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.vec_env import VecEnv

from sb3_isr import VecISRReward
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
