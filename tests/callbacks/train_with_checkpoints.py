"""
A training process that resumes where it was killed: the script of test_checkpoint.py, as a user would write it.

    python -m tests.callbacks.train_with_checkpoints TASK FOLDER

prints the step at the start of each rollout, and at the end leaves FOLDER/final.npz with all that was learned.
"""

import sys
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

from sb3_isr import ISRCallback, SocialRewardWrapper, SparseCaregiver, TaskRewardCaregiver, VecISRReward

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


class SayStep(BaseCallback):
    """Says where training is."""

    def _on_rollout_start(self) -> None:
        print(self.model.num_timesteps, flush=True)

    def _on_step(self) -> bool:
        return True


def main(name: str, folder: Path, total: int = 768) -> None:
    torch.set_num_threads(1)
    algorithm, env, kwargs, isr_kwargs = task(name)
    callback = ISRCallback(
        **isr_kwargs, train_every=100, gradient_steps=5, checkpoint_dir=folder / "checkpoints", checkpoint_every=128
    )
    if callback.can_resume(folder / "checkpoints"):
        model = callback.resume(algorithm, env, device="cpu")
    else:
        model = algorithm("MlpPolicy", env, **kwargs)
    model.learn(total - model.num_timesteps, callback=[callback, SayStep()], reset_num_timesteps=False)
    labels = callback.store
    np.savez(
        folder / "final.npz",
        labels=labels._social_rewards[: len(labels)],
        observations=np.asarray(labels._observations)[: len(labels)],
        actions=labels._actions[: len(labels)],
        held_out=labels._is_held_out[: len(labels)],
        isr=torch.cat([p.detach().flatten() for p in callback.isr.parameters()]).numpy(),
        policy=torch.cat([p.detach().flatten() for p in model.policy.parameters()]).numpy(),
    )


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
