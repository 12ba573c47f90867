"""Labels from CSV, as spreadsheets and other programs write it. docs/labels.md lists its columns."""

from __future__ import annotations

import csv
import reprlib
from math import prod
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium import spaces as gym_spaces

from sb3_isr.common.batches import Array
from sb3_isr.labels.attributed import AttributedLabels, Spaces
from sb3_isr.labels.label_header import MAX_HEADER
from sb3_isr.labels.line_reader import OPTIONAL, Row, read_labels_from_lines, read_line

_TRUTH = {"1": True, "true": True, "0": False, "false": False}


def read_csv(path: Path, spaces: Spaces) -> AttributedLabels:
    """
    Read labels from CSV.

    :param path: The file.
    :param spaces: The spaces of the labels; the observation space must not be a Dict.
    :return: The labels.
    :raises ValueError: If a column is missing or not known, or a line does not fit the spaces.
    """
    if isinstance(spaces.observation, gym_spaces.Dict):
        raise ValueError("its columns cannot hold the observations of a Dict space; write JSON Lines or safetensors")
    with path.open("rb") as file:
        columns = _Columns(_fields(read_line(file, MAX_HEADER).removeprefix("\ufeff")), spaces)
        return read_labels_from_lines(file, spaces, columns.parse, first=2)


class _Columns:
    """Finds what a line says by the names of the columns."""

    def __init__(self, names: list[str], spaces: Spaces) -> None:
        self._n = len(names)
        self._places = {name.strip(): place for place, name in enumerate(names)}
        observation, action = (_shape(space) for space in spaces)
        self._parts = {
            "observation": ("obs", observation),
            "action": ("action", action),
            "next_observation": ("next_obs", observation),
        }
        needed = [f"{name}_{i}" for name, shape in self._parts.values() for i in range(prod(shape))]
        needed += ["terminated", "social_reward"]
        missing = [name for name in needed if name not in self._places]
        unknown = [name for name in self._places if name not in {*needed, *OPTIONAL}]
        if missing or unknown or len(self._places) != self._n:
            raise ValueError(
                f"line 1: its columns must be obs_0 to obs_{prod(observation) - 1}, action_0 to action_"
                f"{prod(action) - 1}, next_obs_0 to next_obs_{prod(observation) - 1}, terminated and social_reward, "
                f"each once (and {', '.join(OPTIONAL)} if they are known), with commas between them; missing are "
                f"{reprlib.repr(missing)}, not known {reprlib.repr(unknown)}"
            )
        self._indices = {
            key: [self._places[f"{name}_{i}"] for i in range(prod(shape))] for key, (name, shape) in self._parts.items()
        }

    def parse(self, line: str) -> Row:
        """Say what is in a line."""
        fields = _fields(line)
        if len(fields) != self._n:
            raise ValueError(f"it must have {self._n} fields, as the first line has, got {len(fields)}")
        terminated = fields[self._places["terminated"]].strip().lower()
        if terminated not in _TRUTH:
            raise ValueError(f"terminated must be 0, 1, true or false, got {reprlib.repr(terminated)}")
        row: dict[str, Any] = {
            key: _numbers([fields[place] for place in self._indices[key]]).reshape(shape)
            for key, (_, shape) in self._parts.items()
        }
        row |= {name: fields[self._places[name]].strip() for name in OPTIONAL if name in self._places}
        if "time" in row:
            row["time"] = _numbers([row["time"] or "0"])[0]
        (social_reward,) = _numbers([fields[self._places["social_reward"]]])
        return {**row, "terminated": _TRUTH[terminated], "social_reward": social_reward}


def _fields(line: str) -> list[str]:
    try:
        return next(csv.reader([line], strict=True), [])
    except csv.Error as error:
        raise ValueError(f"it must be CSV, got {reprlib.repr(line.strip())} ({error})") from error


def _numbers(fields: list[str]) -> Array:
    try:
        return np.array(fields, np.float64)
    except ValueError as error:
        raise ValueError(
            f"its numbers must be written with a point, as 1.5, got {reprlib.repr(fields)} among them"
        ) from error


def _shape(space: gym.Space[Any]) -> tuple[int, ...]:
    return space.shape or ()
