"""Descriptions of objects by the arguments of their constructors: plain values, which can be compared."""

from __future__ import annotations

import os
import zlib
from collections.abc import Iterator, Mapping
from inspect import signature
from types import BuiltinFunctionType, FunctionType, MethodType
from typing import Any

import gymnasium as gym
import numpy as np

#: Objects in objects are described to this depth.
MAX_DEPTH = 4


def describe(value: Any, depth: int = 0) -> Any:
    """
    Describe an object by its class and those of its attributes that are named as arguments of its constructor.

    :param value: Anything.
    :param depth: How deep it is in what is described.
    :return: Numbers, texts, lists and dictionaries; functions and classes are named only.
    """
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, type | FunctionType | MethodType | BuiltinFunctionType):
        return f"{value.__module__}.{value.__qualname__}"
    if isinstance(value, gym.Space | os.PathLike):
        return str(value)
    if isinstance(value, np.ndarray):
        return f"{value.dtype}{list(value.shape)} {zlib.crc32(np.ascontiguousarray(value).tobytes()):x}"
    if isinstance(value, Mapping):
        return {str(key): describe(inner, depth + 1) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [describe(inner, depth + 1) for inner in value]
    attributes = {} if depth >= MAX_DEPTH else dict(_arguments(value))
    return {"class": describe(type(value)), **{name: describe(met, depth + 1) for name, met in attributes.items()}}


def differences(here: Any, there: Any, name: str = "") -> list[str]:
    """
    Compare two descriptions.

    :param here: One description.
    :param there: The other one.
    :param name: What they describe.
    :return: Each difference, as ``name=1 here and 2 there``.
    """
    if isinstance(here, dict) and isinstance(there, dict):
        keys = [*here, *(key for key in there if key not in here)]
        pairs: list[tuple[str, Any, Any]] = [
            (f"{name}.{key}".strip("."), here.get(key), there.get(key)) for key in keys
        ]
    elif isinstance(here, list) and isinstance(there, list) and len(here) == len(there):
        pairs = [(f"{name}[{i}]", *both) for i, both in enumerate(zip(here, there, strict=True))]
    else:
        is_same = here == there or (here != here and there != there)  # NaN
        return [] if is_same else [f"{name}={here!r} here and {there!r} there"]
    return [difference for key, one, other in pairs for difference in differences(one, other, key)]


def _arguments(value: Any) -> Iterator[tuple[str, Any]]:
    attributes = getattr(value, "__dict__", {})
    constructors = [vars(cls)["__init__"] for cls in type(value).__mro__ if "__init__" in vars(cls)]
    for name in dict.fromkeys(name for constructor in constructors for name in signature(constructor).parameters):
        for attribute in (name, f"_{name}"):
            if attribute in attributes:
                yield name, attributes[attribute]
                break
