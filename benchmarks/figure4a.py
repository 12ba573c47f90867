"""
5. The whole of figure 4a for one seed: wall time and peak memory, in our way or the published one.

``python -m benchmarks.figure4a ours|published --out FILE``: 120k steps of socialization, then 120k each of autonomy
with the ISR, with nothing in the caregiver's place, and with a caregiver who stays. Both ways train the paper's policy
with the paper's PPO; they differ in how environments, rewards and labels are handled, and in the ISR: the published way
trains the paper's network, ours the one that the guide recommends for grids, an MLP on one-hot cells.
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
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.vec_env import DummyVecEnv, VecEnv
from torch import nn

from benchmarks import published
from benchmarks.common import facts
from sb3_isr import ISRCallback, VecISRReward
from sb3_isr.common.files import write_text
from sb3_isr.envs.coin_game.env import CoinGameEnv
from sb3_isr.envs.coin_game.vec_env import CoinGameVecEnv
from sb3_isr.evaluation.conditions import CONDITIONS, after_departure, load_snapshot, save_snapshot
from sb3_isr.evaluation.episodes import EpisodeRecorder, mean_of_last_tenth
from sb3_isr.evaluation.networks import ONE_HOT

STEPS = 120_000
ROLLOUT = 2048


def learn(model: BaseAlgorithm, steps: int, title: str, callback: ISRCallback | None = None) -> float:
    """
    Train a learner, and print how far it is.

    :param model: The learner.
    :param steps: How many.
    :param title: The phase, for the progress line.
    :param callback: Its ISRCallback, if it has one.
    :return: Goals per episode at the end.
    """

    def progress(done: int) -> None:
        print(f"\r{title:16}{done:8,} steps", end="", file=sys.stderr, flush=True)

    episodes = EpisodeRecorder(["goals_reached"], progress)
    model.learn(steps, callback=[episodes] if callback is None else [callback, episodes])
    print(file=sys.stderr)
    return mean_of_last_tenth(episodes.columns["goals_reached"])


def paper_ppo(venv: VecEnv, seed: int) -> PPO:
    """
    Make the paper's learner.

    :param venv: Coin games.
    :param seed: Seeds everything.
    :return: PPO with rollouts of 2048 transitions and SB3's other defaults.
    """
    n_steps = ROLLOUT // venv.num_envs
    return PPO("CnnPolicy", venv, n_steps=n_steps, policy_kwargs=published.POLICY, seed=seed, device="cpu")


def ours(steps: int, seed: int, folder: Path) -> dict[str, float]:
    """
    Run figure 4a in our way.

    :param steps: Of each phase.
    :param seed: Seeds everything.
    :param folder: For the learner at departure and its ISR.
    :return: Goals per episode at the end of each phase.
    """
    learner = paper_ppo(VecISRReward(CoinGameVecEnv(32)), seed)
    caregiver = ISRCallback("always", isr_kwargs=ONE_HOT)
    goals = {"socialization": learn(learner, steps, "socialization", caregiver)}
    caregiver.train()
    snapshot, isr = folder / "learner.zip", folder / "isr.safetensors"
    save_snapshot(learner, snapshot)
    caregiver.isr.save(isr)
    for condition, successor, callback in after_departure(
        PPO, snapshot, lambda: VecISRReward(CoinGameVecEnv(32)), seed, isr, ONE_HOT
    ):
        goals[condition] = learn(successor, steps, f"autonomy, {condition}", callback)
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
        """Reset, and remember the observation."""
        self.observation, info = self.env.reset(**kwargs)
        return self.observation, info

    def step(self, action: Any) -> tuple[np.ndarray, SupportsFloat, bool, bool, dict[str, Any]]:
        """Step, and reward as the phase has it."""
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
    Run figure 4a in the published way.

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
    snapshot = folder / "learner.zip"
    save_snapshot(learner, snapshot)
    for condition in CONDITIONS:
        env = PublishedWrapper(Monitor(CoinGameEnv()), condition, net)
        venv = DummyVecEnv([lambda env=env: env])  # type: ignore[misc]
        goals[condition] = learn(load_snapshot(PPO, snapshot, venv, seed), steps, f"autonomy, {condition}")
    return goals


WAYS: dict[str, Callable[[int, int, Path], dict[str, float]]] = {"ours": ours, "published": the_published_way}


def main() -> None:
    """Run one way, and write what it cost."""
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
