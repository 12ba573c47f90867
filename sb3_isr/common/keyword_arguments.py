"""Keyword arguments that are handed on later: checked when they are given."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Callable, Mapping
from typing import Any

from sb3_isr.common.dotted_names import import_classes


def keyword_arguments(
    given: Mapping[str, Mapping[str, Any] | None], receivers: Mapping[str, Callable[..., Any]]
) -> list[dict[str, Any]]:
    """
    Check dictionaries of keyword arguments against what will receive them.

    :param given: The dictionaries by their own names; None is an empty one.
    :param receivers: What receives each, by the same names. Parameters without a default are not for users to give.
    :return: Copies, with NumPy's numbers as Python's and classes in place of their dotted names.
    :raises ValueError: If one is no dictionary, or has a key that is no parameter.
    """
    known = {name: _optional_parameters(receiver) for name, receiver in receivers.items()}
    for name, kwargs in given.items():
        if kwargs is not None and not isinstance(kwargs, Mapping):
            raise ValueError(f'{name} must be a dictionary, as {{"{known[name][0]}": ...}}, got {kwargs!r}.')
        for key in kwargs or {}:
            if key not in known[name]:
                raise ValueError(f"{name} has no argument {key!r}; {_remedy(str(key), name, known)}.")
    return [import_classes(kwargs) for kwargs in given.values()]


def _optional_parameters(receiver: Callable[..., Any]) -> list[str]:
    parameters = inspect.signature(receiver).parameters.values()
    return [parameter.name for parameter in parameters if parameter.default is not parameter.empty]


def _remedy(key: str, name: str, known: Mapping[str, list[str]]) -> str:
    elsewhere = [other for other, names in known.items() if key in names]
    near = difflib.get_close_matches(key, known[name], 1)
    if elsewhere:
        return f"it belongs in {elsewhere[0]}"
    return f"the nearest is {near[0]!r}" if near else f"there are {', '.join(known[name])}"
