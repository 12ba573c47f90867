"""
Makes the runs that are missing: on local processes, or on the workers of a dask scheduler.

A finished run is never made again, one that was interrupted starts anew, and one that fails does not stop the others.
Runner and workers share a work folder, which has a folder for each run: its result, weights and labels that later runs
start from, and how far it is.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import BrokenExecutor, Executor, Future, wait
from contextlib import AbstractContextManager, contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import NamedTuple

from tqdm import tqdm

from reproduction.execute import execute
from reproduction.results import Results
from reproduction.runs import Run, with_requirements
from sb3_isr.common.files import write_text
from sb3_isr.common.processes import local_processes


class Workers(NamedTuple):
    """
    Workers that execute runs.

    :param executor: Executes runs.
    :param number: Returns how many runs it executes at once.
    """

    executor: Executor
    number: Callable[[], int]


OpenWorkers = Callable[[], AbstractContextManager[Workers]]

#: How often the pool of workers may break with a run in flight before that run is given up.
MAX_BREAKS = 3

#: Seconds between two looks at what is running.
POLL = 0.5


class Failure(NamedTuple):
    """
    A run that failed.

    :param run: The run.
    :param reason: Why it failed.
    """

    run: Run
    reason: str


def make(run: Run, results: Results) -> None:
    """
    Execute one run in this process, and write its result.

    :param run: The run. What it requires has been done before.
    :param results: Where its result is written.
    """
    progress_file = results.work / run.path / "progress"
    result = execute(run, results.work, lambda steps: write_text(progress_file, str(steps)))
    if run not in results:  # otherwise only its weights were missing
        results.write(run, result)
    write_text(progress_file, _done_mark(run))


def run_all(runs: Iterable[Run], results: Results, open_workers: OpenWorkers) -> list[Failure]:
    """
    Make all runs that have no result yet, and what these require.

    :param runs: The runs wanted.
    :param results: The results so far; new ones are written there.
    :param open_workers: Opens the workers that execute them.
    :return: The runs that failed.
    """
    waiting = missing(runs, results)
    failures: list[Failure] = []
    n_breaks: Counter[Run] = Counter()
    with _Progress(waiting, results.work) as progress:
        while waiting:
            with open_workers() as workers:
                broken = _drain(waiting, failures, workers, results, progress)
            n_breaks.update(broken)
            for run in broken:
                if n_breaks[run] > MAX_BREAKS and run in waiting:
                    waiting.remove(run)
                    _give_up(run, "its process died each time (killed, or out of memory)", waiting, failures, progress)
    return failures


def missing(runs: Iterable[Run], results: Results) -> list[Run]:
    """
    List the runs that are still to be made.

    :param runs: The runs wanted.
    :param results: The results so far.
    :return: In order: runs without a result; those that they start from without one; and those that they start from
        whose weights or labels are missing or of other settings.
    :raises ValueError: If an existing result is of other settings.
    """
    wanted = []
    for run in with_requirements(runs):
        if run in results:
            results.read(run)  # before hours are spent on the others
        else:
            wanted.append(run)
    return [run for run in with_requirements(wanted) if run in wanted or not _has_weights(run, results.work)]


@contextmanager
def local_workers(n: int) -> Iterator[Workers]:
    """
    Open workers on this machine.

    :param n: How many; each is a process of one thread.
    :return: The workers.
    """
    with local_processes(n) as executor:
        yield Workers(executor, lambda: n)


@contextmanager
def dask_workers(address: str) -> Iterator[Workers]:
    """
    Open the workers of a dask scheduler.

    :param address: The scheduler's address. Its workers see the same folders under the same paths.
    :return: The workers, as many as there are at each moment.
    :raises ValueError: If a worker has several threads.
    """
    from distributed import Client

    with Client(address) as client:  # type: ignore[no-untyped-call]

        def threads() -> list[int]:
            return [worker["nthreads"] for worker in client.scheduler_info(n_workers=-1)["workers"].values()]

        if any(n != 1 for n in threads()):
            raise ValueError(
                f"Each worker must have one thread, since a process has one global torch generator, got {threads()}; "
                "start them with: dask worker ADDRESS --nthreads 1 --nworkers N"
            )
        yield Workers(client.get_executor(pure=False), lambda: len(threads()))


def _drain(
    waiting: list[Run], failures: list[Failure], workers: Workers, results: Results, progress: _Progress
) -> list[Run]:
    """Make the waiting runs; returns those in flight when the executor broke, if it did."""
    running: dict[Future[None], Run] = {}
    is_broken = False
    broken: list[Run] = []
    while waiting or running:
        ready = [run for run in waiting if run not in running.values() and not _awaits(run, waiting)]
        n_free = 0 if is_broken else max(0, workers.number() - len(running))  # no more, so that they come in order
        try:
            for run in ready[:n_free]:
                running[workers.executor.submit(make, run, results)] = run
        except BrokenExecutor:
            is_broken = True
        if not running:
            if is_broken:
                break
            time.sleep(POLL)  # no worker is there yet
        finished, _ = wait(running, timeout=POLL, return_when="FIRST_COMPLETED")
        for future in finished:
            run = running.pop(future)
            error = future.exception()
            if isinstance(error, BrokenExecutor):
                is_broken = True
                broken.append(run)
                continue
            waiting.remove(run)
            progress.finish(run)
            if error is not None:
                _give_up(run, f"{type(error).__name__}: {error}", waiting, failures, progress)
        progress.show(running.values(), len(waiting), len(failures))
    return broken


def _awaits(run: Run, waiting: Sequence[Run]) -> bool:
    return any(required in waiting for required in run.requires)


def _give_up(run: Run, reason: str, waiting: list[Run], failures: list[Failure], progress: _Progress) -> None:
    failures.append(Failure(run, reason))
    progress.write(f"{run.path} failed: {reason}")
    for other in [other for other in waiting if run in with_requirements([other])]:
        waiting.remove(other)
        progress.finish(other)
        failures.append(Failure(other, f"it starts from {run.path}, which failed"))


def _has_weights(run: Run, work: Path) -> bool:
    try:
        return (work / run.path / "progress").read_text() == _done_mark(run)
    except FileNotFoundError:
        return False


def _done_mark(run: Run) -> str:
    """The content of ``progress`` in a complete work folder: the run with all its settings."""
    return json.dumps(asdict(run), sort_keys=True)


class _Progress:
    """One bar over the environment steps of all runs, including those of unfinished ones."""

    def __init__(self, runs: Sequence[Run], work: Path) -> None:
        self.n_runs = len(runs)
        self.work = work
        self.steps_done = 0
        self.bar = tqdm(
            total=sum(run.steps for run in runs), unit=" steps", unit_scale=True, smoothing=0.05, disable=not runs
        )

    def __enter__(self) -> _Progress:
        return self

    def __exit__(self, *_: object) -> None:
        self.bar.close()

    def finish(self, run: Run) -> None:
        """Count a run as done."""
        self.steps_done += run.steps

    def show(self, running: Iterable[Run], n_waiting: int, n_failed: int) -> None:
        """Move the bar."""
        self.bar.set_description(f"{self.n_runs - n_waiting}/{self.n_runs} runs, {n_failed} failed", refresh=False)
        self.bar.n = self.steps_done + sum(self._steps_made(run) for run in running)
        self.bar.refresh()

    def write(self, text: str) -> None:
        """Print a line above the bar."""
        self.bar.write(text)

    def _steps_made(self, run: Run) -> int:
        try:
            steps = (self.work / run.path / "progress").read_text()
        except FileNotFoundError:
            return 0
        return min(int(steps), run.steps) if steps.isdigit() else 0
