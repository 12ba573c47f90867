"""
5. The whole of figure 4a for one seed: wall time and peak memory, in our way or the published one.

``python -m benchmarks.figure4a ours|published --out FILE``: 120k steps of socialization, then 120k each of autonomy
with the ISR, with nothing in the caregiver's place, and with a caregiver who stays. Both ways train the paper's policy
with the paper's PPO; they differ in how environments, rewards and labels are handled, and in the ISR: the published way
fits the paper's network, ours what the guide recommends for grids, an MLP on one-hot cells.
"""

from __future__ import annotations

import argparse
import json
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, SupportsFloat

import gymnasium as gym
import numpy as np
import torch
from stable_baselines3 import PPO
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.vec_env import DummyVecEnv, VecEnv
from torch import nn

from benchmarks import published
from benchmarks.common import facts, write_text
from reproduction.protocols import ONE_HOT
from sb3_isr import ISRCallback, VecISRReward
from sb3_isr.envs.coin_game.env import CoinGameEnv
from sb3_isr.envs.coin_game.vec_env import CoinGameVecEnv

STEPS = 120_000
ROLLOUT = 2048
CONDITIONS = ("isr", "none", "oracle")


class Goals(BaseCallback):
    """Keeps goals per episode, and says from time to time how far it is."""

    def __init__(self, title: str) -> None:
        super().__init__()
        self.title = title
        self.goals: list[int] = []

    def _on_step(self) -> bool:
        self.goals += [info["goals_reached"] for info in self.locals["infos"] if "goals_reached" in info]
        return True

    def _on_rollout_end(self) -> None:
        print(f"\r{self.title:16}{self.num_timesteps:8,} steps", end="", file=sys.stderr, flush=True)

    def mean_of_last_tenth(self) -> float:
        """Goals per episode at the end."""
        return float(np.mean(self.goals[-max(1, len(self.goals) // 10) :]))


def learn(model: PPO, steps: int, title: str, callback: ISRCallback | None = None) -> float:
    """
    :param model: The learner.
    :param steps: How many.
    :param title: What is learned, for the progress line.
    :param callback: What else watches.
    :return: Goals per episode at the end.
    """
    goals = Goals(title)
    model.learn(steps, callback=[goals] if callback is None else [callback, goals])
    print(file=sys.stderr)
    return goals.mean_of_last_tenth()


def paper_ppo(venv: VecEnv, seed: int) -> PPO:
    """
    :param venv: Coin games.
    :param seed: Seeds everything.
    :return: The paper's learner: rollouts of 2048 transitions and SB3's other defaults.
    """
    n_steps = ROLLOUT // venv.num_envs
    return PPO("CnnPolicy", venv, n_steps=n_steps, policy_kwargs=published.POLICY, seed=seed, device="cpu")


def ours(steps: int, seed: int, folder: Path) -> dict[str, float]:
    """
    :param steps: Of each phase.
    :param seed: Seeds everything.
    :param folder: For the learner at departure and its ISR.
    :return: Goals per episode at the end of each phase.
    """
    learner = paper_ppo(VecISRReward(CoinGameVecEnv(32)), seed)
    caregiver = ISRCallback("always", isr_kwargs=ONE_HOT)
    goals = {"socialization": learn(learner, steps, "socialization", caregiver)}
    caregiver.train()
    learner.save(folder / "learner.zip")
    caregiver.isr.save(folder / "isr.safetensors")
    callbacks = {
        "isr": ISRCallback("never", isr=folder / "isr.safetensors"),
        "none": ISRCallback("never", isr_kwargs=ONE_HOT, coefficient=0.0),
        "oracle": ISRCallback("always", isr_kwargs=ONE_HOT),
    }
    for condition in CONDITIONS:
        learner = PPO.load(folder / "learner.zip", env=VecISRReward(CoinGameVecEnv(32)), device="cpu")
        goals[condition] = learn(learner, steps, f"autonomy, {condition}", callbacks[condition])
    return goals


class PublishedWrapper(gym.Wrapper[np.ndarray, Any, np.ndarray, Any]):
    """
    The published way of a reward: a list of labels while the caregiver is there, one forward pass a step after it.

    :param env: A coin game.
    :param phase: "socialization" or a condition of autonomy.
    :param net: The ISR.
    """

    def __init__(self, env: gym.Env[np.ndarray, Any], phase: str, net: nn.Sequential) -> None:
        super().__init__(env)
        self.phase = phase
        self.net = net
        self.labels: list[tuple[np.ndarray, float]] = []

    def reset(self, **kwargs: Any) -> tuple[np.ndarray, dict[str, Any]]:
        """As usual."""
        self.observation, info = self.env.reset(**kwargs)
        return self.observation, info

    def step(self, action: Any) -> tuple[np.ndarray, SupportsFloat, bool, bool, dict[str, Any]]:
        """As usual."""
        grid = published.inputs(self.observation[None], np.array([action]))
        self.observation, reward, terminated, truncated, info = self.env.step(action)
        if self.phase == "socialization":
            self.labels.append((grid[0].numpy(), info["social_reward"]))
        elif self.phase != "oracle":
            reward = float(reward) - info["social_reward"]
        if self.phase == "isr":
            with torch.no_grad():
                reward = float(reward) + self.net(grid).item()
        return self.observation, reward, terminated, truncated, info


def the_published_way(steps: int, seed: int, folder: Path) -> dict[str, float]:
    """
    :param steps: Of each phase.
    :param seed: Seeds everything.
    :param folder: For the learner at departure.
    :return: Goals per episode at the end of each phase.
    """
    torch.manual_seed(seed)
    net = published.network()
    env = PublishedWrapper(Monitor(CoinGameEnv()), "socialization", net)
    learner = paper_ppo(DummyVecEnv([lambda: env]), seed)
    goals = {"socialization": learn(learner, steps, "socialization")}
    n = len(env.labels) * 9 // 10
    grids, social_rewards = zip(*env.labels[:n], strict=True)
    published.fit(net, torch.as_tensor(np.stack(grids)), np.array(social_rewards))
    learner.save(folder / "learner.zip")
    for condition in CONDITIONS:
        env = PublishedWrapper(Monitor(CoinGameEnv()), condition, net)
        learner = PPO.load(folder / "learner.zip", env=DummyVecEnv([lambda env=env: env]), device="cpu")  # type: ignore[misc]
        goals[condition] = learn(learner, steps, f"autonomy, {condition}")
    return goals


WAYS: dict[str, Callable[[int, int, Path], dict[str, float]]] = {"ours": ours, "published": the_published_way}


def main() -> None:
    """Run one way and write what it took."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.figure4a", description=__doc__)
    parser.add_argument("way", choices=list(WAYS))
    parser.add_argument("--out", type=Path, required=True, help="the file for wall seconds, peak memory and goals")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--steps-scale", type=float, default=1.0, help="1 is 120,000 steps a phase (default)")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    steps = max(ROLLOUT, round(STEPS * arguments.steps_scale))
    start = time.perf_counter()
    with TemporaryDirectory() as folder:
        goals = WAYS[arguments.way](steps, arguments.seed, Path(folder))
    kilobyte = 1 if sys.platform == "darwin" else 1024
    measured = {
        "way": arguments.way,
        "seed": arguments.seed,
        "steps_of_each_phase": steps,
        "wall_seconds": round(time.perf_counter() - start, 1),
        "peak_megabytes": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * kilobyte / 1e6),
        "goals_per_episode": goals,
        **facts(),
    }
    write_text(arguments.out, json.dumps(measured, indent=1) + "\n")
    print(json.dumps(measured, indent=1))


if __name__ == "__main__":
    main()
