"""The header of files of labels: format, version and spaces, as JSON."""

from __future__ import annotations

import json
import reprlib
from typing import Any

import gymnasium as gym

from sb3_isr.common.batches import MAX_INTEGER
from sb3_isr.common.space_json import space_from_json, space_to_json
from sb3_isr.common.spaces import check_spaces
from sb3_isr.labels.attributed import Spaces
from sb3_isr.version import __version__

FORMAT = "sb3-isr labels"
#: Raised by one whenever an older sb3-isr could not read what is written.
VERSION = 1
#: The most bytes of a header.
MAX_HEADER = 2**24


def header_to_json(spaces: Spaces, n_labels: int) -> str:
    """
    Write a header.

    :param spaces: Observation space and action space.
    :param n_labels: Number of labels in the file.
    :return: JSON, in one line.
    :raises ValueError: If it would be too long to be read.
    """
    header = {
        "format": FORMAT,
        "version": VERSION,
        "sb3_isr": __version__,
        "n_labels": n_labels,
        "observation_space": space_to_json(spaces.observation),
        "action_space": space_to_json(spaces.action),
    }
    text = json.dumps(header, allow_nan=False)
    if len(text) >= MAX_HEADER:
        raise ValueError(
            f"The header of a file of labels must have less than {MAX_HEADER} bytes, got {len(text)}, most of them "
            "bounds of spaces; wrap the environment so that a Box has the same bounds everywhere."
        )
    return text


def header_from_json(text: str) -> tuple[Spaces, int | None]:
    """
    Read a header that may have been written by anyone.

    :param text: JSON.
    :return: The spaces; and the number of labels, None if the header does not say it.
    :raises ValueError: If it is no header of a file of labels, or one of a later version.
    """
    try:
        header: Any = json.loads(text)
    except (ValueError, RecursionError):
        header = None
    if not isinstance(header, dict) or header.get("format") != FORMAT:
        raise ValueError(
            f'its header must be JSON with "format": "{FORMAT}", got {reprlib.repr(text.strip())}; write one as in '
            "docs/labels.md, or name the format by the file's ending: .jsonl, .safetensors, .csv or .npz"
        )
    version, n_labels = header.get("version"), header.get("n_labels")
    if type(version) is not int or not 1 <= version <= VERSION:
        raise ValueError(
            f"its version must be a number from 1 to {VERSION}, got {reprlib.repr(version)}; if it is a later one, "
            "install a later sb3-isr"
        )
    if n_labels is not None and (type(n_labels) is not int or not 0 <= n_labels <= MAX_INTEGER):
        raise ValueError(
            f"'n_labels' must be a number of labels, got {reprlib.repr(n_labels)}; correct it or leave it out"
        )
    spaces: list[gym.Space[Any]] = []
    for name in ("observation_space", "action_space"):
        try:
            spaces.append(space_from_json(header.get(name)))
        except ValueError as error:
            raise ValueError(f"{name!r} in its header: {error}") from error
    check_spaces(*spaces)
    return Spaces(*spaces), n_labels
