"""The command ``python -m reproduction``: makes the runs of figures that are missing, and reports on all of them."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Sequence
from functools import partial
from importlib import import_module
from pathlib import Path

from tabulate import tabulate

from reproduction.claims import judgement
from reproduction.figures import FIGURES, heading
from reproduction.protocols import PROTOCOLS, Protocol
from reproduction.report import summary, table, write_report
from reproduction.results import Results
from reproduction.runner import Failure, OpenWorkers, dask_workers, local_workers, missing, run_all
from reproduction.runs import Run
from reproduction.values import done_seeds, figure_values


def reproduce(arguments: argparse.Namespace) -> int:
    """
    Carry out the command.

    :param arguments: The arguments that ``reproduction.__main__`` reads.
    :return: Exit status: 1 if a run failed.
    :raises ValueError: If a figure or protocol is not known, none is named, or a number is too small.
    """
    results = Results(arguments.results.resolve(), arguments.work.resolve())
    if arguments.pack:
        print(f"{results.pack()} results moved from {results.work} into the archives in {results.archives}.")
        return 0
    names = _figures(arguments)
    if arguments.list:
        print(overview(names, results))
        return 0
    if arguments.summary:
        print(json.dumps(summary(names, list(PROTOCOLS.values()), results), indent=1))
        return 0

    protocol = PROTOCOLS[arguments.protocol]
    if not any(FIGURES[name].seeds[protocol.name] for name in names):
        raise ValueError(f"Protocol {protocol.name} does not have {', '.join(names)}; use --protocol fast.")
    failures = _make(runs_of(names, protocol, arguments.seeds), results, arguments)
    _report(names, protocol, results, arguments.out)
    return int(bool(failures))


#: Studies beside the figures: the module of each, and its functions that list its runs and write its table.
STUDIES = {
    "tasks": ("reproduction.tasks", "task_runs", "write_tasks"),
    "teach": ("reproduction.teach", "teach_runs", "write_teach"),
    "hackability": ("reproduction.ruler", "hackability_runs", "write_hackability"),
}


def run_study(name: str, arguments: argparse.Namespace) -> int:
    """
    Carry out the command for a study.

    :param name: One of ``STUDIES``.
    :param arguments: The arguments that ``reproduction.__main__`` reads.
    :return: Exit status: 1 if a run failed.
    """
    module, list_runs, write = STUDIES[name]
    study = import_module(module)  # it needs what the figures do without: Box2D, MuJoCo, sb3-contrib
    results = Results(arguments.results.resolve(), arguments.work.resolve())
    runs: list[Run] = getattr(study, list_runs)(arguments.seeds)
    if arguments.pack:
        print(f"{results.pack()} results moved from {results.work} into the archives in {results.archives}.")
        return 0
    failures = [] if arguments.list or arguments.summary else _make(runs, results, arguments)
    print(f"{sum(run in results for run in runs)} of {len(runs)} runs are done.")
    print(getattr(study, write)(results, arguments.out))
    return int(bool(failures))


def _make(runs: Sequence[Run], results: Results, arguments: argparse.Namespace) -> list[Failure]:
    open_workers: OpenWorkers = partial(local_workers, arguments.workers)
    if arguments.scheduler:
        open_workers = partial(dask_workers, arguments.scheduler)
    failures = run_all(runs, results, open_workers)
    for failure in failures:
        print(f"Failed: {failure.run.path}: {failure.reason}", file=sys.stderr)
    return failures


def runs_of(names: Sequence[str], protocol: Protocol, n_seeds: int | None = None) -> list[Run]:
    """
    List the runs of figures.

    :param names: Figures.
    :param protocol: Which protocol.
    :param n_seeds: Number of seeds; None for as many as the committed results have.
    :return: Their runs, seed by seed, each once.
    """
    seeds = {name: n_seeds or n for name in names if (n := FIGURES[name].seeds[protocol.name])}
    ordered = [
        run
        for seed in range(max(seeds.values(), default=0))
        for name in seeds
        if seed < seeds[name]
        for run in FIGURES[name].runs(protocol, seed)
    ]
    return list(dict.fromkeys(ordered))


def overview(names: Sequence[str], results: Results) -> str:
    """
    Write a table of what there is, what is done, and what the rest costs.

    :param names: Figures.
    :param results: The results so far.
    :return: The table.
    """
    rows = []
    for name in names:
        for protocol in PROTOCOLS.values():
            if not FIGURES[name].seeds[protocol.name]:
                continue
            runs, seeds = runs_of([name], protocol), FIGURES[name].seeds[protocol.name]
            n_done = sum(run in results for run in runs)
            steps = sum(run.steps for run in missing(runs, results))
            done = f"{len(done_seeds(name, protocol, results))}/{seeds}", f"{n_done}/{len(runs)}"
            hours = f"{steps / protocol.steps_per_second / 3600:.1f}"
            rows.append((name, protocol.name, *done, f"{steps:,}", hours, FIGURES[name].title))
    head = ["figure", "protocol", "seeds", "runs", "steps to make", "hours of a core", "shows"]
    align = ("left", "left", *["right"] * 4, "left")
    table = tabulate(rows, head, "plain", disable_numparse=True, colalign=align)
    return f"{table}\nFigures share runs, so that all of them cost less than their sum."


def _figures(arguments: argparse.Namespace) -> list[str]:
    """The figures that are wanted, after a check of all arguments."""
    names: list[str] = arguments.figures
    if arguments.all or (not names and (arguments.list or arguments.summary)):
        names = list(FIGURES)
    if not names:
        raise ValueError(
            f"Name figures (some of {', '.join(FIGURES)}), got none; --all makes all of them, and --list shows what is "
            "done and what the rest costs."
        )
    _check("A figure", names, FIGURES)
    _check("A protocol", [arguments.protocol], PROTOCOLS)
    for option in ("seeds", "workers"):
        if (number := getattr(arguments, option)) is not None and number < 1:
            raise ValueError(f"--{option} must be at least 1, got {number}.")
    return names


def _report(names: Sequence[str], protocol: Protocol, results: Results, out: Path) -> None:
    shown = [
        other
        for other in PROTOCOLS.values()
        if other == protocol or any(done_seeds(name, other, results) for name in names)
    ]
    report = write_report(names, shown, results, out)
    for name in [name for name in names if FIGURES[name].seeds[protocol.name]]:
        values = figure_values(name, protocol, results)
        print(f"\n{heading(name)}, protocol {protocol.name}. {FIGURES[name].title}\n")
        if values:
            print(f"{table(name, protocol, results)}\n")
        print(judgement(name, values).replace("**", ""))
    print(f"\nReport: {report}\nPictures: {report.parent / 'images'}")


def _check(what: str, given: Sequence[str], known: Iterable[str]) -> None:
    if unknown := [name for name in given if name not in known]:
        raise ValueError(f"{what} must be one of {', '.join(known)}, got {', '.join(unknown)}.")
