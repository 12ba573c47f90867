"""
The main job, small: a caregiver socializes a learner of the coin game and leaves; what is left of it?

One socialization, then autonomy from that same snapshot in three conditions: with the ISR in the caregiver's place
(``isr``), with the environment's reward alone (``none``), and with a caregiver who never leaves (``oracle``).
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from stable_baselines3 import PPO
from stable_baselines3.common.env_util import make_vec_env
from tqdm import tqdm

from reproduction.learning import Curves, GoalEpisodes, learn, mean_of_last_tenth
from reproduction.protocols import ONE_HOT
from reproduction.results import versions, write_text
from sb3_isr.callbacks import ISRCallback
from sb3_isr.wrappers import VecISRReward

CONDITIONS = ("isr", "none", "oracle")


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
        policy_kwargs=ONE_HOT,
        seed=config.seed,
        device="cpu",
    )
    caregiver = ISRCallback("always", isr_kwargs=ONE_HOT)
    curves = {"socialization": _learn(learner, config.socialization_steps, caregiver, "socialization")}
    training = caregiver.train()
    learner.save(out / "learner_at_departure.zip")
    caregiver.isr.save(out / "isr.safetensors")

    after_departure: dict[str, Callable[[], ISRCallback]] = {
        "isr": lambda: ISRCallback("never", isr=out / "isr.safetensors"),
        "none": lambda: ISRCallback("never", isr_kwargs=ONE_HOT, coefficient=0.0),
        "oracle": lambda: ISRCallback("always", isr_kwargs=ONE_HOT),
    }
    for condition in CONDITIONS:
        learner = PPO.load(out / "learner_at_departure.zip", env=_coin_game(config), device="cpu")
        learner.set_random_seed(config.seed + 1_000_000)  # other layouts than those of socialization
        curves[condition] = _learn(
            learner, config.autonomy_steps, after_departure[condition](), f"autonomy, {condition}"
        )

    at_end = {name: mean_of_last_tenth(curve["goals"]) for name, curve in curves.items()}
    result = {
        "seed": config.seed,
        "goals_at_departure": at_end["socialization"],
        "goals_per_episode": {condition: at_end[condition] for condition in CONDITIONS},
        "retention": {condition: _retention(at_end[condition], at_end["socialization"]) for condition in CONDITIONS},
        "isr_training": training._asdict(),
        "curves": curves,
        "config": asdict(config),
        "versions": versions(),
        "wall_seconds": round(time.monotonic() - start, 1),
    }
    write_text(out / "result.json", json.dumps(result, indent=1) + "\n")
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


def _coin_game(config: DemoConfig) -> VecISRReward:
    return VecISRReward(make_vec_env("sb3_isr/CoinGame-v0", config.n_envs, env_kwargs={"n_walls": config.n_walls}))


def _learn(learner: PPO, steps: int, callback: ISRCallback, name: str) -> Curves:
    with tqdm(total=steps, desc=f"{name:20}", unit=" steps", mininterval=0.5) as bar:
        return learn(learner, steps, callback, GoalEpisodes(lambda done: bar.update(done - bar.n)))


def _retention(at_end: float, at_departure: float) -> float | None:
    return at_end / at_departure if at_departure else None  # nothing was learned, so nothing can be kept
