"""
The one who rewards a well-known task leaves: what is left of it, with the ISR in its place and with nothing?

    python examples/task_reward.py CartPole-v1 --seeds 3

The task's own reward is declared to be the caregiver's (TaskRewardCaregiver), so that R_e = 0. A learner is socialized
once for each seed; from that same snapshot it goes on learning, as long again, in three conditions: with the ISR
(`isr`), with no reward (`none`), and with a caregiver who stays (`oracle`). The table shows the true return per episode
over the last tenth of each phase, and its retention: 1 is the return at departure, 0 that of random actions.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import gymnasium as gym
import numpy as np
import torch
from minigrid.wrappers import ImgObsWrapper
from stable_baselines3 import DQN, PPO, SAC
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.off_policy_algorithm import OffPolicyAlgorithm
from stable_baselines3.common.vec_env import VecEnv

from sb3_isr import GridOneHot, ISRCallback, SocialRewardWrapper, TaskRewardCaregiver, VecISRReward

GRID: dict[str, Any] = {"features_extractor_class": GridOneHot, "normalize_images": False}


@dataclass(frozen=True)
class Task:
    """
    :param algorithm: The learner's class.
    :param steps: Environment steps of socialization, and of autonomy after it.
    :param n_envs: Environments that step together.
    :param kwargs: The algorithm's arguments.
    :param isr_kwargs: The ISR's arguments.
    :param wrapper: Applied to the environment.
    """

    algorithm: type[BaseAlgorithm]
    steps: int
    n_envs: int
    kwargs: dict[str, Any]
    isr_kwargs: dict[str, Any] = field(default_factory=dict)
    wrapper: Callable[[gym.Env[Any, Any]], gym.Env[Any, Any]] = lambda env: env


_PPO: dict[str, Any] = {"batch_size": 256, "learning_rate": 1e-3}
_TABULAR: dict[str, Any] = {"net_arch": []}

TASKS = {
    "CartPole-v1": Task(PPO, 49_152, 8, {**_PPO, "n_steps": 32, "gae_lambda": 0.8, "gamma": 0.98, "n_epochs": 20}),
    "Pendulum-v1": Task(
        SAC, 8_000, 1, {"learning_rate": 1e-3, "learning_starts": 500, "policy_kwargs": {"net_arch": [64, 64]}}
    ),
    "MiniGrid-DoorKey-5x5-v0": Task(
        PPO, 98_304, 16, {**_PPO, "n_steps": 64, "n_epochs": 4, "policy_kwargs": GRID}, GRID, ImgObsWrapper
    ),
    "Taxi-v4": Task(
        DQN,
        96_000,
        16,
        {
            "learning_rate": 2e-2,
            "buffer_size": 200_000,
            "batch_size": 256,
            "train_freq": 1,
            "gradient_steps": 2,
            "target_update_interval": 1000,
            "exploration_fraction": 0.4,
            "learning_starts": 2000,
            "gamma": 0.95,
            "policy_kwargs": _TABULAR,
        },
    ),
    "FrozenLake-v1": Task(PPO, 131_072, 16, {**_PPO, "n_steps": 128, "n_epochs": 4, "ent_coef": 0.01}),
}


class Returns(BaseCallback):
    """Collects the true return of each episode, as the Monitor inside the ISR wrapper saw it."""

    def __init__(self) -> None:
        super().__init__()
        self.returns: list[float] = []
        self.steps: list[int] = []

    def _on_step(self) -> bool:
        ended = [info["episode"]["r"] for info in self.locals["infos"] if "episode" in info]
        self.returns += ended
        self.steps += [self.n_calls] * len(ended)
        return True

    def at_end(self) -> float:
        """Mean over the episodes that ended in the last tenth of the steps (the last one, if none did)."""
        late = np.array(self.steps) > 0.9 * self.n_calls
        return float(np.mean(np.array(self.returns)[late])) if late.any() else self.returns[-1]


def make_env(name: str, task: Task) -> VecEnv:
    """Environments whose own reward is the caregiver's, ready for an ISR."""
    return VecISRReward(
        make_vec_env(lambda: SocialRewardWrapper(task.wrapper(gym.make(name)), TaskRewardCaregiver()), task.n_envs)
    )


def random_return(env: VecEnv, seed: int, n_steps: int = 4000) -> float:
    """The mean return of random actions."""
    env.seed(seed)
    env.action_space.seed(seed)
    env.reset()
    infos = [
        info
        for _ in range(n_steps)
        for info in env.step(np.array([env.action_space.sample() for _ in range(env.num_envs)]))[3]
    ]
    return float(np.mean([info["episode"]["r"] for info in infos if "episode" in info]))


def learn(model: BaseAlgorithm, steps: int, callback: ISRCallback) -> float:
    """Learn on, and return the true return at the end."""
    returns = Returns()
    model.learn(steps, callback=[callback, returns], reset_num_timesteps=False)
    return returns.at_end()


def run(name: str, task: Task, seed: int, steps: int, folder: Path) -> dict[str, float]:
    """One socialization, three times autonomy: the true return at the end of each, and that of random actions."""
    model = task.algorithm("MlpPolicy", make_env(name, task), seed=seed, device="cpu", **task.kwargs)
    socialization = ISRCallback("always", isr_kwargs=task.isr_kwargs)
    result = {"random": random_return(make_env(name, task), seed), "departure": learn(model, steps, socialization)}
    socialization.train()
    model.save(folder / "learner.zip")
    if isinstance(model, OffPolicyAlgorithm):
        model.save_replay_buffer(folder / "buffer.pkl")
    autonomy: dict[str, Callable[[], ISRCallback]] = {
        "isr": lambda: ISRCallback("never", isr=socialization.isr),
        "none": lambda: ISRCallback("never", coefficient=0.0, isr_kwargs=task.isr_kwargs),
        "oracle": lambda: ISRCallback("always", isr_kwargs=task.isr_kwargs),
    }
    for condition, callback in autonomy.items():
        model = task.algorithm.load(folder / "learner.zip", env=make_env(name, task), device="cpu")
        if isinstance(model, OffPolicyAlgorithm):
            model.load_replay_buffer(folder / "buffer.pkl")
        model.set_random_seed(seed + 1_000_000)
        result[condition] = learn(model, steps, callback())
    return result


def main() -> None:
    """Run a task and print its table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("task", choices=TASKS)
    parser.add_argument("--seeds", type=int, default=3, help="how many seeds (default: 3)")
    parser.add_argument("--steps", type=int, help="steps of each phase (default: the task's)")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    task = TASKS[arguments.task]
    conditions = ("isr", "none", "oracle")
    print(f"| {arguments.task} | random | departure | isr | none | oracle | retention isr | none | oracle |")
    print("|" + " --- |" * 9)
    for seed in range(arguments.seeds):
        with TemporaryDirectory() as folder:
            result = run(arguments.task, task, seed, arguments.steps or task.steps, Path(folder))
        learned = result["departure"] - result["random"]
        retention = [(result[condition] - result["random"]) / learned for condition in conditions]
        cells = [*result.values(), *retention]
        print(f"| seed {seed} | " + " | ".join(f"{cell:.2f}" for cell in cells) + " |", flush=True)


if __name__ == "__main__":
    main()
