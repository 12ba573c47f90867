"""
Full RL Zoo runs: the caregiver leaves half way, with the ISR in its place (``isr``) or with nothing (``none``).

    python examples/rl_zoo.py --out runs/zoo

runs ``python -m rl_zoo3.train`` for each task, condition and seed that has no run yet, draws the learning curves and
prints the table. Returns are the true ones in RL Zoo's own monitor files.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import numpy as np
from matplotlib.figure import Figure
from tabulate import tabulate

CONFIGS = Path(__file__).parents[1] / "zoo_configs"

#: Number of points of a learning curve.
N_PARTS = 40

#: Overrides of RL Zoo's ``-params``. Without an internal reward only the environment's is left.
CONDITIONS: dict[str, list[str]] = {
    "isr": [],
    "none": ["-params", "callback:{'sb3_isr.ZooISRCallback': dict(presence='leave_at_0.5', coefficient=0.0)}"],
}
COLORS = {"isr": "tab:blue", "none": "tab:red"}
LABELS = {"isr": "the ISR in its place", "none": "nothing in its place"}


class Task(NamedTuple):
    """
    A task for RL Zoo.

    :param env_id: The environment.
    :param algo: RL Zoo's name of the algorithm, and of the configuration's file.
    :param steps: Environment steps, the same as in the configuration.
    """

    env_id: str
    algo: str
    steps: int


TASKS = {
    "coin_game": Task("sb3_isr/CoinGame-v0", "ppo", 160_000),
    "cartpole": Task("CartPole-v1", "ppo", 100_000),
    "pendulum": Task("Pendulum-v1", "sac", 40_000),
    "doorkey": Task("MiniGrid-DoorKey-5x5-v0", "ppo", 200_000),
}


def train(task: Task, condition: str, seed: int, out: Path) -> Path:
    """
    Train a learner with RL Zoo, unless the run is finished already.

    :param task: The task.
    :param condition: Of ``CONDITIONS``.
    :param seed: RL Zoo's.
    :param out: Folder of all runs.
    :return: RL Zoo's folder of the run.
    """
    name = task.env_id.replace("/", "-")
    logs = out / condition / str(seed)
    folder = logs / task.algo / f"{name}_1"
    if not (folder / f"{name}.zip").exists():
        command = [sys.executable, "-m", "rl_zoo3.train", "--algo", task.algo, "--env", task.env_id]
        command += ["--gym-packages", "sb3_isr", "--conf-file", str(CONFIGS / f"{task.algo}.yml")]
        command += ["--seed", str(seed), "-n", str(task.steps), "-f", str(logs), "--num-threads", "1"]
        print(" ".join(command + CONDITIONS[condition]), flush=True)
        subprocess.run(command + CONDITIONS[condition], check=True, stdout=subprocess.DEVNULL)
    return folder


def returns_over_time(folder: Path, steps: int) -> list[float]:
    """
    Compute a learning curve.

    :param folder: RL Zoo's folder of a run.
    :param steps: Environment steps of the run.
    :return: Mean true return of the episodes that ended in each of ``N_PARTS`` parts of the run; NaN where none did.
    """
    monitors = sorted(folder.glob("*.monitor.csv"))
    part: list[int] = []
    returns: list[float] = []
    for monitor in monitors:
        of_episode, lengths = np.loadtxt(monitor, delimiter=",", skiprows=2, usecols=(0, 1), ndmin=2).T
        # Environments step together, so the steps of one times their number are the steps of all.
        part += (np.cumsum(lengths) * len(monitors) * N_PARTS / steps).astype(int).tolist()
        returns += of_episode.tolist()
    in_part = [np.array(returns)[np.array(part) == i] for i in range(N_PARTS)]
    return [float(ended.mean()) if len(ended) else float("nan") for ended in in_part]


def draw(curves: dict[Task, dict[str, list[list[float]]]], path: Path) -> None:
    """
    Draw each seed's learning curve.

    :param curves: The learning curve of each task, condition and seed.
    :param path: The picture's file.
    """
    figure = Figure(figsize=(3.6 * len(curves), 3.6), layout="constrained")
    for axes, (task, by_condition) in zip(
        figure.subplots(1, len(curves), squeeze=False)[0], curves.items(), strict=True
    ):
        steps = (np.arange(N_PARTS) + 0.5) * task.steps / N_PARTS / 1000
        for condition in reversed(CONDITIONS):
            for seed, returns in enumerate(by_condition[condition]):
                label = LABELS[condition] if seed == 0 else None
                axes.plot(steps, returns, color=COLORS[condition], label=label, linewidth=1.2, alpha=0.8)
        axes.axvline(task.steps / 2000, color="0.5", linestyle=":")
        axes.annotate(
            "departure", (task.steps / 2000, 0.02), (3, 0), ("data", "axes fraction"), "offset points", color="0.4"
        )
        axes.set(title=f"{task.env_id}, {task.algo}", xlabel="thousand environment steps")
        axes.spines[["top", "right"]].set_visible(False)
    figure.axes[0].set_ylabel("true return per episode, each seed")
    handles, labels = figure.axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=2, frameon=False)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=130)


def table(curves: dict[Task, dict[str, list[list[float]]]]) -> str:
    """
    Write returns as a Markdown table.

    :param curves: As for :func:`draw`.
    :return: True returns of each seed: in the last tenth before departure, and in the last of all.
    """
    rows = []
    for task, by_condition in curves.items():
        ends = slice(N_PARTS - N_PARTS // 10, N_PARTS)
        departs = slice(N_PARTS // 2 - N_PARTS // 10, N_PARTS // 2)
        cells = [(by_condition["isr"], departs), (by_condition["isr"], ends), (by_condition["none"], ends)]
        texts = [", ".join(f"{np.nanmean(returns[when]):.2f}" for returns in seeds) for seeds, when in cells]
        rows.append([f"{task.env_id}, {task.algo}", *texts])
    head = ["environment, algorithm", "at departure", "end, isr", "end, none"]
    return tabulate(rows, head, "github", disable_numparse=True)


def main(arguments: list[str] | None = None) -> None:
    """
    Run the command.

    :param arguments: Arguments; those of the process by default.
    """
    parser = argparse.ArgumentParser(description="Full RL Zoo runs whose caregiver leaves half way.")
    parser.add_argument("--out", type=Path, default=Path("runs/zoo"), help="folder of runs and figure")
    parser.add_argument("--seeds", type=int, default=3, help="how many seeds, from 0 on")
    parser.add_argument("--tasks", nargs="+", choices=TASKS, default=list(TASKS), help="which tasks")
    parser.add_argument("--steps-scale", type=float, default=1.0, help="fraction of the task's steps, to try it out")
    args = parser.parse_args(arguments)
    curves = {}
    for name in args.tasks:
        task = TASKS[name]._replace(steps=int(TASKS[name].steps * args.steps_scale))
        curves[task] = {
            condition: [
                returns_over_time(train(task, condition, seed, args.out), task.steps) for seed in range(args.seeds)
            ]
            for condition in CONDITIONS
        }
    draw(curves, args.out / "learning_curves.png")
    print(table(curves))


if __name__ == "__main__":
    main()
