"""Gymnasium's spaces as JSON. What is read is checked as if a stranger had written it."""

from __future__ import annotations

import math
import reprlib
from collections.abc import Iterable, Sequence
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium import spaces

from sb3_isr.common.batches import Array
from sb3_isr.common.spaces import INTEGERS, MAX_NUMBERS, NUMBERS

#: What NumPy allows (1.x; 2.x allows 64).
_MAX_DIMENSIONS = 32


def space_to_json(space: gym.Space[Any]) -> dict[str, Any]:
    """
    Convert a space to JSON's types.

    :param space: Box, Discrete, MultiDiscrete, MultiBinary, or a Dict of these.
    :return: The space in JSON's types. A Dict's keys keep their order, and bounds are a number, or a flat list of
        them; infinite ones are written as text, since JSON has no infinity.
    :raises ValueError: If it is another kind of space.
    """
    if isinstance(space, spaces.Dict):
        return {"type": "Dict", "spaces": [[key, space_to_json(part)] for key, part in space.spaces.items()]}
    dtype = str(space.dtype)
    if isinstance(space, spaces.Box) and dtype in NUMBERS:
        bounds = {"low": _bound_to_json(space.low), "high": _bound_to_json(space.high)}
        return {"type": "Box", "shape": list(space.shape), "dtype": dtype, **bounds}
    if isinstance(space, spaces.Discrete):
        return {"type": "Discrete", "n": int(space.n), "start": int(space.start), "dtype": dtype}
    if isinstance(space, spaces.MultiDiscrete):
        return {"type": "MultiDiscrete", "nvec": space.nvec.tolist(), "start": space.start.tolist(), "dtype": dtype}
    if isinstance(space, spaces.MultiBinary):
        return {"type": "MultiBinary", "n": space.n if isinstance(space.n, int) else list(space.shape)}
    raise ValueError(
        "A space must be a Box of numbers, Discrete, MultiDiscrete, MultiBinary or a Dict of these, got "
        f"{space}; wrap the environment so that it is."
    )


def space_from_json(value: Any) -> gym.Space[Any]:
    """
    Build a space from JSON's types.

    :param value: What :func:`space_to_json` returned, or any other JSON value.
    :return: The space.
    :raises ValueError: If the value is not a supported space (a Dict in a Dict is none), or the space has more than
        ``MAX_NUMBERS`` numbers.
    """
    if not (isinstance(value, dict) and value.get("type") == "Dict"):
        return _part_from_json(value)
    pairs = _field(value, "spaces", list)
    if not all(isinstance(pair, list) and len(pair) == 2 and isinstance(pair[0], str) for pair in pairs):
        raise ValueError("A Dict space must be a list of keys and spaces.")
    # Pairs, since Dict sorts the keys of a dictionary, and the ISR's weights know one order of them.
    space = spaces.Dict([(key, _part_from_json(part)) for key, part in pairs])
    _check_size(math.prod(part.shape or ()) for part in space.spaces.values())
    return space


def _part_from_json(value: Any) -> gym.Space[Any]:
    value = value if isinstance(value, dict) else {"type": None}
    kind = value.get("type")
    if kind == "Box":
        return _box_from_json(value)
    if kind == "Discrete":
        dtype = _dtype(value, INTEGERS)
        n, start = _integer(value.get("n"), 1, dtype), _integer(value.get("start"), None, dtype)
        _integer(start + n - 1, None, dtype)
        # Gymnasium 1.0's Discrete has no dtype.
        return spaces.Discrete(n, start=start) if dtype == np.int64 else spaces.Discrete(n, start=start, dtype=dtype)
    if kind == "MultiDiscrete":
        dtype = _dtype(value, INTEGERS)
        nvec = [_integer(n, 1, dtype) for n in _field(value, "nvec", list)]
        starts = [_integer(start, None, dtype) for start in _field(value, "start", list)]
        if len(starts) != len(nvec):
            raise ValueError(f"A MultiDiscrete space must have a start for each of {len(nvec)} numbers.")
        return spaces.MultiDiscrete(nvec, dtype=dtype.type, start=starts)
    if kind == "MultiBinary":
        n = value.get("n")
        shape = _shape(n if isinstance(n, list) else [n], smallest=1)
        return spaces.MultiBinary(shape if isinstance(n, list) else shape[0])
    raise ValueError(
        f"A space's type must be Box, Discrete, MultiDiscrete, MultiBinary or Dict, got {reprlib.repr(kind)}."
    )


def _box_from_json(value: dict[str, Any]) -> gym.Space[Any]:
    shape, dtype = _shape(_field(value, "shape", list)), _dtype(value, NUMBERS)
    low, high = (_bound_from_json(value.get(end), shape, dtype) for end in ("low", "high"))
    if (low > high).any():
        raise ValueError("A Box's lower bounds must not be above its upper ones.")
    return spaces.Box(low, high, shape, dtype.type)


def _field(value: dict[str, Any], key: str, kind: type[Any]) -> Any:
    field = value.get(key)
    if not isinstance(field, kind):
        raise ValueError(f"A {value['type']} space must have {key!r}, a {kind.__name__}, got {reprlib.repr(field)}.")
    return field


def _dtype(value: dict[str, Any], names: Sequence[str]) -> np.dtype[Any]:
    name = _field(value, "dtype", str)
    if name not in names:
        raise ValueError(
            f"The dtype of a {value['type']} space must be one of {', '.join(names)}, got {reprlib.repr(name)}."
        )
    dtype: np.dtype[Any] = np.dtype(name)
    return dtype


def _shape(sides: list[Any], smallest: int = 0) -> tuple[int, ...]:
    if len(sides) > _MAX_DIMENSIONS:
        raise ValueError(f"A space must have at most {_MAX_DIMENSIONS} dimensions, got {len(sides)}.")
    if not all(type(side) is int and smallest <= side <= MAX_NUMBERS for side in sides):
        raise ValueError(
            f"A space's sides must be whole numbers, {smallest} to {MAX_NUMBERS}, got {reprlib.repr(sides)}."
        )
    _check_size([math.prod(sides)])
    return tuple(sides)


def _check_size(sizes: Iterable[int]) -> None:
    if (size := sum(sizes)) > MAX_NUMBERS:
        raise ValueError(f"A space must have at most {MAX_NUMBERS} numbers, got {size}.")


def _integer(number: Any, smallest: int | None, dtype: np.dtype[Any]) -> int:
    limits = np.iinfo(np.int8 if dtype.kind == "b" else dtype)
    smallest = int(limits.min) if smallest is None else smallest
    if type(number) is not int or not smallest <= number <= int(limits.max):
        raise ValueError(f"A number must be whole and between {smallest} and {limits.max}, got {reprlib.repr(number)}.")
    return number


def _float(number: Any, dtype: np.dtype[Any]) -> float:
    if number in ("inf", "-inf"):
        return float(number)
    largest = float(np.finfo(dtype).max)
    if type(number) not in (int, float) or not -largest <= number <= largest:
        raise ValueError(f'A bound must be a number of {dtype}, "inf" or "-inf", got {reprlib.repr(number)}.')
    return float(number)


def _bound_from_json(bound: Any, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
    texts = bound if isinstance(bound, list) else [bound]
    numbers = [_float(text, dtype) if dtype.kind == "f" else _integer(text, None, dtype) for text in texts]
    if not isinstance(bound, list):
        return np.full(shape, numbers[0], dtype)
    if len(numbers) != math.prod(shape):
        raise ValueError(f"A bound must be one number, or {math.prod(shape)} of them, got {len(numbers)}.")
    return np.array(numbers, dtype).reshape(shape)


def _bound_to_json(bound: Array) -> Any:
    flat = bound.astype(np.int8) if bound.dtype == bool else bound
    numbers = [number if np.isfinite(number) else str(number) for number in flat.flatten().tolist()]
    return numbers[0] if numbers and len(set(numbers)) == 1 else numbers
