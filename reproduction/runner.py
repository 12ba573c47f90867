"""
Makes the runs that are missing: on local processes, or on the workers of a dask scheduler.

A finished run is never made again, one that was interrupted starts anew, and one that fails does not stop the others.
Runner and workers meet in two folders: results (one JSON file for each run) and work (weights and labels that later
runs start from, and how far each run is).
"""

from __future__ import annotations

import json
import multiprocessing
import os
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import BrokenExecutor, Executor, Future, ProcessPoolExecutor, wait
from contextlib import AbstractContextManager, contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import NamedTuple

from tqdm import tqdm

from reproduction.execute import execute
from reproduction.results import Results, write_text
from reproduction.runs import Run, with_requirements


class Workers(NamedTuple):
    """
    :param executor: What executes runs.
    :param number: Says how many runs it executes at once.
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
    :param run: What failed.
    :param reason: Why.
    """

    run: Run
    reason: str


def do(run: Run, results: Path, work: Path) -> None:
    """
    Execute one run in this process, and write its result.

    :param run: What it requires has been done before.
    :param results: Folder of results.
    :param work: Folder of weights and labels.
    """
    progress_file = work / run.path / "progress"
    result = execute(run, work, lambda steps: write_text(progress_file, str(steps)))
    if run not in Results(results):  # else only its weights were missing
        Results(results).write(run, result)
    write_text(progress_file, _done_mark(run))


def run_all(runs: Iterable[Run], results: Path, work: Path, open_workers: OpenWorkers) -> list[Failure]:
    """
    Make all runs that have no result yet, and what these require.

    :param runs: The runs wanted.
    :param results: Folder of results.
    :param work: Folder of weights and labels.
    :param open_workers: Opens what executes them.
    :return: What failed.
    """
    waiting = missing(runs, Results(results), work)
    failures: list[Failure] = []
    n_breaks: Counter[Run] = Counter()
    with _Progress(waiting, work) as progress:
        while waiting:
            with open_workers() as workers:
                broken = _drain(waiting, failures, workers, results, work, progress)
            n_breaks.update(broken)
            for run in broken:
                if n_breaks[run] > MAX_BREAKS and run in waiting:
                    waiting.remove(run)
                    _give_up(run, "its process died each time (killed, or out of memory)", waiting, failures, progress)
    return failures


def missing(runs: Iterable[Run], results: Results, work: Path) -> list[Run]:
    """
    :param runs: The runs wanted.
    :param results: What is done.
    :param work: Folder of weights and labels.
    :return: What is still to do, in order: runs without a result, what these start from where it has none either, and
        what they start from where its weights or labels are gone or of other settings.
    :raises ValueError: If a result that is there is of other settings.
    """
    wanted = []
    for run in with_requirements(runs):
        if run in results:
            results.read(run)  # before hours are spent on the others
        else:
            wanted.append(run)
    return [run for run in with_requirements(wanted) if run in wanted or not _left_its_weights(run, work)]


@contextmanager
def local_processes(n_workers: int) -> Iterator[Workers]:
    """
    :param n_workers: How many runs are executed at once, each in a process of one thread.
    :return: They.
    """
    context = multiprocessing.get_context("spawn")
    executor = ProcessPoolExecutor(n_workers, context, initializer=die_with_parent)
    try:
        yield Workers(executor, lambda: n_workers)
    except BaseException:
        executor.shutdown(wait=False, cancel_futures=True)
        for process in multiprocessing.active_children():
            process.kill()
        raise
    executor.shutdown()


@contextmanager
def dask_workers(address: str) -> Iterator[Workers]:
    """
    :param address: A dask scheduler's. Its workers see the same folders under the same paths.
    :return: They, as many as there are at each moment.
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
    waiting: list[Run], failures: list[Failure], workers: Workers, results: Path, work: Path, progress: _Progress
) -> list[Run]:
    """Do what is waiting; returns what was in flight when the executor broke, if it did."""
    running: dict[Future[None], Run] = {}
    is_broken = False
    broken: list[Run] = []
    while waiting or running:
        ready = [run for run in waiting if run not in running.values() and not _awaits(run, waiting)]
        n_free = 0 if is_broken else max(0, workers.number() - len(running))  # no more, so that they come in order
        try:
            for run in ready[:n_free]:
                running[workers.executor.submit(do, run, results, work)] = run
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
    progress.say(f"{run.path} failed: {reason}")
    for other in [other for other in waiting if run in with_requirements([other])]:
        waiting.remove(other)
        progress.finish(other)
        failures.append(Failure(other, f"it starts from {run.path}, which failed"))


def _left_its_weights(run: Run, work: Path) -> bool:
    try:
        return (work / run.path / "progress").read_text() == _done_mark(run)
    except FileNotFoundError:
        return False


def _done_mark(run: Run) -> str:
    """What stands in a work folder that is complete: whose it is, to the last setting."""
    return json.dumps(asdict(run), sort_keys=True)


def die_with_parent() -> None:
    """A runner that is killed must not leave workers behind that wait for it for ever."""
    parent = multiprocessing.parent_process()
    assert parent is not None

    def watch() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


class _Progress:
    """One bar over the environment steps of all runs, those of unfinished ones included."""

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

    def say(self, text: str) -> None:
        """Print a line above the bar."""
        self.bar.write(text)

    def _steps_made(self, run: Run) -> int:
        try:
            steps = (self.work / run.path / "progress").read_text()
        except FileNotFoundError:
            return 0
        return min(int(steps), run.steps) if steps.isdigit() else 0
