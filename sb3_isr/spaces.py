"""What a batch of a Gymnasium space looks like in memory, and how a space is written as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

Array = NDArray[Any]
#: Observations of n environments: an array ``[n, *shape]``, or one for each key of a Dict space.
Observations = Array | dict[str, Array]


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


def space_to_json(space: gym.Space[Any]) -> dict[str, Any]:
    """
    :param space: Box, Discrete, MultiDiscrete, MultiBinary, or a Dict of these.
    :return: The space in JSON's types. Infinite bounds are written as text, since JSON has no infinity.
    :raises ValueError: If it is another kind of space.
    """
    if isinstance(space, spaces.Dict):
        return {"type": "Dict", "spaces": {key: space_to_json(sub) for key, sub in space.spaces.items()}}
    if isinstance(space, spaces.Box):
        bounds = {"low": _bound_to_json(space.low), "high": _bound_to_json(space.high)}
        return {"type": "Box", "shape": list(space.shape), "dtype": str(space.dtype), **bounds}
    if isinstance(space, spaces.Discrete):
        return {"type": "Discrete", "n": int(space.n), "start": int(space.start)}
    if isinstance(space, spaces.MultiDiscrete):
        return {"type": "MultiDiscrete", "nvec": space.nvec.tolist()}
    if isinstance(space, spaces.MultiBinary):
        return {"type": "MultiBinary", "n": space.n if isinstance(space.n, int) else list(space.shape)}
    raise ValueError(
        f"A space must be Box, Discrete, MultiDiscrete, MultiBinary or a Dict of these, got {space}; "
        "wrap the environment so that it is."
    )


def space_from_json(text: dict[str, Any]) -> gym.Space[Any]:
    """
    :param text: What :func:`space_to_json` returned.
    :return: The space.
    :raises ValueError: If it names no known kind of space.
    """
    kind = text["type"]
    if kind == "Dict":
        return spaces.Dict({key: space_from_json(sub) for key, sub in text["spaces"].items()})
    if kind == "Box":
        dtype, shape = np.dtype(text["dtype"]), tuple(text["shape"])
        low, high = (np.broadcast_to(np.array(text[end], dtype=float), shape).astype(dtype) for end in ("low", "high"))
        return spaces.Box(low, high, shape, dtype.type)
    if kind == "Discrete":
        return spaces.Discrete(text["n"], start=text["start"])
    if kind == "MultiDiscrete":
        return spaces.MultiDiscrete(np.array(text["nvec"]))
    if kind == "MultiBinary":
        n = text["n"]
        return spaces.MultiBinary(n if isinstance(n, int) else tuple(n))
    raise ValueError(f"A space's type must be Box, Discrete, MultiDiscrete, MultiBinary or Dict, got {kind!r}.")


def _bound_to_json(bound: Array) -> Any:
    uniform = bound.size > 0 and bool((bound == bound.flat[0]).all())
    return _numbers_to_json(bound.flat[0] if uniform else bound)


def _numbers_to_json(numbers: Any) -> Any:
    if np.ndim(numbers):
        return [_numbers_to_json(part) for part in numbers]
    return numbers.item() if np.isfinite(numbers) else str(numbers)
