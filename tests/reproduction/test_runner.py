"""Runs that are made once, started again when killed, and do not stop each other. All processes are real."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import psutil
import pytest

from reproduction.results import Results
from reproduction.runner import local_processes, missing, run_all
from reproduction.runs import Autonomy, Internalization, Run, Socialization, with_requirements
from tests.reproduction.tiny import SLOW, TINY, fig4a

ONE_PROCESS = partial(local_processes, 1)
DEADLINE = 120


def wait_for(path: Path, process: subprocess.Popen[str]) -> None:
    """Until a file is there, which another process will write; polling is no sleep that a test relies on."""
    start = time.monotonic()
    while not path.exists():
        assert process.poll() is None, f"the process ended before it wrote {path}"
        assert time.monotonic() - start < DEADLINE, f"{path} was not written"
        time.sleep(0.02)


def contents(folder: Path) -> dict[str, str]:
    return {str(path.relative_to(folder)): path.read_text() for path in folder.rglob("*.json")}


def numbers(folder: Path) -> dict[str, object]:
    return {
        name: {key: value for key, value in json.loads(text).items() if key != "wall_seconds"}
        for name, text in contents(folder).items()
    }


def command(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "tests.reproduction.tiny", *map(str, arguments)]


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The results of the command, run whole."""
    folder = tmp_path_factory.mktemp("whole")
    subprocess.run(command(folder / "results", folder / "work"), check=True, capture_output=True)
    return folder / "results"


def test_a_finished_run_is_never_made_again(tmp_path: Path) -> None:
    results, work = tmp_path / "results", tmp_path / "work"
    assert run_all(fig4a(TINY), results, work, ONE_PROCESS) == []
    before = contents(results)
    assert len(before) == 5  # a socialization, an ISR, three conditions
    assert missing(fig4a(TINY), Results(results), work) == []
    assert run_all(fig4a(TINY), results, work, ONE_PROCESS) == []
    assert contents(results) == before


def test_weights_that_are_gone_are_made_again_only_for_runs_that_need_them(tmp_path: Path) -> None:
    results, work = tmp_path / "results", tmp_path / "work"
    run_all(fig4a(TINY), results, work, ONE_PROCESS)
    before = contents(results)
    elsewhere = tmp_path / "other_work"
    assert missing(fig4a(TINY), Results(results), elsewhere) == []
    oracle = fig4a(TINY)[2]
    Results(results).path(oracle).unlink()
    assert missing(fig4a(TINY), Results(results), elsewhere) == [oracle.requires[0], oracle]
    run_all(fig4a(TINY), results, elsewhere, ONE_PROCESS)
    changed = {name for name, text in contents(results).items() if text != before[name]}
    assert changed <= {str(Results(results).path(oracle).relative_to(results))}  # but for its wall time it is the same


def test_other_results_over_the_same_work_are_made_whole(tmp_path: Path) -> None:
    work = tmp_path / "work"
    run_all(fig4a(TINY), tmp_path / "results", work, ONE_PROCESS)
    assert missing(fig4a(TINY), Results(tmp_path / "anew"), work) == with_requirements(fig4a(TINY))


def test_weights_of_other_settings_are_not_taken(tmp_path: Path) -> None:
    work = tmp_path / "work"
    run_all(fig4a(TINY)[1:2], tmp_path / "results", work, ONE_PROCESS)
    changed = fig4a(replace(TINY, batch_size=20))[1]
    results = Results(tmp_path / "anew")
    results.write(changed.requires[0], {"curves": {}})
    assert missing([changed], results, work) == [changed.requires[0], changed]


def test_a_run_that_fails_says_so_and_does_not_stop_the_others(tmp_path: Path) -> None:
    lost = Socialization(TINY, "no such task", 1e-3, 0)
    after_it = Autonomy(lost, "3 walls", "none", 800)
    runs: list[Run] = [after_it, Internalization(lost, 800), *fig4a(TINY)[1:2]]
    failures = run_all(runs, tmp_path / "results", tmp_path / "work", ONE_PROCESS)
    reasons = {failure.run: failure.reason for failure in failures}
    assert reasons.keys() == {lost, after_it, Internalization(lost, 800)}
    assert "KeyError" in reasons[lost]
    assert str(lost.path) in reasons[after_it]
    assert all(run in Results(tmp_path / "results") for run in with_requirements(fig4a(TINY)[1:2]))


def test_a_result_of_other_settings_is_refused(tmp_path: Path) -> None:
    results = Results(tmp_path)
    run = Socialization(TINY, "1 wall", 1e-3, 0)
    results.write(run, {"curves": {}})
    assert results.read(run)["curves"] == {}
    with pytest.raises(ValueError, match="has been changed since"):
        results.read(replace(run, protocol=replace(TINY, batch_size=20)))


@pytest.mark.slow
def test_a_killed_runner_loses_the_run_in_flight_and_no_other(tmp_path: Path, uninterrupted: Path) -> None:
    results, work = tmp_path / "results", tmp_path / "work"
    oracle = fig4a(SLOW)[2]
    runner = subprocess.Popen(command(results, work), stdout=subprocess.PIPE, text=True, start_new_session=True)
    wait_for(work / oracle.path / "progress", runner)
    os.kill(runner.pid, signal.SIGKILL)
    runner.wait()
    before = contents(results)
    assert 3 <= len(before) < len(contents(uninterrupted))
    assert not Results(results).path(oracle).exists()

    again = subprocess.run(command(results, work), check=True, capture_output=True, text=True)
    assert not any(name.removesuffix(".json") in again.stdout.split() for name in before)
    assert {name: text for name, text in contents(results).items() if name in before} == before
    assert numbers(results) == numbers(uninterrupted)


@pytest.mark.slow
def test_a_killed_worker_process_loses_the_run_in_flight_and_no_other(tmp_path: Path, uninterrupted: Path) -> None:
    results, work = tmp_path / "results", tmp_path / "work"
    runner = subprocess.Popen(command(results, work), stdout=subprocess.PIPE, text=True)
    wait_for(work / fig4a(SLOW)[2].path / "progress", runner)
    (worker,) = children(runner.pid)
    os.kill(worker, signal.SIGKILL)
    assert runner.wait(DEADLINE) == 0
    assert numbers(results) == numbers(uninterrupted)


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
    tmp_path: Path, uninterrupted: Path, scheduler: tuple[str, list[subprocess.Popen[bytes]]]
) -> None:
    address, workers = scheduler
    results, work = tmp_path / "results", tmp_path / "work"
    runner = subprocess.Popen(command(results, work, address), stdout=subprocess.PIPE, text=True)
    wait_for(work / fig4a(SLOW)[0].path / "progress", runner)
    workers[0].kill()
    assert runner.wait(DEADLINE) == 0
    assert numbers(results) == numbers(uninterrupted)


def children(pid: int) -> list[int]:
    """The workers of a runner, without multiprocessing's resource tracker."""
    return [child.pid for child in psutil.Process(pid).children() if "spawn_main" in " ".join(child.cmdline())]
