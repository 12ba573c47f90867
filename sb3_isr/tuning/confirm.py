"""Confirms a trial on seeds that the study has not seen: the best of many trials is in part the luckiest."""

from __future__ import annotations

import json
from concurrent.futures import as_completed
from pathlib import Path
from typing import Any

import torch
from tabulate import tabulate
from tqdm import tqdm

from sb3_isr.common.files import write_text
from sb3_isr.common.processes import local_processes
from sb3_isr.evaluation.statistics import estimate, welch
from sb3_isr.tuning.entry import Entry, changed
from sb3_isr.tuning.findings import Found
from sb3_isr.tuning.objective import Settings, evaluate

Run = dict[str, Any]


def confirm(settings: Settings, chosen: Found, n_seeds: int, n_jobs: int, out: Path) -> str:
    """
    Run a trial, the entry as it was before the search, and the entry with a caregiver who stays.

    Each run is written to ``confirmed.json`` when it is done, and is not run again; runs of other trials there are
    reported beside it.

    :param settings: The study's.
    :param chosen: The trial to confirm.
    :param n_seeds: Number of fresh seeds.
    :param n_jobs: Number of runs at once.
    :param out: The folder.
    :return: A table.
    """
    entry = {**settings.entry, "n_timesteps": settings.timesteps}
    always = changed(entry, {"presence": "always"}, {})
    entries = {f"trial {chosen.number}": chosen.entry, "entry": entry, "always": always}
    path = out / "confirmed.json"
    runs: list[Run] = json.loads(path.read_text())["runs"] if path.exists() else []

    def of_study(run: Run) -> bool:
        return all(run.get(key) == value for key, value in _study(settings).items())

    done = {(run["name"], run["seed"]) for run in runs if of_study(run) and run["entry"] == entries.get(run["name"])}
    seeds = range(settings.seeds, settings.seeds + n_seeds)
    missing = [(name, seed) for seed in seeds for name in entries if (name, seed) not in done]
    with local_processes(n_jobs) as workers:
        futures = [workers.submit(_run, settings, name, entries[name], seed) for name, seed in missing]
        for future in tqdm(as_completed(futures), total=len(futures), unit=" runs", disable=not futures):
            run = future.result()
            same = (run["name"], run["seed"])
            runs = [one for one in runs if (one["name"], one["seed"]) != same or not of_study(one)]
            runs = sorted([*runs, run], key=lambda one: (one["name"], one["seed"]))
            write_text(path, json.dumps({"runs": runs}) + "\n")
    return table([run for run in runs if run["seed"] in seeds and of_study(run)])


def _study(settings: Settings) -> Run:
    """The part of a run that names its study."""
    return {"env_id": settings.env_id, "algo": settings.algo, "timesteps": settings.timesteps}


def table(runs: list[Run]) -> str:
    """
    Write confirmed runs as a table.

    :param runs: The runs in ``confirmed.json``.
    :return: Returns and labels of each, and the p-value of Welch's test that its mean return is the entry's.
    """
    names = list(dict.fromkeys(run["name"] for run in runs))
    returns = {name: [run["return"] for run in runs if run["name"] == name] for name in names}
    labels = {name: [run["labels"] for run in runs if run["name"] == name] for name in names}
    titles = {"entry": "the entry as it was", "always": "a caregiver who stays"}
    rows = []
    for name in names:
        p = "" if name == "entry" else f"{welch(returns[name], returns['entry']):.2g}"
        n, mean_labels = len(returns[name]), sum(labels[name]) / len(labels[name])
        rows.append((titles.get(name, name), n, str(estimate(returns[name])), f"{mean_labels:,.0f}", p))
    head = ["fresh seeds", "seeds", "return, IQM [95%]", "labels", "Welch p to the entry"]
    return tabulate(rows, head, "plain", disable_numparse=True, colalign=("left", *["right"] * 4))


def _run(settings: Settings, name: str, entry: Entry, seed: int) -> Run:
    torch.set_num_threads(1)
    outcome = evaluate(settings, entry, range(seed, seed + 1))
    (value,), (labels,), (curve,) = outcome.returns, outcome.labels, outcome.curves
    shared = {"name": name, "seed": seed, "return": value, "labels": labels}
    return {**_study(settings), **shared, "curve": [None if x != x else round(x, 4) for x in curve], "entry": entry}
