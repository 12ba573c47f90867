"""Workers that share a study, and one that is killed. Processes and the PostgreSQL server are real."""

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from optuna.study import Study
from optuna.trial import TrialState

from sb3_isr.tuning.storage import retry
from sb3_isr.tuning.study import finished, open_study, stop_once
from tests.tuning.postgres import postgres
from tests.tuning.small import SETTINGS, place, waiting, waiting_trials

N_TRIALS = 3
LEASE = 6
DEADLINE = 300


@pytest.fixture(params=["journal", "postgresql"])
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    if request.param == "journal":
        yield str(tmp_path / "journal.log")
        return
    with postgres() as url:
        yield url


def worker(storage: str, gate: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "tests.tuning.small", storage, str(N_TRIALS), str(LEASE), str(gate)]
    return subprocess.Popen(command)


def wait_for_waiting(study: Study, n: int, workers: list[subprocess.Popen[bytes]]) -> None:
    """Until so many trials wait; the test does not rely on the length of the sleep."""
    start = time.monotonic()
    while len(waiting_trials(study)) < n:
        assert all(one.poll() is None for one in workers)
        assert time.monotonic() - start < DEADLINE
        time.sleep(0.02)


@pytest.mark.slow
def test_a_trial_whose_worker_is_killed_is_tried_again_and_every_trial_is_finished_once(
    storage: str, tmp_path: Path
) -> None:
    gate = tmp_path / "gate"
    study = open_study(waiting(gate), place(storage, N_TRIALS, LEASE))
    workers = [worker(storage, gate), worker(storage, gate)]
    try:
        wait_for_waiting(study, 2, workers)
        workers[0].kill()
        workers[0].wait()
        gate.touch()
        assert workers[1].wait(DEADLINE) == 0
    finally:
        for one in workers:
            one.kill()
            one.wait()

    done = finished(study)
    assert [trial.state for trial in done] == [TrialState.COMPLETE] * N_TRIALS
    (lost,) = (trial for trial in study.trials if trial.state == TrialState.FAIL)
    (again,) = (trial for trial in done if trial.system_attrs.get("failed_trial") == lost.number)
    assert again.params == lost.params
    assert len(study.trials) == N_TRIALS + 1
    assert len({str(trial.params) for trial in done}) == N_TRIALS


def test_what_is_sampled_does_not_depend_on_who_samples(tmp_path: Path) -> None:
    def sampled(path: Path, n_resumes: int) -> list[dict[str, object]]:
        for _ in range(n_resumes):
            study = open_study(SETTINGS, place(str(path), N_TRIALS))
            for _ in range(6 // n_resumes):
                trial = study.ask()
                trial.suggest_float("x", 0, 1)
                study.tell(trial, [0.0, 1.0])
        return [trial.params for trial in study.trials]

    def put_back(path: Path) -> list[dict[str, object]]:
        """The second trial is interrupted, and put back into the queue."""
        study = open_study(SETTINGS, place(str(path), N_TRIALS))
        for number in range(7):
            trial = study.ask()
            trial.suggest_float("x", 0, 1)
            if number == 1:
                study.tell(trial, state=TrialState.FAIL)
                retry(study, study.trials[1])
            else:
                study.tell(trial, [0.0, 1.0])
        return [trial.params for trial in study.trials if trial.state == TrialState.COMPLETE]

    once, thrice = sampled(tmp_path / "once.log", 1), sampled(tmp_path / "thrice.log", 3)
    assert once == thrice
    assert put_back(tmp_path / "put_back.log") == once
    assert len({str(params) for params in once}) == 6


def test_a_second_sigterm_does_not_interrupt_what_the_first_began() -> None:
    before = signal.signal(signal.SIGTERM, stop_once)
    try:
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGTERM)
        signal.raise_signal(signal.SIGTERM)  # nothing happens
    finally:
        signal.signal(signal.SIGTERM, before)
