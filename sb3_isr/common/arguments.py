"""
Arguments as they are meant, or refused where they are given.

YAML writes ``2000.0`` and reads ``1e-4`` as text, sweeps give NumPy's numbers, and dictionaries are shared with
algorithms that write into them: what is not converted here fails hours later, when it is used or saved.
"""

from __future__ import annotations

import math
import reprlib
from collections.abc import Mapping
from typing import Any

import numpy as np

from sb3_isr.common.numbers import as_number, unwrap

#: The greatest seed, so that a small number can be added to it.
MAX_SEED = 2**63 - 1


def whole_number(name: str, value: Any, low: int = 1, high: int | None = None) -> int:
    """
    Convert an argument that must be a whole number.

    :param name: The argument's name, for the error's text.
    :param value: What was given: a whole number of any type, ``2000.0`` too, but no bool and no text.
    :param low: The smallest that is allowed.
    :param high: The greatest that is allowed; None for any.
    :return: The number.
    :raises ValueError: If it is something else.
    """
    met = unwrap(value)
    if isinstance(met, float) and met.is_integer():
        met = int(met)
    if type(met) is int and low <= met and (high is None or met <= high):
        return met
    raise _refused(name, f"a whole number, {f'{low} or more' if high is None else f'{low} to {high}'}", value)


def number(name: str, value: Any, within: str = "(-inf, inf)") -> float:
    """
    Convert an argument that must be a finite number.

    :param name: The argument's name, for the error's text.
    :param value: What was given: a number of any type, but no bool and no text.
    :param within: The interval of the allowed numbers, as in ``"[0, 1)"``: a round bracket leaves the end out.
    :return: The number.
    :raises ValueError: If it is something else.
    """
    low, high = map(float, within[1:-1].split(","))
    try:
        met = math.nan if isinstance(unwrap(value), bool) else as_number(value)
    except ValueError:
        met = math.nan
    if low < met < high or (met == low and within[0] == "[") or (met == high and within[-1] == "]"):
        return met
    raise _refused(name, f"a finite number in {within}", value)


def flag(name: str, value: Any) -> bool:
    """
    Convert an argument that must be True or False.

    :param name: The argument's name, for the error's text.
    :param value: What was given: a bool of any type.
    :return: The same as Python's.
    :raises ValueError: If it is something else; the text "False" would count as true.
    """
    met = unwrap(value)
    if isinstance(met, bool):
        return met
    raise _refused(name, "True or False", value)


def whole_numbers(name: str, values: Any, low: int = 1) -> list[int]:
    """
    Convert an argument that must be a list of whole numbers.

    :param name: The argument's name, for the error's text.
    :param values: What was given: a list, tuple or array of whole numbers.
    :param low: The smallest that is allowed.
    :return: The numbers.
    :raises ValueError: If it is something else.
    """
    if not isinstance(values, list | tuple | range | np.ndarray) or np.ndim(values) == 0:
        raise _refused(name, "a list of whole numbers, as [64, 64]", values)
    return [whole_number(f"{name}[{i}]", value, low) for i, value in enumerate(values)]


def plain(value: Any) -> Any:
    """
    Copy an argument, with NumPy's numbers and arrays as Python's, which files can hold.

    :param value: Anything.
    :return: Dictionaries, lists and tuples copied, at any depth; what is neither of these nor NumPy's as it is.
    """
    if isinstance(value, Mapping):
        return {key: plain(inner) for key, inner in value.items()}
    if type(value) in (list, tuple):
        return type(value)(map(plain, value))
    return value.tolist() if isinstance(value, np.generic | np.ndarray) else value


def _refused(name: str, rule: str, value: Any) -> ValueError:
    remedy = "change it, or leave it out for its default"
    if isinstance(value, str):
        remedy = "write it without quotes, and in YAML with a point and a sign, as 1.0e-4 or 1.0e+4"
    return ValueError(f"{name} must be {rule}, got {reprlib.repr(value)}; {remedy}.")
