"""The study ``python -m reproduction tasks``: what is retained of many tasks after the caregiver has left."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure
from tabulate import tabulate

from reproduction.results import Result, Results
from reproduction.study_runs import TaskRun
from reproduction.suite import TASKS
from sb3_isr.evaluation.conditions import CONDITIONS
from sb3_isr.evaluation.statistics import estimate

#: Colours that the colour-blind can tell apart (Okabe & Ito 2008), and the row's offset.
_STYLE = {"isr": ("#0072B2", 0.22), "none": ("#D55E00", 0.0), "oracle": ("#009E73", -0.22)}


def task_runs(n_seeds: int | None = None) -> list[TaskRun]:
    """
    List the runs of the suite.

    :param n_seeds: Number of seeds; None for as many as the committed results have.
    :return: Its runs, seed by seed, so that each task has some early.
    """
    wanted = {name: n_seeds or task.seeds for name, task in TASKS.items()}
    return [
        TaskRun(name, seed, TASKS[name].steps, TASKS[name].settings_hash())
        for seed in range(max(wanted.values()))
        for name, n in wanted.items()
        if seed < n
    ]


def retention(result: Result, condition: str) -> float:
    """
    Compute what is retained.

    :param result: The result of a run.
    :param condition: One of ``CONDITIONS``.
    :return: The return in the last tenth of autonomy: 1 is that of the last tenth of socialization, 0 that of a random
        policy.
    """
    returns = result["returns"]
    chance, departure = returns["random"][0], returns["socialization"][-1]
    return float((returns[condition][-1] - chance) / (departure - chance))


def write_tasks(results: Results, out: Path) -> str:
    """
    Write table and figure of what is done.

    :param results: The results.
    :param out: Folder of ``suite.md`` and ``images``.
    :return: The table.
    """
    read = {name: [results.read(run) for run in task_runs() if run.task == name and run in results] for name in TASKS}
    done = {name: of_task for name, of_task in read.items() if of_task}
    table = _table(done)
    (out / "images").mkdir(parents=True, exist_ok=True)
    (out / "suite.md").write_text(f"{_HEAD}\n\n{table}\n")
    _draw(done, out / "images" / "suite.png")
    return table


_HEAD = """# Tasks of many kinds

Made by `python -m reproduction tasks --out docs`; do not edit. A learner is socialized, and from that snapshot goes on
for as many steps again with the ISR in the caregiver's place (`isr`), with nothing (`none`), and with a caregiver who
stays (`oracle`). The ISR has its defaults; they were chosen on other seeds, from 10 on. Retention is 1 for the return
in the last tenth of socialization, 0 for that of a random policy: interquartile means over seeds, with 95% bootstrap
intervals, and the lowest seed. R² is the share of the held-out labels' variance that the ISR explains, and the same for
steps that do not terminate an episode.

![Retention of each task and seed](images/suite.png)"""


def _table(done: dict[str, list[Result]]) -> str:
    rows = []
    for name, of_task in done.items():
        values = {condition: [retention(result, condition) for result in of_task] for condition in CONDITIONS}
        explained = [result["held_out"]["explained"] for result in of_task]
        continuing = [result["held_out"]["explained_continuing"] for result in of_task]
        rows.append(
            (
                name,
                TASKS[name].algorithm.__name__,
                f"{len(of_task)}/{TASKS[name].seeds}",
                *(f"{estimate(of_condition)}; {min(of_condition):.2f}" for of_condition in values.values()),
                f"{_mean(explained)}, {_mean(continuing)}",
            )
        )
    head = ["task", "algorithm", "seeds", *(f"{condition}; lowest" for condition in CONDITIONS), "R²"]
    return tabulate(rows, head, "github", disable_numparse=True)


def _mean(values: Sequence[float | None]) -> str:
    known = [value for value in values if value is not None]  # None where all labels are alike
    return f"{np.mean(known):.4f}" if known else "-"


def _draw(done: dict[str, list[Result]], path: Path) -> None:
    with mpl.rc_context({"font.size": 9}):
        figure = Figure(figsize=(8, 0.42 * len(done) + 1.2), layout="constrained")
        axes = figure.subplots()
        for row, of_task in enumerate(done.values()):
            for condition, (colour, offset) in _STYLE.items():
                values = [retention(result, condition) for result in of_task]
                height = len(done) - 1 - row + offset
                axes.scatter(np.clip(values, -0.5, 1.3), [height] * len(values), s=14, color=colour, alpha=0.7, lw=0)
                if values:
                    axes.vlines(estimate(values).iqm, height - 0.1, height + 0.1, color=colour, lw=2)
        axes.axvline(1.0, color="0.7", lw=0.8, zorder=0)
        axes.axvline(0.0, color="0.7", lw=0.8, zorder=0)
        axes.set_yticks(range(len(done)), reversed([*done]))
        axes.set_xlim(-0.55, 1.35)
        axes.set_ylim(-0.6, len(done) - 0.4)
        axes.set_xlabel("retention: 0 random, 1 at departure (values beyond are drawn at the edge)")
        handles = [axes.scatter([], [], s=24, color=colour, label=name) for name, (colour, _) in _STYLE.items()]
        figure.legend(handles=handles, loc="outside upper center", ncols=3, frameon=False)
        figure.savefig(path, dpi=150)
