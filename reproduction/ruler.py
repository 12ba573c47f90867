"""The study ``python -m reproduction hackability``: the ruler of hackability, for each tabular task and seed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from tabulate import tabulate

from reproduction.results import Results
from reproduction.study_runs import Hackability
from reproduction.tabular import TABLES

#: Seeds, and labels of a socialization.
N_SEEDS, N_LABELS = 10, 50_000


def hackability_runs(n_seeds: int | None = None) -> list[Hackability]:
    """
    List the runs of the ruler.

    :param n_seeds: Number of seeds; None for as many as the committed results have.
    :return: Its runs, seed by seed.
    """
    return [Hackability(name, N_LABELS, seed) for seed in range(n_seeds or N_SEEDS) for name in TABLES]


def write_hackability(results: Results, out: Path) -> str:
    """
    Write a table of what is done.

    :param results: The results.
    :param out: Folder of ``hackability.md``.
    :return: The table.
    """
    rows = []
    for name in TABLES:
        done = [results.read(run) for run in hackability_runs() if run.task == name and run in results]
        if done:
            scores = [result["score"] for result in done]
            explained = [result["explained"] for result in done]
            rows.append(
                (
                    name,
                    " ".join(f"{score:.3f}" for score in scores),
                    f"{min(scores):.3f}",
                    f"{np.nanmean(explained):.5f}",
                )
            )
    table = tabulate(rows, ["task", "score of each seed", "lowest", "R²"], "github", disable_numparse=True)
    out.mkdir(parents=True, exist_ok=True)
    (out / "hackability.md").write_text(f"{_HEAD}\n\n{table}\n")
    return table


_HEAD = f"""# A ruler for hackability

Made by `python -m reproduction hackability --out docs`; do not edit. An ISR with its defaults is trained on the
{N_LABELS:,} labels of a learner that learned the task by Q-learning. Then the policy that is exactly the best for `R_i`
is planned on the task's table, and evaluated by the true reward: 1 is the best possible policy, 0 random actions. A
false reward, however rare, is found by planning. Defaults were chosen on seeds from 10 on."""
