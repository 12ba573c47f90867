"""
The main job, small: a caregiver of the coin game leaves, and how much performance is retained is shown.

One socialization, then autonomy from its snapshot in three conditions: with the ISR in the caregiver's place
(``isr``), with the environment's reward alone (``none``), and with a caregiver who never leaves (``oracle``).
"""

from __future__ import annotations

import json
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from stable_baselines3 import PPO
from stable_baselines3.common.base_class import BaseAlgorithm
from tabulate import tabulate
from tqdm import tqdm

from sb3_isr.callbacks import ISRCallback
from sb3_isr.common.files import write_text
from sb3_isr.common.versions import versions
from sb3_isr.envs import CoinGameVecEnv
from sb3_isr.evaluation.conditions import CONDITIONS, after_departure, save_snapshot
from sb3_isr.evaluation.episodes import EpisodeRecorder, mean_of_last_tenth
from sb3_isr.evaluation.networks import ONE_HOT
from sb3_isr.wrappers import VecISRReward

#: Means over equal parts of the episodes of a phase: ``steps`` made, ``goals`` reached.
Curve = dict[str, list[float]]


@dataclass(frozen=True)
class DemoConfig:
    """
    Settings of the demo.

    :param seed: Seeds everything.
    :param n_walls: The coin game's random inner walls.
    :param n_envs: Number of environments that step together.
    :param socialization_steps: Environment steps with the caregiver.
    :param autonomy_steps: Environment steps after it, in each condition.
    :param isr_gradient_steps: Gradient steps of the ISR's training.
    """

    seed: int = 0
    n_walls: int = 3
    n_envs: int = 32
    socialization_steps: int = 81_920
    autonomy_steps: int = 81_920
    isr_gradient_steps: int = 2000


def run_demo(config: DemoConfig, out: Path) -> dict[str, Any]:
    """
    Run the demo, and leave ``result.json``, the learner at departure and its ISR in a folder.

    :param config: The settings.
    :param out: The folder; made if it does not exist.
    :return: The content of ``result.json``.
    """
    start = time.monotonic()
    out.mkdir(parents=True, exist_ok=True)
    trainer_kwargs = {"gradient_steps": config.isr_gradient_steps}
    caregiver = ISRCallback("always", isr_kwargs=ONE_HOT, trainer_kwargs=trainer_kwargs)
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
    curves = {"socialization": _learn(learner, config.socialization_steps, caregiver, "socialization")}
    training = caregiver.train()
    snapshot, isr = out / "learner_at_departure.zip", out / "isr.safetensors"
    save_snapshot(learner, snapshot)
    caregiver.isr.save(isr)
    for condition, successor, callback in after_departure(
        PPO, snapshot, lambda: _coin_game(config), config.seed, isr, ONE_HOT
    ):
        curves[condition] = _learn(successor, config.autonomy_steps, callback, f"autonomy, {condition}")
    result = {
        **_retentions({name: mean_of_last_tenth(curve["goals"]) for name, curve in curves.items()}),
        "isr_training": {**training._asdict(), "held_out": training.held_out.to_json()},
        "curves": curves,
        "seed": config.seed,
        "config": asdict(config),
        "versions": versions(),
        "wall_seconds": round(time.monotonic() - start, 1),
    }
    write_text(out / "result.json", json.dumps(result, indent=1) + "\n")
    return result


def table(result: dict[str, Any]) -> str:
    """
    Write the main numbers as a table.

    :param result: The result of :func:`run_demo`.
    :return: The table, and what its numbers are.
    """
    config = result["config"]
    rows = [("at departure", f"{result['goals_at_departure']:.2f}", "1.00")]
    for name in CONDITIONS:
        retention = result["retention"][name]
        goals = f"{result['goals_per_episode'][name]:.2f}"
        rows.append((name, goals, "-" if retention is None else f"{retention:.2f}"))
    lines = [
        tabulate(rows, ["", "goals/episode", "retention"], "plain", disable_numparse=True, stralign="right"),
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

    :param result: The result of :func:`run_demo`.
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
    return VecISRReward(CoinGameVecEnv(config.n_envs, n_walls=config.n_walls))


def _learn(learner: BaseAlgorithm, steps: int, callback: ISRCallback, name: str) -> Curve:
    with tqdm(total=steps, desc=f"{name:20}", unit=" steps", mininterval=0.5) as bar:
        episodes = EpisodeRecorder(["goals_reached"], lambda done: bar.update(done - bar.n))
        learner.learn(steps, callback=[callback, episodes])
    return {"steps": episodes.curve("steps"), "goals": episodes.curve("goals_reached")}


def _retentions(goals: dict[str, float]) -> dict[str, Any]:
    """Goals per episode and retention in each condition, which is None if nothing was learned before."""
    departure = goals["socialization"]
    return {
        "goals_at_departure": departure,
        "goals_per_episode": {condition: goals[condition] for condition in CONDITIONS},
        "retention": {condition: goals[condition] / departure if departure else None for condition in CONDITIONS},
    }
