"""The open format of labels as text: JSON Lines, a header and then one label a line. docs/labels.md describes it."""

from __future__ import annotations

import json
import reprlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from sb3_isr.common.batches import Array, Observations
from sb3_isr.common.files import replaced
from sb3_isr.labels.attributed import AttributedLabels
from sb3_isr.labels.label_header import MAX_HEADER, header_from_json, header_to_json
from sb3_isr.labels.line_reader import CHUNK_LINES, OPTIONAL, Row, n_numbers, read_labels_from_lines, read_line

#: So many numbers are written together.
CHUNK_NUMBERS = 2**16


def read_json_lines(path: Path) -> AttributedLabels:
    """
    Read labels from JSON Lines.

    :param path: The file.
    :return: The labels.
    :raises ValueError: If a line is not what it must be, or lines are missing.
    """
    with path.open("rb") as file:
        spaces, n_labels = header_from_json(read_line(file, MAX_HEADER))
        labels = read_labels_from_lines(file, spaces, _parse, first=2)
    if n_labels is not None and n_labels != len(labels):
        raise ValueError(f"its header says that it has {n_labels} labels, got {len(labels)}")
    return labels


def write_json_lines(path: Path, labels: AttributedLabels) -> None:
    """
    Write labels as JSON Lines, completely or not at all.

    :param path: The file; an existing one is replaced only once the new one is complete.
    :param labels: The labels.
    """
    header = header_to_json(labels.spaces, len(labels))
    with replaced(path) as partial, partial.open("w", encoding="utf-8", newline="\n") as file:
        file.write(f"{header}\n")
        for row in _rows(labels):
            file.write(json.dumps(row, allow_nan=False, ensure_ascii=False, separators=(", ", ": ")) + "\n")


def _rows(labels: AttributedLabels) -> Iterator[Row]:
    # Python's numbers take many times the memory of an array's: not too many of them at once.
    size = max(1, min(CHUNK_LINES, CHUNK_NUMBERS // n_numbers(labels.spaces)))
    for start in range(0, len(labels), size):
        chunk = labels.select(np.arange(start, min(start + size, len(labels))))
        (observations, actions, next_observations, terminated), social_rewards = chunk.labels
        columns = {
            "observation": _observations_to_json(observations),
            "action": _to_json(actions),
            "next_observation": _observations_to_json(next_observations),
            "terminated": terminated.tolist(),
            "social_reward": _to_json(social_rewards),
            "question": chunk.questions,
            "by": chunk.by,
            "time": chunk.times.tolist(),
        }
        for values in zip(*columns.values(), strict=True):
            row = dict(zip(columns, values, strict=True))
            yield {name: value for name, value in row.items() if name not in OPTIONAL or value != OPTIONAL[name]}


def _observations_to_json(observations: Observations) -> list[Any]:
    if not isinstance(observations, dict):
        return _to_json(observations)
    columns = [_to_json(part) for part in observations.values()]
    return [dict(zip(observations, values, strict=True)) for values in zip(*columns, strict=True)]


def _to_json(array: Array) -> list[Any]:
    if array.dtype.kind == "f" and array.dtype.itemsize < 8:
        # 0.1 in place of 0.10000000149011612, of which the nearest number of the dtype is the same
        array = array.astype(str).astype(np.float64)
    values: list[Any] = array.tolist()
    return values


def _parse(line: str) -> Any:
    try:
        return json.loads(line, parse_constant=_refuse_constant)
    except json.JSONDecodeError as error:
        raise ValueError(
            f"it must be JSON, got {reprlib.repr(line.strip())} ({error.msg} at character {error.colno})"
        ) from error


def _refuse_constant(constant: str) -> NoReturn:
    raise ValueError(f"its numbers must be finite, got {constant}")
