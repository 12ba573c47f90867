"""Runs that are made once, start again when killed, and do not stop each other. Processes are killed for real."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import BrokenExecutor, Future
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest

from reproduction.results import Results
from reproduction.runner import MAX_BREAKS, Workers, missing, run_all
from reproduction.runs import Autonomy, Internalization, Run, Socialization, with_requirements
from tests.reproduction.tiny import TINY, InlineExecutor, figure, inline_worker, no_worker, slow_runs

#: The tests share runs, which are made once if one process has them all.
pytestmark = pytest.mark.xdist_group("runner")

FIG4A = figure("fig4a", TINY)
SOCIALIZATION, ISR_TRAINING, ISR, NONE, ORACLE = with_requirements(FIG4A)
DEADLINE = 120


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Results:
    """Figure 4a's runs, made once."""
    folder = tmp_path_factory.mktemp("whole")
    results = Results(folder / "results", folder / "work")
    assert run_all(FIG4A, results, inline_worker) == []
    return results


@pytest.fixture
def results(tmp_path: Path, whole: Results) -> Results:
    """A copy of the same."""
    shutil.copytree(whole.work, tmp_path / "work")
    return Results(tmp_path / "results", tmp_path / "work")


def contents(results: Results) -> dict[str, str]:
    files = results.work.rglob("result.json")
    return {str(file.parent.relative_to(results.work)): file.read_text() for file in files}


def numbers(results: Results) -> dict[str, object]:
    return {
        name: {key: value for key, value in json.loads(text).items() if key != "wall_seconds"}
        for name, text in contents(results).items()
    }


@pytest.mark.slow
def test_a_finished_run_is_never_made_again(results: Results) -> None:
    before = contents(results)
    assert before.keys() == {str(run.path) for run in with_requirements(FIG4A)}
    assert missing(FIG4A, results) == []
    assert run_all(FIG4A, results, no_worker) == []
    assert contents(results) == before


@pytest.mark.slow
def test_weights_that_are_gone_are_made_again_only_for_runs_that_need_them(results: Results, whole: Results) -> None:
    results.file(ORACLE).unlink()
    results.pack()
    elsewhere = Results(results.archives, results.work.with_name("empty"))
    assert missing(FIG4A, elsewhere) == [SOCIALIZATION, ORACLE]
    run_all(FIG4A, elsewhere, inline_worker)
    assert numbers(elsewhere) == {str(ORACLE.path): numbers(whole)[str(ORACLE.path)]}
    assert missing(FIG4A, elsewhere) == []


@pytest.mark.slow
def test_weights_of_other_settings_are_not_used(results: Results) -> None:
    run = figure("fig4a", replace(TINY, batch_size=20))[1]
    shutil.rmtree(results.archives, ignore_errors=True)
    for file in results.work.rglob("result.json"):
        file.unlink()
    results.write(run.requires[0], {"curves": {}})
    assert missing([run], results) == [run.requires[0], run]


@pytest.mark.slow
def test_a_run_that_fails_does_not_stop_the_others(tmp_path: Path) -> None:
    results = Results(tmp_path / "results", tmp_path / "work")
    lost = Socialization(TINY, "no such task", 1e-3, 0)
    after_it = Autonomy(lost, "3 walls", "none", 800)
    runs: list[Run] = [after_it, Internalization(lost, 800), NONE]
    reasons = {failure.run: failure.reason for failure in run_all(runs, results, inline_worker)}
    assert reasons.keys() == {lost, after_it, Internalization(lost, 800)}
    assert "KeyError" in reasons[lost]
    assert str(lost.path) in reasons[after_it]
    assert SOCIALIZATION in results
    assert NONE in results


class DeadlyExecutor(InlineExecutor):
    """As if one of the runs killed its process each time."""

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
        if args[0] != ISR_TRAINING:
            return super().submit(fn, *args, **kwargs)
        future: Future[Any] = Future()
        future.set_exception(BrokenExecutor())
        return future


def test_a_run_that_kills_each_process_is_given_up(results: Results) -> None:
    n_opened = 0

    @contextmanager
    def workers() -> Iterator[Workers]:
        nonlocal n_opened
        n_opened += 1
        yield Workers(DeadlyExecutor(), lambda: 1)

    for run in (ISR_TRAINING, ISR, ORACLE):
        results.file(run).unlink()
    reasons = {failure.run: failure.reason for failure in run_all(FIG4A, results, workers)}
    assert reasons.keys() == {ISR_TRAINING, ISR}
    assert "its process died each time" in reasons[ISR_TRAINING]
    assert n_opened == MAX_BREAKS + 2  # the last one for the oracle
    assert ORACLE in results


def command(results: Results, *address: str) -> list[str]:
    return [sys.executable, "-m", "tests.reproduction.tiny", str(results.archives), str(results.work), *address]


def start(results: Results, *address: str) -> subprocess.Popen[str]:
    return subprocess.Popen(command(results, *address), stdout=subprocess.PIPE, text=True, start_new_session=True)


def wait_for(path: Path, process: subprocess.Popen[str]) -> None:
    """Wait for a file that another process writes; the test does not rely on the length of the sleep."""
    start_time = time.monotonic()
    while not path.exists():
        assert process.poll() is None, f"the process ended before it wrote {path}"
        assert time.monotonic() - start_time < DEADLINE, f"{path} was not written"
        time.sleep(0.02)


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory) -> dict[str, object]:
    """The numbers of the command's runs."""
    folder = tmp_path_factory.mktemp("uninterrupted")
    results = Results(folder / "results", folder / "work")
    assert run_all(slow_runs(), results, inline_worker) == []
    return numbers(results)


@pytest.mark.slow
def test_a_killed_worker_and_a_killed_runner_lose_the_run_in_flight_and_no_other(
    tmp_path: Path, uninterrupted: dict[str, object]
) -> None:
    results = Results(tmp_path / "results", tmp_path / "work")
    none, oracle = slow_runs()
    runner = start(results)
    wait_for(results.work / none.path / "progress", runner)
    (worker,) = workers_of(runner.pid)
    os.kill(worker, signal.SIGKILL)
    wait_for(results.work / oracle.path / "progress", runner)
    os.kill(runner.pid, signal.SIGKILL)
    runner.wait()
    before = contents(results)
    assert before.keys() == {str(none.requires[0].path), str(none.path)}

    again = subprocess.run(command(results), check=True, capture_output=True, text=True)
    assert again.stdout.split() == [str(oracle.path)]
    assert {name: text for name, text in contents(results).items() if name in before} == before
    assert numbers(results) == uninterrupted


def workers_of(pid: int) -> list[int]:
    """The workers of a runner, without multiprocessing's resource tracker."""
    return [child.pid for child in psutil.Process(pid).children() if "spawn_main" in " ".join(child.cmdline())]


@pytest.fixture
def scheduler(tmp_path: Path) -> Iterator[tuple[str, list[subprocess.Popen[bytes]]]]:
    """A real dask scheduler and two real workers, on loopback."""
    file = tmp_path / "scheduler.json"
    commands = [["dask_scheduler", "--host", "127.0.0.1", "--port", "0"]]
    commands += [["dask_worker", "--nthreads", "1", "--no-nanny", "--local-directory", str(tmp_path / "dask")]] * 2
    shared = ["--no-dashboard", "--scheduler-file", str(file)]
    processes = [
        subprocess.Popen([sys.executable, "-m", f"distributed.cli.{name}", *options, *shared])
        for name, *options in commands
    ]
    start_time = time.monotonic()
    while not file.exists():
        assert time.monotonic() - start_time < DEADLINE
        time.sleep(0.02)
    yield json.loads(file.read_text())["address"], processes[1:]
    for process in processes:
        process.kill()
        process.wait()


@pytest.mark.slow
def test_a_killed_dask_worker_loses_the_run_in_flight_and_no_other(
    tmp_path: Path, uninterrupted: dict[str, object], scheduler: tuple[str, list[subprocess.Popen[bytes]]]
) -> None:
    address, workers = scheduler
    results = Results(tmp_path / "results", tmp_path / "work")
    none, oracle = slow_runs()
    runner = start(results, address)
    for run in (none, oracle):  # one on each worker
        wait_for(results.work / run.path / "progress", runner)
    workers[0].kill()
    assert runner.wait(DEADLINE) == 0
    assert numbers(results) == uninterrupted
