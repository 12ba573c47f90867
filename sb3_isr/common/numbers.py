"""One number, whatever it is wrapped in: Python's, NumPy's, an array or tensor of one element."""

from __future__ import annotations

import math
import reprlib
from decimal import Decimal
from numbers import Integral, Real
from typing import Any

import numpy as np

#: Rewards are stored as float32; a larger number would become infinite there.
MAX_FLOAT = float(np.finfo(np.float32).max)


def as_number(value: Any) -> float:
    """
    Convert anything that is one number.

    :param value: A number of Python or NumPy, a bool, or an array, tensor or list of one element, on any device.
    :return: The number.
    :raises ValueError: If it is something else (several numbers, text, None), or not finite in float32.
    """
    if type(value) is float and abs(value) <= MAX_FLOAT:  # asked at each step
        return value
    number = unwrap(value)
    try:
        converted = float(number) if isinstance(number, Real | Decimal) else math.nan
    except (OverflowError, ValueError):  # of a huge int, or of Decimal("sNaN")
        converted = math.nan
    if abs(converted) <= MAX_FLOAT:
        return converted
    raise ValueError(f"it must be one finite number, got {reprlib.repr(value)} of type {type(value).__name__}")


def unwrap(value: Any) -> Any:
    """
    Take the one element out of an array, tensor or list, and convert NumPy's numbers and bools to Python's.

    :param value: Anything.
    :return: The element, if there is one only; anything else as it is.
    """
    try:
        element = np.asarray(value) if isinstance(value, list | tuple) else value
        element = element.item() if hasattr(element, "item") else element
    except (ValueError, RuntimeError, TypeError):  # several elements; ragged lists; a device without memory
        return value
    return int(element) if isinstance(element, Integral) and not isinstance(element, bool) else element
