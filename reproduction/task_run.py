"""Executes a run of the suite: a learner is socialized, and goes on in three conditions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from stable_baselines3.common.base_class import BaseAlgorithm

from reproduction.suite import TASKS, Task
from sb3_isr.callbacks import ISRCallback
from sb3_isr.evaluation.conditions import after_departure, save_snapshot
from sb3_isr.evaluation.episodes import EpisodeRecorder, Progress

#: Parts of a phase over which returns are averaged.
N_PARTS = 10


def run_task(name: str, seed: int, folder: Path, progress: Progress) -> dict[str, Any]:
    """
    Socialize a learner, and train it on in each condition.

    :param name: One of ``TASKS``.
    :param seed: Seeds everything.
    :param folder: Folder of the snapshot.
    :param progress: Is called with the number of steps so far.
    :return: Returns of a random policy (``random``), and those of the learner while it learned, in each tenth of
        socialization and of each condition; and how well the ISR explains its held-out labels.
    """
    task = TASKS[name]
    learner = task.algorithm("MlpPolicy", task.env(), seed=seed, device="cpu", **task.settings)
    caregiver = ISRCallback("always", task.queries, isr_kwargs=task.isr_kwargs)
    returns = {
        "random": [_random_return(task, seed)],
        "socialization": _learn(learner, task.steps, caregiver, progress),
    }
    metrics = caregiver.train()
    snapshot = folder / "learner.zip"
    save_snapshot(learner, snapshot)
    for condition, successor, callback in after_departure(
        task.algorithm, snapshot, task.env, seed, caregiver.isr, task.isr_kwargs
    ):
        done = task.steps * (len(returns) - 1)
        returns[condition] = _learn(successor, task.steps, callback, lambda n, done=done: progress(done + n))  # type: ignore[misc]
    return {"returns": returns, "held_out": metrics.held_out.to_json(), "gradient_steps": metrics.gradient_steps}


def _learn(learner: BaseAlgorithm, steps: int, callback: ISRCallback, progress: Progress) -> list[float]:
    start = learner.num_timesteps
    episodes = EpisodeRecorder(progress=lambda n: progress(n - start))
    # Steps are counted on in autonomy, or DQN would explore anew and off-policy algorithms start with random actions.
    learner.learn(steps, callback=[callback, episodes], reset_num_timesteps=False)
    return [round(value, 5) for value in _returns(episodes)]


def _returns(episodes: EpisodeRecorder) -> list[float]:
    """Monitor's true returns; where there is no Monitor, as in the batched coin game, the social returns."""
    has_monitor = not np.isnan(episodes.columns["true_return"]).all()
    return episodes.mean_over_time("true_return" if has_monitor else "social_return", N_PARTS)


def _random_return(task: Task, seed: int, n_episodes: int = 100) -> float:
    env = task.env()
    env.seed(seed)
    env.action_space.seed(seed)
    env.reset()
    returns: list[float] = []
    sums = np.zeros(env.num_envs)
    while len(returns) < n_episodes:
        actions = np.array([env.action_space.sample() for _ in range(env.num_envs)])
        _, rewards, dones, infos = env.step(actions)
        sums += rewards
        returns += [info["episode"]["r"] if "episode" in info else sums[i] for i, info in enumerate(infos) if dones[i]]
        sums[dones] = 0.0
    return float(np.mean(returns))
