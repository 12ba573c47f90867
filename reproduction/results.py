"""
The results of runs.

A run that finishes leaves a JSON file in its own folder, so that any number of machines can write without locks;
:meth:`Results.pack` moves these files into archives, which are committed.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import Any

from reproduction.runs import Run
from sb3_isr.common.files import replaced, write_text
from sb3_isr.common.versions import versions

Result = dict[str, Any]


@dataclass(frozen=True)
class Results:
    """
    Results of runs, in archives and in single files.

    :param archives: Folder of archives: gzipped JSON Lines, one for each protocol and kind, ``fast/autonomy.jsonl.gz``.
    :param work: Folder in which runs are made: results, weights and labels, in a folder for each run.
    """

    archives: Path
    work: Path

    def file(self, run: Run) -> Path:
        """
        Get the single file of a result.

        :param run: Any run.
        :return: Its path, whether it exists or not.
        """
        return self.work / run.path / "result.json"

    def archive(self, run: Run) -> Path:
        """
        Get the archive of a result.

        :param run: Any run.
        :return: Its path, whether it exists or not.
        """
        return _archive(self.archives, run.path)

    def __contains__(self, run: Run) -> bool:
        return str(run.path) in _read_archive(self.archive(run)) or self.file(run).exists()

    def read(self, run: Run) -> Result:
        """
        Read a result. A single file takes precedence over an archive.

        :param run: A run that is done.
        :return: Its result.
        :raises ValueError: If the result is that of a run with other settings.
        """
        file = self.file(run)
        is_single = file.exists()
        result: Result = json.loads(file.read_text()) if is_single else _read_archive(self.archive(run))[str(run.path)]
        expected = json.loads(json.dumps(asdict(run)))
        if result["run"] != expected:
            place, remedy = (file, "delete the file") if is_single else (self.archive(run), "name other --results")
            raise ValueError(
                f"{place} must hold the result of {expected}, but has that of {result['run']}: the experiment has "
                f"been changed since; to make the run again, {remedy}."
            )
        return result

    def write(self, run: Run, result: Mapping[str, Any]) -> None:
        """
        Write a result to its single file, completely or not at all.

        :param run: The run.
        :param result: The result; configuration and versions are added.
        """
        described = {"run": asdict(run), "versions": versions(), **result}
        write_text(self.file(run), json.dumps(described, separators=(",", ":")) + "\n")

    def pack(self) -> int:
        """
        Move all single files into the archives, in place of earlier results of the same runs.

        Nothing else may be packing at the same time.

        :return: Number of results that were moved.
        """
        files = {
            PurePosixPath(file.parent.relative_to(self.work).as_posix()): file
            for file in self.work.glob("*/*/*/seed_*/result.json")
        }
        for archive in {_archive(self.archives, path) for path in files}:
            new = {path: file for path, file in files.items() if _archive(self.archives, path) == archive}
            packed = {str(path): json.loads(file.read_text()) for path, file in new.items()}
            write_archive(archive, {**_read_archive(archive), **packed})
            for file in new.values():
                file.unlink()
        return len(files)


def write_archive(path: Path, results: Mapping[str, Result]) -> None:
    """
    Write an archive, completely or not at all; the same results are the same bytes.

    :param path: The file.
    :param results: Results by the path of their run.
    """
    lines = [json.dumps({"path": name, **results[name]}, separators=(",", ":")) + "\n" for name in sorted(results)]
    with replaced(path) as partial:
        partial.write_bytes(gzip.compress("".join(lines).encode(), mtime=0))


def _archive(folder: Path, run: PurePosixPath) -> Path:
    protocol, kind, *_ = run.parts
    return folder / protocol / f"{kind}.jsonl.gz"


def _read_archive(path: Path) -> dict[str, Result]:
    """Results by the path of their run; empty if there is no archive."""
    try:
        return _read_archive_once(path, path.stat().st_mtime_ns)
    except FileNotFoundError:
        return {}


@lru_cache(maxsize=32)
def _read_archive_once(path: Path, modified: int) -> dict[str, Result]:
    results = map(json.loads, gzip.decompress(path.read_bytes()).decode().splitlines())
    return {result.pop("path"): result for result in results}
