"""Result files: one for each run, written whole or not at all."""

from __future__ import annotations

import json
import os
from dataclasses import asdict
from pathlib import Path
from typing import Any

import gymnasium
import numpy
import stable_baselines3
import torch

from reproduction.runs import Run
from sb3_isr.version import __version__


class Results:
    """
    A folder of result files.

    :param folder: The folder; made when the first result is written.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def path(self, run: Run) -> Path:
        """
        :param run: Any run.
        :return: Where its result lies, or would.
        """
        return self.folder / f"{run.path}.json"

    def __contains__(self, run: Run) -> bool:
        return self.path(run).exists()

    def read(self, run: Run) -> dict[str, Any]:
        """
        :param run: A run that is done.
        :return: Its result.
        :raises ValueError: If the file holds the result of a run with other settings.
        """
        path = self.path(run)
        result: dict[str, Any] = json.loads(path.read_text())
        expected = json.loads(json.dumps(asdict(run)))
        if result["run"] != expected:
            raise ValueError(
                f"{path} must hold the result of {expected}, but is that of {result['run']}: the experiment has been "
                "changed since. Delete the file to run it again, or name another folder of results."
            )
        return result

    def write(self, run: Run, result: dict[str, Any]) -> None:
        """
        :param run: A run.
        :param result: What came of it; configuration and versions are added.
        """
        described = {"run": asdict(run), "versions": versions(), **result}
        write_text(self.path(run), json.dumps(described, separators=(",", ":")) + "\n")


def versions() -> dict[str, str]:
    """
    :return: What numbers depend on.
    """
    return {
        "sb3_isr": __version__,
        "stable_baselines3": stable_baselines3.__version__,
        "gymnasium": gymnasium.__version__,
        "torch": str(torch.__version__),
        "numpy": numpy.__version__,
    }


def write_text(path: Path, text: str) -> None:
    """
    :param path: The file; its folder is made. One that is there is replaced once the new one is complete.
    :param text: What to write.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{path.name}.{os.getpid()}.partial")
    partial.write_text(text)
    os.replace(partial, path)
