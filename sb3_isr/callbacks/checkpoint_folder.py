"""
The folder of checkpoints: which of them are whole, which is the newest, and who may write there.

A checkpoint is written beside the others and renamed when it is complete. Its last file lists the others, with their
sizes, so that a folder in which something is missing is no checkpoint. A process that writes holds a lock, which the
operating system takes back when the process ends, however it ends; what it left half done is then anybody's to remove.
"""

from __future__ import annotations

import errno
import json
import os
import shutil
import socket
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any, NamedTuple

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

_CONTENTS = "checkpoint.json"


class _Lock(NamedTuple):
    file: IO[bytes]
    process: int
    thread: threading.Thread


#: The folders in which this process writes. POSIX locks are held by a process, whichever part of it took them.
_LOCKS: dict[str, _Lock] = {}


class CheckpointFolder:
    """
    A folder in which one process at a time writes checkpoints.

    :param path: The folder; made when it is opened.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)

    def newest(self) -> Path | None:
        """
        Look for the checkpoint that was written last.

        :return: Its path; None if there is no whole one.
        """
        return max(self._whole(), key=lambda path: _read(path)["number"], default=None)

    def contents(self, path: Path) -> dict[str, Any]:
        """
        Read the description of a checkpoint.

        :param path: A whole checkpoint.
        :return: What was given to :meth:`writing`.
        """
        description: dict[str, Any] = _read(path)["description"]
        return description

    def open(self) -> None:
        """
        Prepare for writing: lock the folder, and remove what killed processes left half done.

        :raises ValueError: If another process or thread writes there, or this one may not.
        """
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            self._lock()
            self._sweep()
            (self.path / "partial").mkdir()
            (self.path / "partial").rmdir()
        except OSError as error:
            raise ValueError(
                f"ISRCheckpoint must be able to write in its folder, got {os.fspath(self.path)!r} ({error}); give it "
                "another one, or make room or give permission there."
            ) from error

    def close(self) -> None:
        """Let others write in the folder."""
        name = os.path.realpath(self.path)
        if name in _LOCKS and _LOCKS[name].thread is threading.current_thread():
            with suppress(OSError):  # the folder may be gone
                (self.path / "lock").unlink()
            _LOCKS.pop(name).file.close()

    @contextmanager
    def writing(self, step: int, description: dict[str, Any]) -> Iterator[Path]:
        """
        Write a checkpoint, completely or not at all; then remove the older ones.

        :param step: Environment steps so far.
        :param description: What :meth:`contents` returns of it.
        :return: The folder in which to write its files.
        """
        self.open()
        partial, older = self.path / "partial", self._whole()
        try:
            partial.mkdir()
            yield partial
            number = 1 + max((_read(path)["number"] for path in older), default=0)
            sizes = {path.name: path.stat().st_size for path in partial.iterdir()}
            contents = {"number": number, "step": step, "description": description, "files": sizes}
            (partial / _CONTENTS).write_text(json.dumps(contents, indent=1))
            for path in [*partial.iterdir(), partial]:
                _flush(path)
            complete = self.path / f"step_{step:012d}"
            partial.rename(complete.with_name(f"{complete.name}.{number}") if complete.exists() else complete)
        except BaseException:
            shutil.rmtree(partial, ignore_errors=True)  # so that a disk that it filled has room again
            raise
        _flush(self.path)
        for path in older:
            with suppress(OSError):
                path.rename(self.path / f"removed.{path.name}")  # at once no checkpoint any more
        self._sweep()

    def _whole(self) -> list[Path]:
        return [path for path in self.path.glob("step_*") if _is_whole(path)]

    def _sweep(self) -> None:
        for path in [*self.path.glob("removed.*"), self.path / "partial"]:
            shutil.rmtree(path, ignore_errors=True)

    def _lock(self) -> None:
        path, name = self.path / "lock", os.path.realpath(self.path)
        held = _LOCKS.get(name)
        if held is not None and held.process == os.getpid():
            if held.thread is not threading.current_thread() and held.thread.is_alive():
                raise self._is_used(f"another thread of this process, {held.thread.name}")
            if _is_same(held.file, path):
                # Its training was interrupted: within one thread there are no two at a time.
                _LOCKS[name] = held._replace(thread=threading.current_thread())
                return
        while True:
            file = path.open("ab+", buffering=0)
            try:
                if fcntl is not None:
                    fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                file.seek(0)
                owner = file.read().decode()
                if error.errno in (errno.EACCES, errno.EAGAIN):
                    file.close()
                    raise self._is_used(owner) from None
                warnings.warn(
                    f"The file system of {os.fspath(self.path)!r} has no locks ({error}): take care that no other "
                    "process writes its checkpoints there.",
                    stacklevel=2,
                )
            if _is_same(file, path):
                break
            file.close()  # its owner removed it just now
        with suppress(OSError):  # a full disk: what follows may free it
            file.truncate(0)
            file.write(f"process {os.getpid()} on {socket.gethostname()}".encode())
        _LOCKS[name] = _Lock(file, os.getpid(), threading.current_thread())

    def _is_used(self, owner: str) -> ValueError:
        return ValueError(
            f"One training at a time can write its checkpoints in a folder, got {os.fspath(self.path)!r}, in which "
            f"{owner} trains; give each training a folder of its own, or end that one first."
        )


def _is_whole(path: Path) -> bool:
    try:
        return all((path / name).stat().st_size == size for name, size in _read(path)["files"].items())
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return False


def _read(path: Path) -> dict[str, Any]:
    contents: dict[str, Any] = json.loads((path / _CONTENTS).read_text())
    return contents


def _is_same(file: IO[bytes], path: Path) -> bool:
    """Whether a path still leads to an open file."""
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except OSError:
        return False


def _flush(path: Path) -> None:
    """Let the disk have a file, or the names in a folder, before others rely on it."""
    if path.is_dir() and os.name == "nt":
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
