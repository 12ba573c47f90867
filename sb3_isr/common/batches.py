"""Batches of elements of Gymnasium spaces: one array, or for Dict spaces a dictionary of arrays."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium import spaces
from gymnasium.vector.utils import create_empty_array
from numpy.typing import NDArray

from sb3_isr.common.numbers import MAX_FLOAT

Array = NDArray[Any]
#: Larger integers are not told apart by double precision, in which they are encoded.
MAX_INTEGER = 2**53
#: A batch of n observations: an array ``[n, *shape]``, or one for each key of a Dict space.
Observations = Array | dict[str, Array]


def check_batch(name: str, batch: Observations, space: gym.Space[Any], n: int | None = None) -> int:
    """
    Check that a batch has the shape that its space gives it, and that its numbers can be told apart by a network.

    A Box's numbers may lie outside of its bounds (noise and rounding lead there), but the others must be elements of
    their space.

    :param name: What the batch holds, for the error's text.
    :param batch: Array ``[n, *space.shape]``; for a Dict space a dictionary of such arrays.
    :param space: The space of one element.
    :param n: The expected number of elements, if known.
    :return: The number of elements.
    :raises ValueError: If the shape does not fit, or a number is not finite, too large or not in its space.
    """
    if isinstance(space, spaces.Dict):
        if not isinstance(batch, dict) or batch.keys() != space.spaces.keys():
            got = sorted(batch) if isinstance(batch, dict) else type(batch).__name__
            raise ValueError(f"{name} must be a dictionary with the keys {sorted(space.spaces)}, got {got}.")
        for key, subspace in space.spaces.items():
            n = check_batch(f"{name}[{key!r}]", batch[key], subspace, n)
        if n is None:
            raise ValueError(f"{name} is of an empty Dict space, which says nothing about the environment.")
        return n
    array = np.asarray(batch)
    if array.ndim == 0 or array.shape[1:] != space.shape or (n is not None and len(array) != n):
        expected = ", ".join(["n" if n is None else str(n), *map(str, space.shape or ())])
        raise ValueError(f"{name} must have the shape [{expected}] of {space}, got {list(array.shape)}.")
    if array.dtype.kind not in "biuf":
        raise ValueError(f"{name} must be numbers of {space}, got the dtype {array.dtype}.")
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        raise ValueError(f"{name} must be finite, got {array[~np.isfinite(array)][0]} among them.")
    if isinstance(space, spaces.Box):
        _check_size(name, array)
    else:
        _check_elements(name, array, space)
    return len(array)


def _check_size(name: str, array: Array) -> None:
    if array.dtype.itemsize < 8:
        return
    limit = MAX_FLOAT if array.dtype.kind == "f" else MAX_INTEGER
    if (is_beyond := (array > limit) | (array < -limit)).any():
        raise ValueError(
            f"{name} must lie within +-{limit:g}, beyond which networks cannot tell numbers apart, got "
            f"{array[is_beyond][0]} among them; scale them, or subtract an offset, in a wrapper of the environment."
        )


def _check_elements(name: str, array: Array, space: Any) -> None:
    low = getattr(space, "start", 0)
    n = space.n if isinstance(space, spaces.Discrete) else getattr(space, "nvec", 2)
    is_none = (array < low) | (array - low >= n)
    if array.dtype.kind == "f":
        is_none |= array != np.floor(array)
    if is_none.any():
        raise ValueError(
            f"{name} must be elements of {space}, got {array[is_none][0]} among them; give what the environment itself "
            "returns or is told, or correct its space."
        )


def cast_batch(name: str, batch: Observations, like: Observations) -> Observations:
    """
    Convert a batch to the dtypes of another one.

    :param name: What the batch holds, for the error's text.
    :param batch: Array ``[n, ...]`` or a dictionary of such arrays.
    :param like: The other batch.
    :return: The same numbers, or where they are floats the nearest ones.
    :raises ValueError: If an integer dtype does not have a number, or a float one would make it infinite.
    """
    if isinstance(like, dict):
        assert isinstance(batch, dict)
        return {key: np.asarray(cast_batch(f"{name}[{key!r}]", batch[key], array)) for key, array in like.items()}
    array = np.asarray(batch)
    if array.dtype == like.dtype:
        return array
    with np.errstate(all="ignore"):
        cast = array.astype(like.dtype)
    if (is_other := ~np.isfinite(cast) if cast.dtype.kind == "f" else cast != array).any():
        raise ValueError(
            f"{name} must be numbers of their space's dtype {cast.dtype}, got {array[is_other][0]} among them; give "
            "the space the dtype of what the environment returns."
        )
    return cast


def index_batch(batch: Observations, index: Any) -> Observations:
    """
    Select elements of a batch.

    :param batch: Array ``[n, ...]`` or a dictionary of such arrays.
    :param index: Anything that indexes an array's first axis.
    :return: Those elements, dictionary kept.
    """
    return {key: value[index] for key, value in batch.items()} if isinstance(batch, dict) else batch[index]


def copy_batch(batch: Observations) -> Observations:
    """
    Copy a batch.

    :param batch: Array ``[n, ...]`` or a dictionary of such arrays.
    :return: The same in memory of its own.
    """
    return {key: value.copy() for key, value in batch.items()} if isinstance(batch, dict) else batch.copy()


def concatenate_batches(batches: Sequence[Observations]) -> Observations:
    """
    Concatenate batches along their first axis.

    :param batches: Arrays ``[n, ...]``, or dictionaries of such arrays; at least one.
    :return: All their elements, in order.
    """
    first = batches[0]
    if isinstance(first, dict):
        return {key: np.concatenate([batch[key] for batch in batches]) for key in first}
    return np.concatenate(batches)  # type: ignore[arg-type]


def write_batch(out: Observations, index: Any, batch: Observations) -> None:
    """
    Write the elements of a batch into preallocated memory.

    :param out: Array ``[capacity, ...]`` or a dictionary of such arrays; written in place.
    :param index: Anything that indexes an array's first axis.
    :param batch: Array ``[n, ...]`` or a dictionary of such arrays.
    """
    if isinstance(out, dict):
        assert isinstance(batch, dict)
        for key, value in batch.items():
            out[key][index] = value
    else:
        out[index] = batch


def example_batch(space: gym.Space[Any]) -> Observations:
    """
    Make a batch of one element, of zeros where the space contains them.

    :param space: Any space that :func:`~sb3_isr.common.spaces.check_spaces` accepts.
    :return: Array ``[1, *shape]``, or a dictionary of such arrays.
    """
    if isinstance(space, spaces.Dict):
        return {key: np.asarray(example_batch(part)) for key, part in space.spaces.items()}
    element = np.asarray(create_empty_array(space, 1, fn=np.zeros))
    if isinstance(space, spaces.Box):
        return np.asarray(np.clip(element, space.low, space.high))
    return np.asarray(element + getattr(space, "start", 0))
