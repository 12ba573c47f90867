"""Short trainings with checkpoints in a folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from stable_baselines3 import PPO

from sb3_isr import ISRCallback, ISRCheckpoint
from tests.callbacks.learners import QUICK, ppo, scripted


def train(folder: Path, steps: int = 256, model: PPO | None = None, **kwargs: Any) -> ISRCallback:
    """Train with a checkpoint at the start of every second rollout."""
    callback = ISRCallback(callback=ISRCheckpoint(folder, every=64), **QUICK)
    (ppo() if model is None else model).learn(steps, callback=callback, **kwargs)
    return callback


def resume(folder: Path, steps: int) -> PPO:
    """Train on, up to a number of steps."""
    checkpoint = ISRCheckpoint(folder, every=64)
    callback = ISRCallback(callback=checkpoint, **QUICK)
    model = checkpoint.resume(PPO, scripted(), device="cpu")
    return model.learn(steps - model.num_timesteps, callback=callback, reset_num_timesteps=False)


def names(path: Path) -> list[str]:
    """What is in a folder."""
    return sorted(inside.name for inside in path.iterdir())
