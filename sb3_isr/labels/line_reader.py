"""
Labels from lines of text, one label a line, read as if a stranger had written them.

A line may be as long as a label of its spaces needs, so that the file decides on no more memory than its labels take.
"""

from __future__ import annotations

import reprlib
from collections.abc import Callable, Iterator, Mapping
from itertools import count
from math import prod
from typing import IO, Any

import numpy as np
from gymnasium import spaces as gym_spaces

from sb3_isr.common.batches import Array, Observations
from sb3_isr.common.spaces import parts
from sb3_isr.labels.attributed import AttributedLabels, Spaces
from sb3_isr.labels.batch import LabelBatch
from sb3_isr.labels.transitions import Transitions

#: What each line must say.
NEEDED = ("observation", "action", "next_observation", "terminated", "social_reward")
#: What it may say, and what it means if it does not.
OPTIONAL: dict[str, Any] = {"question": "", "by": "", "time": 0.0}
#: The most bytes of a number with its comma and brackets, and of all else in a line.
MAX_NUMBER, MAX_REST = 40, 2**14
#: So many lines, or so many bytes, are checked together.
CHUNK_LINES, CHUNK_BYTES = 1024, 2**20

#: What a line says, by the names in :data:`NEEDED` and :data:`OPTIONAL`.
Row = Mapping[str, Any]


def read_line(file: IO[bytes], max_bytes: int) -> str:
    """
    Read a line of text.

    :param file: The file.
    :param max_bytes: The most bytes that it may have.
    :return: The line with its end; empty at the end of the file.
    :raises ValueError: If it is longer, or not in UTF-8.
    """
    line = file.readline(max_bytes + 1)
    if len(line) > max_bytes:
        raise ValueError(
            f"a line must have at most {max_bytes} bytes, as a label of these spaces has, got a longer one"
        )
    return line.decode()


def read_labels_from_lines(
    file: IO[bytes], spaces: Spaces, parse: Callable[[str], Row], first: int
) -> AttributedLabels:
    """
    Read labels, one a line; empty lines are left out.

    :param file: The file, of which the lines with labels are left to read.
    :param spaces: The spaces of the labels.
    :param parse: Says what is in a line.
    :param first: Number of the first line.
    :return: The labels.
    :raises ValueError: If a line is no label of these spaces.
    """
    chunks = [_labels(chunk, spaces) for chunk in _chunks(file, spaces, parse, first)]
    return AttributedLabels.concatenate(chunks or [AttributedLabels.none(spaces)])


def _chunks(
    file: IO[bytes], spaces: Spaces, parse: Callable[[str], Row], first: int
) -> Iterator[list[tuple[int, Row]]]:
    max_bytes = _max_bytes(spaces)
    chunk: list[tuple[int, Row]] = []
    n_bytes = 0
    for number in count(first):
        try:
            line = read_line(file, max_bytes)
            if line.strip():
                chunk.append((number, _checked(parse(line))))
        except (ValueError, RecursionError) as error:
            raise _in_line(number, error) from error
        n_bytes += len(line)
        if chunk and (not line or len(chunk) == CHUNK_LINES or n_bytes >= CHUNK_BYTES):
            yield chunk
            chunk, n_bytes = [], 0
        if not line:
            return


def n_numbers(spaces: Spaces) -> int:
    """
    Count the numbers in a line.

    :param spaces: The spaces of the labels.
    :return: The numbers of two observations and an action.
    """
    of_observation, of_action = (sum(prod(part.shape or ()) for part in parts(space).values()) for space in spaces)
    return 2 * of_observation + of_action


def _max_bytes(spaces: Spaces) -> int:
    return MAX_NUMBER * n_numbers(spaces) + MAX_REST + 2 * sum(map(len, parts(spaces.observation)))


def _checked(row: Any) -> Row:
    if not isinstance(row, dict):
        raise ValueError(f"it must say what {', '.join(NEEDED)} are, got {reprlib.repr(row)}")
    if missing := [name for name in NEEDED if name not in row]:
        raise ValueError(f"it must say what {', '.join(NEEDED)} are, and says nothing of {', '.join(missing)}")
    if unknown := [name for name in row if name not in NEEDED and name not in OPTIONAL]:
        raise ValueError(
            f"it may say {', '.join([*NEEDED, *OPTIONAL])}, got {reprlib.repr(unknown[0])}; rename or remove it"
        )
    if type(row["terminated"]) is not bool:
        raise ValueError(f"'terminated' must be true or false, got {reprlib.repr(row['terminated'])}")
    return {**OPTIONAL, **row}


def _labels(chunk: list[tuple[int, Row]], spaces: Spaces) -> AttributedLabels:
    try:
        return _batch([row for _, row in chunk], spaces)
    except ValueError:
        for number, row in chunk:  # which of them is it?
            try:
                _batch([row], spaces)
            except ValueError as error:
                raise _in_line(number, error) from error
        raise


def _batch(rows: list[Row], spaces: Spaces) -> AttributedLabels:
    observations, next_observations = (
        _observations([row[name] for row in rows], spaces.observation, name)
        for name in ("observation", "next_observation")
    )
    actions, terminated, social_rewards = (
        _array([row[name] for row in rows], name) for name in ("action", "terminated", "social_reward")
    )
    labels = LabelBatch(Transitions(observations, actions, next_observations, terminated), social_rewards)
    questions, by, times = ([row[name] for row in rows] for name in OPTIONAL)
    return AttributedLabels(spaces, labels, questions, by, _array(times, "time"))


def _observations(values: list[Any], space: Any, name: str) -> Observations:
    if not isinstance(space, gym_spaces.Dict):
        return _array(values, name)
    keys = space.spaces.keys()
    for value in values:
        if not isinstance(value, dict) or value.keys() != keys:
            raise ValueError(f"{name!r} must have the keys {', '.join(keys)}, got {reprlib.repr(value)}")
    return {key: _array([value[key] for value in values], f"{name} {key}") for key in keys}


def _array(values: list[Any], name: str) -> Array:
    try:
        array = np.asarray(values)
    except (ValueError, OverflowError) as error:  # ragged lists; integers that no float holds
        raise ValueError(
            f"{name!r} must be numbers in the shape of its space, got {reprlib.repr(values[0])}"
        ) from error
    return array


def _in_line(number: int, error: Exception) -> ValueError:
    what = "it is nested too deeply" if isinstance(error, RecursionError) else str(error)
    return ValueError(f"line {number}: {what}")
