"""
The main job, small: a caregiver socializes a learner of the coin game and leaves; what is left of it?

One socialization, then autonomy from that same snapshot in three conditions: with the ISR in the caregiver's place
(``isr``), with the environment's reward alone (``none``), and with a caregiver who never leaves (``oracle``).
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import stable_baselines3
import torch
from stable_baselines3 import PPO
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.env_util import make_vec_env
from tqdm import tqdm

from sb3_isr.callbacks import ISRCallback
from sb3_isr.extractors import GridOneHot
from sb3_isr.version import __version__
from sb3_isr.wrappers import VecISRReward

CONDITIONS = ("isr", "none", "oracle")

#: Cells as the network sees them, for policy and ISR alike: outside, wall, goal.
NETWORK: dict[str, Any] = {
    "features_extractor_class": GridOneHot,
    "features_extractor_kwargs": {"codes": [[0, 2, 8], [], [], []]},
    "normalize_images": False,
    "net_arch": [64, 64],
}


@dataclass(frozen=True)
class DemoConfig:
    """
    :param seed: Seeds everything.
    :param n_walls: The coin game's random inner walls.
    :param n_envs: Environments that step together.
    :param socialization_steps: Environment steps with the caregiver.
    :param autonomy_steps: Environment steps after it, in each condition.
    """

    seed: int = 0
    n_walls: int = 3
    n_envs: int = 32
    socialization_steps: int = 81_920
    autonomy_steps: int = 81_920


def run_demo(config: DemoConfig, out: Path) -> dict[str, Any]:
    """
    Run the demo, and leave ``result.json``, the learner at departure and its ISR in a folder.

    :param config: What to run.
    :param out: The folder; made if it is not there.
    :return: What ``result.json`` holds.
    """
    start = time.monotonic()
    out.mkdir(parents=True, exist_ok=True)
    learner = PPO(
        "MlpPolicy",
        _coin_game(config),
        n_steps=64,
        batch_size=256,
        learning_rate=1e-3,
        policy_kwargs=NETWORK,
        seed=config.seed,
        device="cpu",
    )
    caregiver = ISRCallback("always", isr_kwargs=NETWORK)
    curves = {"socialization": _learn(learner, config.socialization_steps, caregiver, "socialization")}
    training = caregiver.train()
    learner.save(out / "learner_at_departure.zip")
    caregiver.isr.save(out / "isr.safetensors")

    after_departure: dict[str, Callable[[], ISRCallback]] = {
        "isr": lambda: ISRCallback("never", isr=out / "isr.safetensors"),
        "none": lambda: ISRCallback("never", isr_kwargs=NETWORK, coefficient=0.0),
        "oracle": lambda: ISRCallback("always", isr_kwargs=NETWORK),
    }
    for condition in CONDITIONS:
        learner = PPO.load(out / "learner_at_departure.zip", env=_coin_game(config), device="cpu")
        learner.set_random_seed(config.seed + 1_000_000)  # other layouts than those of socialization
        curves[condition] = _learn(
            learner, config.autonomy_steps, after_departure[condition](), f"autonomy, {condition}"
        )

    at_end = {name: _mean_of_last_tenth(curve) for name, curve in curves.items()}
    result = {
        "seed": config.seed,
        "goals_at_departure": at_end["socialization"],
        "goals_per_episode": {condition: at_end[condition] for condition in CONDITIONS},
        "retention": {condition: _retention(at_end[condition], at_end["socialization"]) for condition in CONDITIONS},
        "isr_training": training._asdict(),
        "curves": curves,
        "config": asdict(config),
        "versions": {
            "sb3_isr": __version__,
            "stable_baselines3": stable_baselines3.__version__,
            "gymnasium": gym.__version__,
            "torch": str(torch.__version__),
        },
        "wall_seconds": round(time.monotonic() - start, 1),
    }
    partial = out / "result.json.partial"
    partial.write_text(json.dumps(result, indent=1) + "\n")
    os.replace(partial, out / "result.json")
    return result


def table(result: dict[str, Any]) -> str:
    """
    :param result: What :func:`run_demo` returned.
    :return: The numbers that matter, and what they are.
    """
    config = result["config"]
    rows = [("at departure", result["goals_at_departure"], "1.00")]
    for name in CONDITIONS:
        retention = result["retention"][name]
        rows.append((name, result["goals_per_episode"][name], "-" if retention is None else f"{retention:.2f}"))
    lines = [f"{'':14}goals/episode  retention"]
    lines += [f"{name:14}{goals:13.2f}{retention:>11}" for name, goals, retention in rows]
    lines += [
        "",
        f"Goals that the learner reached per episode of 20 steps while it learned, mean over the last tenth of each "
        f"phase (socialization {config['socialization_steps']:,} steps, then autonomy {config['autonomy_steps']:,}); "
        f"retention is relative to departure. Coin game with {config['n_walls']} walls, seed {config['seed']}; the "
        f"ISR was trained on {result['isr_training']['n_labels']:,} labels.",
    ]
    return "\n".join(lines)


def draw(result: dict[str, Any], path: Path) -> None:
    """
    Draw goals per episode over time.

    :param result: What :func:`run_demo` returned.
    :param path: The picture's file.
    """
    from matplotlib.figure import Figure

    departure = result["config"]["socialization_steps"] / 1000
    styles = {
        "socialization": ("0.35", "with the caregiver"),
        "isr": ("tab:blue", "caregiver gone, ISR in its place"),
        "none": ("tab:red", "caregiver gone, nothing in its place"),
        "oracle": ("tab:green", "caregiver stays (oracle)"),
    }
    figure = Figure(figsize=(7, 4.5), layout="constrained")
    axes = figure.subplots()
    for name, (color, label) in styles.items():
        steps, goals = np.array(result["curves"][name]["steps"]) / 1000, result["curves"][name]["goals"]
        if name != "socialization":
            steps = np.concatenate([[departure], departure + steps])
            goals = [result["curves"]["socialization"]["goals"][-1], *goals]
        axes.plot(steps, goals, color=color, label=label, linestyle="--" if name == "oracle" else "-", linewidth=2)
    axes.axvline(departure, color="0.7", linestyle=":")
    axes.annotate("departure", (departure, 0.02), (4, 0), textcoords="offset points", color="0.5")
    axes.set(xlabel="thousand environment steps", ylabel="goals reached per episode", ylim=(0, None))
    axes.set_title(f"Coin game, {result['config']['n_walls']} walls, seed {result['seed']}")
    figure.legend(loc="outside lower center", ncols=2, frameon=False)
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=150)


class _GoalsReached(BaseCallback):
    """Collects goals per episode over time, from what the environment says, and moves a progress bar."""

    def __init__(self, bar: tqdm[Any]) -> None:
        super().__init__()
        self.bar = bar
        self.steps: list[int] = []
        self.goals: list[int] = []

    def _on_step(self) -> bool:
        for info in self.locals["infos"]:
            if "goals_reached" in info:
                self.steps.append(self.num_timesteps)
                self.goals.append(info["goals_reached"])
        self.bar.update(self.training_env.num_envs)
        return True


def _coin_game(config: DemoConfig) -> VecISRReward:
    return VecISRReward(make_vec_env("sb3_isr/CoinGame-v0", config.n_envs, env_kwargs={"n_walls": config.n_walls}))


def _learn(learner: PPO, steps: int, callback: ISRCallback, name: str) -> dict[str, list[float]]:
    with tqdm(total=steps, desc=f"{name:20}", unit=" steps", mininterval=0.5) as bar:
        goals = _GoalsReached(bar)
        learner.learn(steps, callback=[callback, goals])
    return _curve(goals.steps, goals.goals)


def _curve(steps: list[int], goals: list[int], n_points: int = 40) -> dict[str, list[float]]:
    parts = zip(np.array_split(steps, n_points), np.array_split(goals, n_points), strict=True)
    means = [(float(s.mean()), float(g.mean())) for s, g in parts if len(s)]
    return {"steps": [step for step, _ in means], "goals": [goal for _, goal in means]}


def _retention(at_end: float, at_departure: float) -> float | None:
    return at_end / at_departure if at_departure else None  # nothing was learned, so nothing can be kept


def _mean_of_last_tenth(curve: dict[str, list[float]]) -> float:
    return float(np.mean(curve["goals"][-max(1, len(curve["goals"]) // 10) :]))
