"""
A training process that resumes where it was killed: the script of test_checkpoint.py, as a user would write it.

    python -m tests.callbacks.train_with_checkpoints TASK FOLDER

prints the step at the start of each rollout, and at the end leaves FOLDER/final.npz with all that was learned.
"""

import sys
from collections.abc import Callable
from copy import deepcopy
from functools import partial
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import torch
from stable_baselines3 import DQN, PPO, SAC
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.vec_env import VecEnv, VecNormalize

from sb3_isr import (
    HackingWatch,
    ISRCallback,
    ISRCheckpoint,
    SocialRewardWrapper,
    SparseCaregiver,
    TaskRewardCaregiver,
    VecISRReward,
)

QUICK: dict[str, Any] = {"seed": 0, "device": "cpu", "policy_kwargs": {"net_arch": [8]}}
OFF_POLICY: dict[str, Any] = {**QUICK, "learning_starts": 50, "buffer_size": 400, "batch_size": 16}


def pendulum() -> gym.Env[Any, Any]:
    return SocialRewardWrapper(gym.make("Pendulum-v1"), SparseCaregiver(TaskRewardCaregiver(), 0.5))


def task(name: str) -> tuple[type[BaseAlgorithm], VecEnv, dict[str, Any], dict[str, Any]]:
    """The algorithm, its environments, its arguments and the callback's."""
    if name == "ppo":
        env: VecEnv = VecISRReward(make_vec_env("sb3_isr/CoinGame-v0", 2))
        return PPO, env, {**QUICK, "n_steps": 32, "batch_size": 32, "n_epochs": 2}, {"presence": "fade_0.2_0.9"}
    if name == "sac":
        env = VecNormalize(VecISRReward(make_vec_env(pendulum, 1)), norm_reward=False)
        return SAC, env, OFF_POLICY, {"presence": "visits_0.4_0.2_0.05", "relabel": True}
    env = VecISRReward(make_vec_env("sb3_isr/CoinGame-v0", 1))
    return DQN, env, {**OFF_POLICY, "n_steps": 3}, {"presence": "leave_at_0.5", "relabel": True}


class RolloutStarts(BaseCallback):
    """Calls a function with the step at the start of each rollout."""

    def __init__(self, function: Callable[[int], object]) -> None:
        super().__init__()
        self.function = function

    def _on_rollout_start(self) -> None:
        self.function(self.model.num_timesteps)

    def _on_step(self) -> bool:
        return True


def train(name: str, folder: Path, on_rollout_start: Callable[[int], object], total: int = 768) -> None:
    """Train to the end, from the newest checkpoint if there is one, and write what was learned."""
    algorithm, env, kwargs, isr_kwargs = task(name)
    checkpoint = ISRCheckpoint(folder / "checkpoints", every=128)
    watch = HackingWatch(max_uncertainty=1e-3, remedy="lower", window=50)
    # An ISR that learns little, so that there are alarms.
    little: dict[str, Any] = {
        "isr_kwargs": {"standardize": False, "limit_to_labels": "range"},
        "trainer_kwargs": {"gradient_steps": 5, "learning_rate": 1e-3, "max_cycles": 1},
    }
    callback = ISRCallback(**isr_kwargs, **little, train_every=100, callback=[watch, checkpoint])
    if checkpoint.can_resume():
        model = checkpoint.resume(algorithm, env, device="cpu")
    else:
        model = algorithm("MlpPolicy", env, **deepcopy(kwargs))  # SB3 writes into policy_kwargs
    model.learn(
        total - model.num_timesteps, callback=[callback, RolloutStarts(on_rollout_start)], reset_num_timesteps=False
    )
    labels = callback.store.labels()
    held_out = list(callback.store.held_out_batches())
    np.savez(
        folder / "final.npz",
        labels=labels.social_rewards,
        observations=np.asarray(labels.transitions.observations),
        actions=labels.transitions.actions,
        next_observations=np.asarray(labels.transitions.next_observations),
        terminated=labels.transitions.terminated,
        held_out=np.concatenate([batch.transitions.actions for batch in held_out]),
        alarms=np.array(watch.alarms),
        isr=torch.cat([p.flatten() for p in callback.isr.state_dict().values()]).numpy(),
        policy=torch.cat([p.detach().flatten() for p in model.policy.parameters()]).numpy(),
    )


if __name__ == "__main__":
    torch.set_num_threads(1)
    train(sys.argv[1], Path(sys.argv[2]), partial(print, flush=True))
