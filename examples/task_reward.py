"""
A task's own reward as the social reward: shows how much performance is retained after the caregiver has left.

The caregiver (:class:`~sb3_isr.TaskRewardCaregiver`) gives all of the task's reward, so there is no reward without it.
A learner is socialized, and from that snapshot continues for as many steps again in three conditions: with the ISR in
the caregiver's place (``isr``), with nothing (``none``), and with a caregiver who stays (``oracle``).

    python examples/task_reward.py cartpole --seeds 3
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import torch
from minigrid.wrappers import ImgObsWrapper
from stable_baselines3 import DQN, PPO, SAC
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.env_util import make_vec_env

from sb3_isr import GridOneHot, ISRCallback, SocialRewardWrapper, TaskRewardCaregiver, VecISRReward
from sb3_isr.evaluation.conditions import CONDITIONS, Condition, after_departure, save_snapshot
from sb3_isr.evaluation.episodes import EpisodeRecorder

#: MiniGrid's codes are not intensities, neither for the policy nor for the ISR.
GRID: dict[str, Any] = {"features_extractor_class": GridOneHot, "normalize_images": False}


@dataclass(frozen=True)
class Task:
    """
    A task and its learner.

    :param env_id: The environment.
    :param algorithm: The learner's class.
    :param steps: Environment steps with the caregiver, and as many again in each condition.
    :param n_envs: Number of environments that step together.
    :param settings: The algorithm's arguments. Off-policy, the replay buffer holds fewer steps than autonomy has, so
        that no rewards of the caregiver are left in it at the end.
    :param isr_kwargs: The ISR's arguments.
    :param trainer_kwargs: The arguments of its trainer.
    :param wrapper: A wrapper of the environment.
    """

    env_id: str
    algorithm: type[BaseAlgorithm]
    steps: int
    n_envs: int
    settings: dict[str, Any]
    isr_kwargs: dict[str, Any] = field(default_factory=dict)
    trainer_kwargs: dict[str, Any] = field(default_factory=dict)
    wrapper: Callable[[gym.Env[Any, Any]], gym.Env[Any, Any]] = lambda env: env


TASKS = {
    "cartpole": Task(
        "CartPole-v1",
        PPO,
        steps=49_152,
        n_envs=8,
        settings={
            "n_steps": 32,
            "batch_size": 256,
            "n_epochs": 20,
            "learning_rate": 1e-3,
            "gamma": 0.98,
            "gae_lambda": 0.8,
        },
    ),
    "pendulum": Task(
        "Pendulum-v1",
        SAC,
        steps=20_000,
        n_envs=4,
        settings={
            "learning_rate": 2e-3,
            "learning_starts": 400,
            "buffer_size": 10_000,
            "gamma": 0.95,
            "tau": 0.02,
            "policy_kwargs": {"net_arch": [64, 64]},
        },
    ),
    "doorkey": Task(
        "MiniGrid-DoorKey-5x5-v0",
        PPO,
        steps=98_304,
        n_envs=16,
        settings={
            "n_steps": 64,
            "batch_size": 256,
            "n_epochs": 4,
            "learning_rate": 1e-3,
            "policy_kwargs": {**GRID, "net_arch": [64, 64]},
        },
        isr_kwargs=GRID,
        wrapper=ImgObsWrapper,
    ),
    "taxi": Task(
        "Taxi-v4",
        DQN,
        steps=96_000,
        n_envs=16,
        settings={
            "learning_rate": 0.02,
            "learning_starts": 2_000,
            "buffer_size": 48_000,
            "batch_size": 256,
            "train_freq": 1,
            "gradient_steps": 2,
            "target_update_interval": 1_000,
            "exploration_fraction": 0.4,
            "gamma": 0.95,
            "policy_kwargs": {"net_arch": []},  # on one-hot states: a table
        },
    ),
    "frozenlake": Task(
        "FrozenLake-v1",
        PPO,
        steps=163_840,
        n_envs=16,
        settings={"n_steps": 128, "batch_size": 256, "n_epochs": 4, "learning_rate": 2e-3},
    ),
}


def run_task(
    task: Task, seed: int, folder: Path, conditions: Sequence[Condition] = CONDITIONS
) -> dict[str, list[float]]:
    """
    Socialize a learner, and train it on in each condition.

    :param task: The task.
    :param seed: Seeds everything.
    :param folder: Folder of the snapshot.
    :param conditions: Which conditions.
    :return: The true return of a random policy (``random``), and those of the learner while it learned, in each tenth
        of socialization and of each condition.
    """
    learner = task.algorithm("MlpPolicy", _env(task), seed=seed, device="cpu", **task.settings)
    caregiver = ISRCallback("always", isr_kwargs=task.isr_kwargs, trainer_kwargs=task.trainer_kwargs)
    returns = {"random": [_random_return(task, seed)], "socialization": _learn(learner, task.steps, caregiver)}
    caregiver.train()
    snapshot = folder / "learner.zip"
    save_snapshot(learner, snapshot)
    for condition, successor, callback in after_departure(
        task.algorithm, snapshot, lambda: _env(task), seed, caregiver.isr, conditions=conditions
    ):
        returns[condition] = _learn(successor, task.steps, callback)
    return returns


def table(task: Task, returns: list[dict[str, list[float]]]) -> str:
    """
    Write returns as a table.

    :param task: The task.
    :param returns: The result of :func:`run_task` for each seed.
    :return: True returns in the last tenth, and retention: 1 is the return at departure, 0 that of a random policy.
    """
    head = f"{'true return, each seed':{9 * len(returns)}}   retention, each seed; mean; mean over all of autonomy"
    lines = [f"{task.env_id}, {task.algorithm.__name__}, {task.steps:,} steps, and as many again", f"{'':13}{head}"]
    for name in returns[0]:
        row = f"{name:13}" + "".join(f"{of_seed[name][-1]:9.2f}" for of_seed in returns)
        if name not in ("random", "socialization"):
            at_end, over_all = np.array([_retention(name, of_seed) for of_seed in returns]).T
            row += "   " + "".join(f"{value:7.2f}" for value in [*at_end, at_end.mean(), over_all.mean()])
        lines.append(row)
    return "\n".join(lines)


def _retention(condition: str, returns: dict[str, list[float]]) -> tuple[float, float]:
    chance, departure = returns["random"][0], returns["socialization"][-1]
    retention = (np.array(returns[condition]) - chance) / (departure - chance)
    return float(retention[-1]), float(np.nanmean(retention))


def _env(task: Task) -> VecISRReward:
    def with_caregiver(env: gym.Env[Any, Any]) -> gym.Env[Any, Any]:
        return SocialRewardWrapper(task.wrapper(env), TaskRewardCaregiver())

    return VecISRReward(make_vec_env(task.env_id, task.n_envs, wrapper_class=with_caregiver))


def _learn(learner: BaseAlgorithm, steps: int, callback: ISRCallback) -> list[float]:
    episodes = EpisodeRecorder()
    # Steps are counted on in autonomy, or DQN would explore anew and off-policy algorithms start with random actions.
    learner.learn(steps, callback=[callback, episodes], reset_num_timesteps=False)
    return episodes.mean_over_time("true_return")


def _random_return(task: Task, seed: int, n_episodes: int = 100) -> float:
    env = _env(task)
    env.seed(seed)
    env.action_space.seed(seed)
    env.reset()
    returns: list[float] = []
    while len(returns) < n_episodes:
        _, _, _, infos = env.step(np.array([env.action_space.sample() for _ in range(task.n_envs)]))
        returns += [info["episode"]["r"] for info in infos if "episode" in info]
    return float(np.mean(returns))


def main(arguments: list[str] | None = None) -> None:
    """
    Run the command.

    :param arguments: Arguments; those of the process by default.
    """
    parser = argparse.ArgumentParser(description="A task's own reward as the social reward.")
    parser.add_argument("task", choices=TASKS)
    parser.add_argument("--seeds", type=int, default=3, help="how many seeds, from 0 on")
    parser.add_argument("--steps-scale", type=float, default=1.0, help="fraction of the task's steps, to try it out")
    parser.add_argument("--isr", type=json.loads, default={}, help="arguments of the ISR, as JSON")
    parser.add_argument("--trainer", type=json.loads, default={}, help="arguments of its trainer, as JSON")
    parser.add_argument(
        "--conditions",
        nargs="+",
        choices=CONDITIONS,
        default=CONDITIONS,
        help="which conditions (default: all)",
    )
    args = parser.parse_args(arguments)
    torch.set_num_threads(1)  # networks this small only wait for a second thread
    task = TASKS[args.task]
    task = replace(
        task,
        steps=int(task.steps * args.steps_scale),
        isr_kwargs={**task.isr_kwargs, **args.isr},
        trainer_kwargs=args.trainer,
    )
    returns = []
    for seed in range(args.seeds):
        with tempfile.TemporaryDirectory() as folder:
            returns.append(run_task(task, seed, Path(folder), args.conditions))
        print(f"seed {seed}")
        for name, tenths in returns[-1].items():
            print(f"  {name:13}" + "".join(f"{value:9.2f}" for value in tenths), flush=True)
    print(table(task, returns))


if __name__ == "__main__":
    main()
