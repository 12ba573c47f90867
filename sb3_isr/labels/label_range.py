"""What is known of a caregiver's labels as numbers: their range, and their values where these are few."""

from __future__ import annotations

import math
import reprlib
from typing import Any, NamedTuple

import numpy as np

from sb3_isr.common.batches import Array

#: A caregiver that gives more distinct labels is taken to give any number in their range.
MAX_VALUES = 10


class LabelRange(NamedTuple):
    """
    Range and values of labels.

    :param low: The smallest label, in units of the social reward.
    :param high: The greatest label.
    :param values: The distinct labels, ascending; None if there are more than ``MAX_VALUES``, or it is not known.
    """

    low: float
    high: float
    values: tuple[float, ...] | None = None

    @property
    def width(self) -> float:
        """``high - low``."""
        return self.high - self.low

    @staticmethod
    def of(labels: Array) -> LabelRange | None:
        """
        Get the range of labels.

        :param labels: float32 ``[n]``.
        :return: Their range; None if there is no label.
        """
        values = np.unique(labels)
        if not len(values):
            return None
        distinct = tuple(values.tolist())
        return LabelRange(distinct[0], distinct[-1], distinct if len(distinct) <= MAX_VALUES else None)

    def union(self, other: LabelRange) -> LabelRange:
        """
        Get the range of the labels of two ranges together.

        :param other: Another range.
        :return: The smallest range that holds both.
        """
        values = None
        if self.values is not None and other.values is not None:
            values = tuple(sorted({*self.values, *other.values}))
        if values is not None and len(values) > MAX_VALUES:
            values = None
        return LabelRange(min(self.low, other.low), max(self.high, other.high), values)

    def clip(self, rewards: Array) -> Array:
        """
        Clip rewards to the range.

        :param rewards: float32 ``[...]``.
        :return: float32 ``[...]``.
        """
        return np.clip(rewards, self.low, self.high)

    def nearest(self, rewards: Array) -> Array:
        """
        Replace rewards by the nearest label.

        :param rewards: float32 ``[...]``.
        :return: float32 ``[...]``: the nearest of the distinct labels if these are known (the lower one half way
            between two), otherwise the rewards clipped to the range.
        """
        if self.values is None:
            return self.clip(rewards)
        values = np.asarray(self.values, np.float32)
        halfway = (values[:-1] + values[1:]) / 2
        return np.asarray(values[np.searchsorted(halfway, rewards)])

    def check(self) -> LabelRange:
        """
        Check that the range is one.

        :return: The same range, as Python floats.
        :raises ValueError: If a number is not finite, or not where the others say that it must be.
        """
        low, high = float(self.low), float(self.high)
        if not -math.inf < low <= high < math.inf:
            raise ValueError(f"label_range must be two ascending finite numbers, got {reprlib.repr((low, high))}.")
        if self.values is None:
            return LabelRange(low, high)
        values = tuple(map(float, self.values))
        if not values or not all(map(math.isfinite, values)) or list(values) != sorted(set(values)):
            raise ValueError(f"label_values must be ascending finite numbers, got {reprlib.repr(values)}.")
        return LabelRange(low, high, values)

    @staticmethod
    def from_json(bounds: Any, values: Any) -> LabelRange | None:
        """
        Read a range that may have been written by anyone.

        :param bounds: A list of two numbers; None if the range is not known.
        :param values: A list of numbers; None if they are not known.
        :return: The range; None if it is not known.
        :raises ValueError: If it is none of these.
        """
        for name, numbers in (("label_range", bounds), ("label_values", values)):
            if numbers is not None and not (isinstance(numbers, list) and all(type(n) is float for n in numbers)):
                raise ValueError(f"{name} must be a list of numbers, got {reprlib.repr(numbers)}.")
        if bounds is None:
            return None
        if len(bounds) != 2:
            raise ValueError(f"label_range must be two ascending finite numbers, got {reprlib.repr(bounds)}.")
        low, high = bounds
        return LabelRange(low, high, None if values is None else tuple(values)).check()
