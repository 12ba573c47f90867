"""Files of labels that can be handed on: the format is told by a file's ending."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import gymnasium as gym

from sb3_isr.labels import store_file
from sb3_isr.labels.attributed import AttributedLabels, Spaces
from sb3_isr.labels.file_errors import reading
from sb3_isr.labels.json_lines import read_json_lines, write_json_lines
from sb3_isr.labels.label_csv import read_csv
from sb3_isr.labels.label_tensors import read_tensors, write_tensors
from sb3_isr.labels.store import LabelStore

#: What can be read but not written: it does not say what its spaces are.
_WITHOUT_SPACES = (".csv", ".npz")


def read_labels(
    path: str | os.PathLike[str], spaces: tuple[gym.Space[Any], gym.Space[Any]] | None = None
) -> AttributedLabels:
    """
    Read a file of labels, completely or not at all.

    The file may come from a stranger: nothing in it is executed, and it takes little more memory than its labels.

    :param path: ``.jsonl``, ``.safetensors``, ``.csv``, or the ``.npz`` of a label store.
    :param spaces: Observation space and action space: of a CSV or npz, which do not hold them; a file that does must
        have the same.
    :return: The labels.
    :raises LabelFileError: A ValueError, if the file is damaged, or does not fit the spaces.
    :raises ValueError: If a CSV or npz is given without spaces, or the file has another ending.
    :raises OSError: If the file does not exist or may not be read.
    """
    path = Path(path)
    ending = _ending(path, ".jsonl", ".safetensors", *_WITHOUT_SPACES)
    if spaces is None and ending in _WITHOUT_SPACES:
        raise ValueError(
            f"A {ending} file does not say which spaces its labels have, got {os.fspath(path)!r} alone; name the "
            "environment (--env), or in Python the spaces: read_labels(path, (observation_space, action_space))."
        )
    if spaces is not None and ending == ".npz":
        return _read_store(path, Spaces(*spaces))
    with reading(path, "correct it there, or get the file from a backup"):
        if spaces is not None and ending == ".csv":
            return read_csv(path, Spaces(*spaces))
        labels = read_json_lines(path) if ending == ".jsonl" else read_tensors(path)
        if spaces is not None:
            labels.check_spaces(spaces)
        return labels


def write_labels(path: str | os.PathLike[str], labels: AttributedLabels) -> None:
    """
    Write a file of labels, completely or not at all.

    :param path: ``.jsonl``, or ``.safetensors``, which is a fraction of the size. An existing file is replaced only
        once the new one is complete.
    :param labels: The labels.
    :raises ValueError: If the file has another ending.
    """
    path = Path(path)
    ending = _ending(path, ".jsonl", ".safetensors")
    (write_json_lines if ending == ".jsonl" else write_tensors)(path, labels)


def _ending(path: Path, *known: str) -> str:
    ending = path.suffix.lower()
    if ending not in known:
        raise ValueError(f"A file of labels must end in {', '.join(known)}, got {os.fspath(path)!r}; rename it.")
    return ending


def _read_store(path: Path, spaces: Spaces) -> AttributedLabels:
    # A larger store would take the labels of a full one for too few.
    store = LabelStore(*spaces, capacity=max(1, store_file.n_labels(path)))
    store.load(path)
    return AttributedLabels(spaces, store.labels())
