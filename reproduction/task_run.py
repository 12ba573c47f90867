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
        "random": [_of_random_policy(task, seed)],
        "socialization": _learn(task, learner, caregiver, progress),
    }
    metrics = caregiver.train()
    snapshot = folder / "learner.zip"
    save_snapshot(learner, snapshot)
    for condition, successor, callback in after_departure(
        task.algorithm, snapshot, task.env, seed, caregiver.isr, task.isr_kwargs
    ):
        done = task.steps * (len(returns) - 1)
        returns[condition] = _learn(task, successor, callback, lambda n, done=done: progress(done + n))  # type: ignore[misc]
    return {"returns": returns, "held_out": metrics.held_out.to_json(), "gradient_steps": metrics.gradient_steps}


def _learn(task: Task, learner: BaseAlgorithm, callback: ISRCallback, progress: Progress) -> list[float]:
    start = learner.num_timesteps
    episodes = EpisodeRecorder([task.measured] if task.measured else [], progress=lambda n: progress(n - start))
    # Steps are counted on in autonomy, or DQN would explore anew and off-policy algorithms start with random actions.
    learner.learn(task.steps, callback=[callback, episodes], reset_num_timesteps=False)
    return [round(value, 5) for value in _measured(task, episodes)]


def _measured(task: Task, episodes: EpisodeRecorder) -> list[float]:
    """Monitor's true returns; where there is no Monitor, as in the batched coin game, the social returns."""
    has_monitor = not np.isnan(episodes.columns["true_return"]).all()
    column = task.measured or ("true_return" if has_monitor else "social_return")
    return episodes.mean_over_time(column, N_PARTS)


def _of_random_policy(task: Task, seed: int, n_episodes: int = 100) -> float:
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
        for i in np.flatnonzero(dones):
            of_monitor = infos[i].get("episode", {}).get("r", sums[i])
            returns.append(infos[i][task.measured] if task.measured else of_monitor)
        sums[dones] = 0.0
    return float(np.mean(returns))
