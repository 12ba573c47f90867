"""
Storages of studies: a journal file for one machine (or a folder that several share), or a database for many.

In both a worker sends heartbeats while it runs a trial. If they end without a result (the worker was killed, its
machine is gone), the trial is marked as failed and put back into the queue with the same parameters.
"""

from __future__ import annotations

import json
import os
import shutil
import time
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import optuna
from optuna.exceptions import ExperimentalWarning
from optuna.storages import BaseStorage, JournalStorage, RDBStorage, RetryHeartbeatStaleTrialCallback
from optuna.storages._heartbeat import BaseHeartbeat
from optuna.storages.journal import JournalFileBackend, JournalFileSymlinkLock
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy.exc import SQLAlchemyError

from sb3_isr.common.files import replaced

#: Seconds without a heartbeat after which a worker counts as dead.
LEASE = 60
#: The shortest lease: it has six heartbeats, at most one a second.
SHORTEST_LEASE = 6
#: How often a trial whose worker died is tried again: one that kills each worker must end at some time.
MAX_RETRIES = 3


def open_storage(storage: str, lease: int = LEASE) -> BaseStorage:
    """
    Open a storage, in which trials of dead workers are tried again.

    :param storage: The path of a journal file, made if it does not exist; or a database's URL, ``postgresql://...``.
    :param lease: Seconds without a heartbeat after which a worker counts as dead.
    :return: The storage.
    :raises ValueError: If the journal is damaged, or the database cannot be reached.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        callback = RetryHeartbeatStaleTrialCallback(max_retry=MAX_RETRIES)
        if is_url(storage):
            return _open_database(storage, lease, callback)
        return _open_journal(Path(storage), lease, callback)


def is_url(storage: str) -> bool:
    """
    Tell a database's URL from a path.

    :param storage: As for :func:`open_storage`.
    :return: Whether it is a database's URL.
    """
    return "://" in storage


def retry(study: Study, trial: FrozenTrial) -> None:
    """
    Put a trial that was interrupted on purpose back into the queue.

    :param study: The study.
    :param trial: The trial, which has been marked as failed.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        RetryHeartbeatStaleTrialCallback()(study, trial)


def fail_stale_trials(study: Study) -> None:
    """
    Look for trials whose worker is dead, and have them tried again.

    :param study: The study.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        optuna.storages.fail_stale_trials(study)


class LeasedJournal(JournalStorage, BaseHeartbeat):
    """
    Optuna's journal, with the heartbeat that Optuna has for databases only.

    A worker touches a file for each trial it runs, in a folder beside the journal. Times are those of that folder's
    file system, so that machines whose clocks differ agree.

    :param path: The journal.
    :param lease: Seconds since the last touch after which a worker counts as dead.
    :param callback: Called with the study and each trial that was marked as failed.
    """

    def __init__(self, path: Path, lease: int, callback: Callable[[Study, FrozenTrial], None]) -> None:
        self._leases = path.with_name(f"{path.name}.leases")
        self._leases.mkdir(parents=True, exist_ok=True)
        self._lease = lease
        self._callback = callback
        super().__init__(_Journal(os.fspath(path)))

    def record_heartbeat(self, trial_id: int) -> None:
        """
        Record that this worker is alive.

        :param trial_id: The trial that it runs.
        """
        (self._leases / str(trial_id)).touch()

    def get_heartbeat_interval(self) -> int:
        """
        Get the interval of heartbeats.

        :return: Seconds between two heartbeats.
        """
        return _beat(self._lease)

    def get_heartbeat_stale_trial_callback(self) -> Callable[[Study, FrozenTrial], None]:
        """
        Get the callback for trials of dead workers.

        :return: The callback.
        """
        return self._callback

    def set_trial_state_values(self, trial_id: int, state: TrialState, values: Sequence[float] | None = None) -> bool:
        """Set a trial's state as JournalStorage does; a finished trial has no lease."""
        if state == TrialState.RUNNING:
            self.record_heartbeat(trial_id)
        is_set = super().set_trial_state_values(trial_id, state, values)
        if state.is_finished():
            (self._leases / str(trial_id)).unlink(missing_ok=True)
        return is_set

    def _get_stale_trial_ids(self, study_id: int) -> list[int]:
        reference = self._leases / f"now.{os.getpid()}"
        reference.touch()
        now = reference.stat().st_mtime
        reference.unlink()
        running = self.get_all_trials(study_id, deepcopy=False, states=(TrialState.RUNNING,))
        return [trial._trial_id for trial in running if now - self._last_heartbeat(trial) > self._lease]

    def _last_heartbeat(self, trial: FrozenTrial) -> float:
        try:
            return (self._leases / str(trial._trial_id)).stat().st_mtime
        except FileNotFoundError:  # killed before its first heartbeat, or about to send it
            return trial.datetime_start.timestamp() if trial.datetime_start else time.time()


def repair_journal(path: Path) -> int:
    """
    Remove torn lines from a journal, which a worker leaves that is killed while it writes.

    The old file is kept beside it, with the ending ``.torn``. No worker may be running.

    :param path: The journal.
    :return: Number of torn lines. If a line has a whole record after the torn one, that record is kept.
    :raises FileNotFoundError: If there is no journal.
    """
    lock = JournalFileSymlinkLock(os.fspath(path))
    lock.acquire()
    try:
        lines = path.read_bytes().splitlines(keepends=True)
        whole = [_whole_part(line) for line in lines]
        n_torn = sum(line != part for line, part in zip(lines, whole, strict=True))
        if n_torn:
            shutil.copy2(path, path.with_name(f"{path.name}.torn"))
            with replaced(path) as partial:
                partial.write_bytes(b"".join(whole))
    finally:
        lock.release()
    return n_torn


def _open_database(url: str, lease: int, callback: Callable[[Study, FrozenTrial], None]) -> RDBStorage:
    # Workers that start at the same moment may all try to make the tables; all but one of them fail, and find them.
    for is_last in (False, False, True):
        try:
            return RDBStorage(
                url.replace("postgresql://", "postgresql+psycopg://", 1),
                heartbeat_interval=_beat(lease),
                grace_period=lease,
                heartbeat_stale_trial_callback=callback,
            )
        except ImportError as error:
            raise ValueError(
                f"--storage needs the database's driver: pip install 'sb3-isr[tuning]' ({error})"
            ) from error
        except SQLAlchemyError as error:
            if is_last:
                raise ValueError(
                    "--storage must be a database that can be reached and written, as in "
                    f"postgresql://user:password@host:5432/database, got the error: {error}"
                ) from error
            time.sleep(1.0)
    raise AssertionError  # never reached


def _beat(lease: int) -> int:
    """Seconds between two heartbeats."""
    return max(1, lease // 6)


class _Journal(JournalFileBackend):
    """Optuna's backend; it first removes a torn line at the end, which a killed worker has left."""

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        self._lock.acquire()
        try:
            self._remove_torn_end()
        finally:
            self._lock.release()
        super().append_logs(logs)

    def _remove_torn_end(self) -> None:
        with open(self._file_path, "rb+") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - 1))
            if size and file.read(1) != b"\n":
                file.seek(0)
                file.truncate(file.read().rfind(b"\n") + 1)


def _open_journal(path: Path, lease: int, callback: Callable[[Study, FrozenTrial], None]) -> LeasedJournal:
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        return LeasedJournal(path, lease, callback)
    except (ValueError, KeyError) as error:  # Optuna's errors at a line that is not JSON, or half of it
        raise ValueError(
            f"A journal must be whole lines of JSON, got {path}, which is torn ({error}): a worker was killed while it "
            f"wrote, or it is no journal. Stop all workers, then: sb3-isr tune --repair {path}"
        ) from error


def _whole_part(line: bytes) -> bytes:
    """The line if it is whole; else the whole record at its end, which another worker wrote after the torn one."""
    start = 0
    while start >= 0:
        if line.endswith(b"\n") and _is_record(line[start:]):
            return line[start:]
        start = line.find(b'{"op_code"', start + 1)
    return b""


def _is_record(text: bytes) -> bool:
    try:
        record: Any = json.loads(text)
    except ValueError:
        return False
    return isinstance(record, dict) and "op_code" in record
