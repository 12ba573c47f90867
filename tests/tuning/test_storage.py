"""A torn journal, and the heartbeats beside it."""

import os
from pathlib import Path

import optuna
import pytest
from optuna.trial import TrialState

from sb3_isr.tuning.storage import fail_stale_trials, open_storage, repair_journal


def study(path: Path, lease: int = 60) -> optuna.Study:
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    return optuna.create_study(storage=open_storage(str(path), lease), study_name="mine", load_if_exists=True)


def filled(path: Path, n_trials: int = 3) -> optuna.Study:
    mine = study(path)
    mine.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials)
    return mine


@pytest.mark.parametrize("n_bytes", [1, 20])
def test_a_line_torn_at_the_end_does_no_harm(n_bytes: int, tmp_path: Path) -> None:
    path = tmp_path / "journal.log"
    running = filled(path)
    whole = path.read_bytes()
    path.write_bytes(whole + whole.splitlines(keepends=True)[-1][:n_bytes])
    assert len(filled(path).trials) == 6
    assert path.read_bytes().startswith(whole)
    running.optimize(lambda trial: trial.suggest_float("x", 0, 1), 1)  # a worker that was there all the time
    assert len(study(path).trials) == 7


def test_what_others_wrote_after_a_torn_line_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "journal.log"
    filled(path)
    first, second, *rest = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(first + second + rest[0][:30] + b"".join(rest))  # by a worker of plain Optuna, say
    with pytest.raises(ValueError, match=r"is torn .*sb3-isr tune --repair .*journal\.log"):
        study(path)
    assert repair_journal(path) == 1
    assert path.read_bytes() == first + second + b"".join(rest)
    assert (tmp_path / "journal.log.torn").exists()
    assert len(study(path).trials) == 3


def test_a_whole_journal_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "journal.log"
    filled(path)
    before = path.stat()
    assert repair_journal(path) == 0
    assert path.stat().st_mtime_ns == before.st_mtime_ns
    assert not (tmp_path / "journal.log.torn").exists()
    with pytest.raises(FileNotFoundError):
        repair_journal(tmp_path / "no.log")


def test_a_worker_without_heartbeats_is_dead_and_one_with_them_is_not(tmp_path: Path) -> None:
    path = tmp_path / "journal.log"
    mine = study(path, lease=60)
    for _ in range(2):
        mine.ask().suggest_float("x", 0, 1)
    dead, alive = mine.trials
    fail_stale_trials(mine)
    assert [trial.state for trial in mine.trials] == [TrialState.RUNNING] * 2
    for trial in (dead, alive):
        mine._storage.record_heartbeat(trial._trial_id)  # type: ignore[attr-defined]
    lease = tmp_path / "journal.log.leases" / str(dead._trial_id)
    past = lease.stat().st_mtime - 61
    os.utime(lease, (past, past))
    other = study(path, lease=60)
    fail_stale_trials(other)
    fail_stale_trials(mine)  # the second one finds nothing to do
    assert [trial.state for trial in other.trials] == [TrialState.FAIL, TrialState.RUNNING, TrialState.WAITING]
    again = other.ask()
    assert (again.number, again.params) == (2, dead.params)


def test_a_trial_that_kills_each_worker_is_given_up(tmp_path: Path) -> None:
    mine = study(tmp_path / "journal.log", lease=60)
    for number in range(4):
        trial = mine.ask()
        assert trial.number == number
        mine._storage.record_heartbeat(trial._trial_id)  # type: ignore[attr-defined]
        lease = tmp_path / "journal.log.leases" / str(trial._trial_id)
        os.utime(lease, (0, 0))
        fail_stale_trials(mine)
    assert [trial.state for trial in mine.trials] == [TrialState.FAIL] * 4
    assert list((tmp_path / "journal.log.leases").iterdir()) == []


def test_what_is_no_journal_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("buy milk\nand bread\n")
    with pytest.raises(ValueError, match="or it is no journal"):
        open_storage(str(path))
    with pytest.raises(ValueError, match="--storage must be a database that can be reached") as error:
        open_storage("postgresql://nobody:secret@127.0.0.1:1/none")
    assert "secret" not in str(error.value)
