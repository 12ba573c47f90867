"""Which Gymnasium spaces there are for us, and what a batch of one looks like in memory."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

Array = NDArray[Any]
#: Observations of n environments: an array ``[n, *shape]``, or one for each key of a Dict space.
Observations = Array | dict[str, Array]

#: The most numbers in one observation or action, a full-HD frame's worth: no file makes us take memory for more.
MAX_NUMBERS = 2**23


def check_spaces(observation_space: gym.Space[Any], action_space: gym.Space[Any]) -> None:
    """
    Check that the spaces are of the kinds that Stable-Baselines3 has.

    :param observation_space: Box, Discrete, MultiDiscrete, MultiBinary, or a Dict of these.
    :param action_space: Box, Discrete, MultiDiscrete or MultiBinary. Only actions may start at another number than 0.
    :raises ValueError: If they are not, or hold no number at all, or too many of them.
    """
    for space in parts(observation_space).values():
        _check_part(space)
        if np.any(getattr(space, "start", 0)):
            raise ValueError(
                f"Observations must start at 0, since Stable-Baselines3 counts them from there, got {space}; "
                "take the start off in a wrapper."
            )
    _check_part(action_space)
    numbers = sum(math.prod(space.shape or ()) for space in parts(observation_space).values())
    if not 1 <= numbers <= MAX_NUMBERS:
        raise ValueError(
            f"An observation must hold between 1 and {MAX_NUMBERS} numbers, got {numbers} of {observation_space}; "
            "wrap the environment so that it does."
        )


def parts(space: gym.Space[Any]) -> dict[str, gym.Space[Any]]:
    """
    :param space: Any space.
    :return: A Dict's spaces by their keys, in its own order; any other space under the key "".
    """
    return dict(space.spaces) if isinstance(space, spaces.Dict) else {"": space}


def _check_part(space: gym.Space[Any]) -> None:
    known = isinstance(space, spaces.Box | spaces.Discrete | spaces.MultiDiscrete | spaces.MultiBinary)
    if not known or (isinstance(space, spaces.MultiDiscrete) and space.nvec.ndim != 1):
        raise ValueError(
            "A space must be Box, Discrete, MultiDiscrete (of one dimension), MultiBinary or, for observations, a Dict "
            f"of these, got {space}; wrap the environment so that it is."
        )


def check_batch(name: str, batch: Observations, space: gym.Space[Any], n: int | None = None) -> int:
    """
    Check that a batch has the shape that its space gives it, and that its numbers are finite.

    :param name: What the batch holds, for the error's text.
    :param batch: Array ``[n, *space.shape]``; for a Dict space a dictionary of such arrays.
    :param space: The space of one element.
    :param n: The expected number of elements, if known.
    :return: The number of elements.
    :raises ValueError: If the shape does not fit or a number is not finite.
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
    if np.issubdtype(array.dtype, np.floating) and not np.isfinite(array).all():
        raise ValueError(f"{name} must be finite, got {array[~np.isfinite(array)][0]} among them.")
    return len(array)


def zeros(space: gym.Space[Any], n: int) -> Observations:
    """
    :param space: Any space but Tuple, Sequence, Graph and Text, as in Stable-Baselines3.
    :param n: Number of elements.
    :return: Room for ``n`` elements in the space's own dtype. Pages that are never written take no memory.
    """
    if isinstance(space, spaces.Dict):
        return {key: np.zeros((n, *(sub.shape or ())), sub.dtype) for key, sub in space.spaces.items()}
    return np.zeros((n, *(space.shape or ())), space.dtype)


def take(batch: Observations, index: Any) -> Observations:
    """
    :param batch: Array ``[n, ...]`` or a dictionary of such arrays.
    :param index: Anything that indexes an array's first axis.
    :return: Those elements, dictionary kept.
    """
    return {key: value[index] for key, value in batch.items()} if isinstance(batch, dict) else batch[index]


def copy(batch: Observations) -> Observations:
    """
    :param batch: Array ``[n, ...]`` or a dictionary of such arrays.
    :return: The same in memory of its own.
    """
    return {key: value.copy() for key, value in batch.items()} if isinstance(batch, dict) else batch.copy()


def concatenate(batches: Sequence[Observations]) -> Observations:
    """
    :param batches: Arrays ``[n, ...]``, or dictionaries of such arrays; at least one.
    :return: All their elements, in order.
    """
    first = batches[0]
    if isinstance(first, dict):
        return {key: np.concatenate([batch[key] for batch in batches]) for key in first}
    return np.concatenate(batches)  # type: ignore[arg-type]


def put(room: Observations, index: Any, batch: Observations) -> None:
    """
    Write a batch's elements into room made by :func:`zeros`.

    :param room: Array ``[capacity, ...]`` or a dictionary of such arrays; written in place.
    :param index: Anything that indexes an array's first axis.
    :param batch: Array ``[n, ...]`` or a dictionary of such arrays.
    """
    if isinstance(room, dict):
        assert isinstance(batch, dict)
        for key, value in batch.items():
            room[key][index] = value
    else:
        room[index] = batch


def least_element(space: gym.Space[Any]) -> Observations:
    """
    :param space: Any space that :func:`check_spaces` lets pass.
    :return: A batch of one element, of zeros where the space has them.
    """
    if isinstance(space, spaces.Dict):
        return {key: np.asarray(least_element(part)) for key, part in space.spaces.items()}
    element = np.asarray(zeros(space, 1))
    if isinstance(space, spaces.Box):
        return np.asarray(np.clip(element, space.low, space.high))
    return np.asarray(element + getattr(space, "start", 0))
