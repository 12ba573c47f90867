"""The open format of labels as arrays: safetensors, with the header in their metadata. docs/labels.md describes it."""

from __future__ import annotations

import reprlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import safetensors
import safetensors.numpy

from sb3_isr.common.batches import Array, Observations
from sb3_isr.common.files import replaced
from sb3_isr.labels.attributed import MAX_TEXT, AttributedLabels
from sb3_isr.labels.batch import LabelBatch
from sb3_isr.labels.checked import zero_labels
from sb3_isr.labels.label_header import MAX_HEADER, header_from_json, header_to_json
from sb3_isr.labels.transitions import Transitions

#: The key of the header in the metadata.
_KEY = "labels"
#: The most bytes of what safetensors put before the arrays: the header, escaped, and the arrays' names and places.
_MAX_METADATA = 2 * MAX_HEADER
#: safetensors' names of dtypes.
_DTYPES = {"bool": "BOOL", "float16": "F16", "float32": "F32", "float64": "F64"} | {
    f"{kind}{bits}": f"{letter}{bits}" for kind, letter in (("int", "I"), ("uint", "U")) for bits in (8, 16, 32, 64)
}


def read_tensors(path: Path) -> AttributedLabels:
    """
    Read labels from safetensors. Memory is allocated only for what is in the file.

    :param path: The file.
    :return: The labels.
    :raises ValueError: If an array is missing, or is not what the spaces say.
    """
    with path.open("rb") as file:
        n_bytes = int.from_bytes(file.read(8), "little")
    if n_bytes > _MAX_METADATA:
        raise ValueError(f"its metadata must have at most {_MAX_METADATA} bytes, got {n_bytes}")
    with safetensors.safe_open(path, "numpy") as opened:
        spaces, n_labels = header_from_json((opened.metadata() or {}).get(_KEY, ""))
        arrays = _Arrays(opened)
        like = zero_labels(*spaces, 0)
        social_rewards = arrays.read("social_reward", like.social_rewards)
        transitions = Transitions(
            arrays.observations("observation", like.transitions.observations),
            arrays.read("action", like.transitions.actions),
            arrays.observations("next_observation", like.transitions.next_observations),
            arrays.read("terminated", like.transitions.terminated),
        )
        questions, by = arrays.texts("question"), arrays.texts("by")
        times = arrays.read("time", np.zeros(0)) if "time" in arrays.left else None
    if arrays.left:
        raise ValueError(f"it must hold what docs/labels.md lists, got {reprlib.repr(sorted(arrays.left))} too")
    if n_labels is not None and n_labels != len(social_rewards):
        raise ValueError(f"its header says that it has {n_labels} labels, got {len(social_rewards)}")
    return AttributedLabels(spaces, LabelBatch(transitions, social_rewards), questions, by, times)


def write_tensors(path: Path, labels: AttributedLabels) -> None:
    """
    Write labels as safetensors, completely or not at all.

    :param path: The file; an existing one is replaced only once the new one is complete.
    :param labels: The labels.
    """
    (observations, actions, next_observations, terminated), social_rewards = labels.labels
    arrays = {
        **_named("observation", observations),
        "action": actions,
        **_named("next_observation", next_observations),
        "terminated": terminated,
        "social_reward": social_rewards,
        **_texts_to_array("question", labels.questions),
        **_texts_to_array("by", labels.by),
        **({"time": labels.times} if labels.times.any() else {}),
    }
    content = safetensors.numpy.save(
        {name: np.ascontiguousarray(array).reshape(array.shape) for name, array in arrays.items()},
        {_KEY: header_to_json(labels.spaces, len(labels))},
    )
    with replaced(path) as partial:
        partial.write_bytes(content)


class _Arrays:
    """The arrays of an opened file, of which nothing is believed."""

    def __init__(self, file: Any) -> None:
        self._file = file
        #: Names of the arrays that have not been read.
        self.left = set(file.keys())

    def read(self, name: str, like: Array) -> Array:
        """Read an array ``[n, ...]``, which must have the dtype and the further axes of another one."""
        dtype, shape = self._about(name)
        if dtype != _DTYPES[str(like.dtype)] or len(shape) != like.ndim or shape[1:] != list(like.shape[1:]):
            wanted = ", ".join(["n", *map(str, like.shape[1:])])
            raise ValueError(
                f"its {name!r} must be {_DTYPES[str(like.dtype)]} in the shape [{wanted}], as its spaces say, got "
                f"{dtype} in {reprlib.repr(shape)}"
            )
        self.left.remove(name)
        array: Array = self._file.get_tensor(name)
        if array.dtype.kind == "b" and array.view(np.uint8).max(initial=0) > 1:
            raise ValueError(f"its {name!r} are neither true nor false")
        return array

    def observations(self, name: str, like: Observations) -> Observations:
        """Read an array, or for a Dict space one for each key."""
        if isinstance(like, dict):
            return {key: self.read(f"{name}/{key}", array) for key, array in like.items()}
        return self.read(name, like)

    def texts(self, name: str) -> list[str] | None:
        """Read texts; None if they are not there."""
        if name not in self.left:
            return None
        _, shape = self._about(name)
        width = shape[1] if len(shape) == 2 else 0
        if width > MAX_TEXT:
            raise ValueError(f"its {name!r} must have at most {MAX_TEXT} bytes each, got {width}")
        rows = self.read(name, np.zeros((0, width), np.uint8))
        return [bytes(row).rstrip(b"\0").decode() for row in rows]

    def _about(self, name: str) -> tuple[str, list[int]]:
        if name not in self.left:
            raise ValueError(f"it holds no array {name!r}")
        about = self._file.get_slice(name)
        return about.get_dtype(), about.get_shape()


def _named(name: str, observations: Observations) -> dict[str, Array]:
    if isinstance(observations, dict):
        return {f"{name}/{key}": array for key, array in observations.items()}
    return {name: observations}


def _texts_to_array(name: str, texts: Sequence[str]) -> dict[str, Array]:
    """UTF-8, padded with zeros to the longest one; nothing if all are empty."""
    if not any(texts):
        return {}
    encoded = [text.encode() for text in texts]
    width = max(map(len, encoded))
    return {name: np.frombuffer(b"".join(text.ljust(width, b"\0") for text in encoded), np.uint8).reshape(-1, width)}
