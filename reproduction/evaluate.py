"""Evaluates the checkpoints of a run on tasks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from stable_baselines3 import PPO

from reproduction.protocols import TASKS

#: Evaluation has other layouts than socialization and autonomy.
EVALUATION_SEED = 2_000_000
EVALUATION_EPISODES = 100

#: True reward and goals per episode, by the way of acting.
Evaluation = dict[str, dict[str, float]]


def evaluate_checkpoints(folder: Path, tasks: tuple[str, ...], seed: int) -> dict[str, dict[str, Evaluation]]:
    """
    Evaluate the last and the best checkpoint of a run, on the same layouts at the start.

    :param folder: The folder of the checkpoints.
    :param tasks: Names in ``TASKS``.
    :param seed: Seeds layouts and actions.
    :return: By checkpoint, task and way of acting ("deterministic", "sampled"): true ``reward`` and ``goals`` per
        episode, means over 100 episodes.
    """
    evaluation: dict[str, dict[str, Evaluation]] = {}
    for checkpoint in ("last", "best"):
        model = PPO.load(folder / f"{checkpoint}.zip", device="cpu")
        evaluation[checkpoint] = {
            task: {
                "deterministic": _evaluate(model, task, seed, deterministic=True),
                "sampled": _evaluate(model, task, seed, deterministic=False),
            }
            for task in tasks
        }
    return evaluation


def _evaluate(model: PPO, task: str, seed: int, deterministic: bool) -> dict[str, float]:
    venv = TASKS[task](EVALUATION_EPISODES)
    venv.seed(seed + EVALUATION_SEED)
    torch.manual_seed(seed + EVALUATION_SEED)
    observations: Any = venv.reset()
    infos: list[dict[str, Any]] = [{}]
    while "episode" not in infos[0]:
        actions, _ = model.predict(observations, deterministic=deterministic)
        observations, _, _, infos = venv.step(actions)
    return {
        "reward": round(float(np.mean([info["episode"]["r"] for info in infos])), 5),
        "goals": round(float(np.mean([info["goals_reached"] for info in infos])), 5),
    }
