"""
What is known of a caregiver's labels as numbers: their range, and their values where these are few.

It is known for steps that terminate an episode and for the others, each by itself. A learner that can have a false
reward ``e`` at every step has ``e / (1 - gamma)`` of it, and need not end an episode for a reward that is smaller. So
nothing is paid for a step that goes on but what the caregiver gave for such steps.
"""

from __future__ import annotations

import math
import reprlib
from typing import Any, NamedTuple

import numpy as np

from sb3_isr.common.batches import Array

#: A caregiver that gives more distinct labels is taken to give any number in their range.
MAX_VALUES = 10
#: Values are recognized if so many of the labels of each are.
RECOGNIZED = 0.9


class LabelRange(NamedTuple):
    """
    Range and values of labels.

    :param low: The smallest label, in units of the social reward.
    :param high: The greatest label.
    :param values: The distinct labels, ascending; None if there are more than ``MAX_VALUES``, or it is not known.
    :param recognized: Whether an ISR that was trained on them tells the values apart.
    """

    low: float
    high: float
    values: tuple[float, ...] | None = None
    recognized: bool = False

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

    def limit(self, rewards: Array, to_values: bool) -> Array:
        """
        Limit rewards to the labels.

        :param rewards: float32 ``[...]``.
        :param to_values: Whether to replace them by the nearest label if the values are recognized.
        :return: float32 ``[...]``; otherwise the rewards clipped to the range.
        """
        return self.nearest(rewards) if to_values and self.recognized else self.clip(rewards)

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
        if not isinstance(self.recognized, bool):
            raise ValueError(f"recognized must be True or False, got {reprlib.repr(self.recognized)}.")
        values = tuple(map(float, self.values))
        if not values or not all(map(math.isfinite, values)) or list(values) != sorted(set(values)):
            raise ValueError(f"label_values must be ascending finite numbers, got {reprlib.repr(values)}.")
        return LabelRange(low, high, values, self.recognized)

    @staticmethod
    def from_json(bounds: Any, values: Any, recognized: Any = False) -> LabelRange | None:
        """
        Read a range that may have been written by anyone.

        :param bounds: A list of two numbers; None if the range is not known.
        :param values: A list of numbers; None if they are not known.
        :param recognized: True or False.
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
        return LabelRange(low, high, None if values is None else tuple(values), recognized).check()


class LabelRanges(NamedTuple):
    """
    Ranges of labels, by how their steps ended.

    :param continuing: Of steps after which the episode went on, or was truncated; None if there are none.
    :param terminated: Of steps that terminated an episode; None if there are none.
    """

    continuing: LabelRange | None
    terminated: LabelRange | None

    @staticmethod
    def of(labels: Array, terminated: Array) -> LabelRanges | None:
        """
        Get the ranges of labels.

        :param labels: float32 ``[n]``.
        :param terminated: Whether their steps terminated an episode, bool ``[n]``.
        :return: Their ranges; None if there is no label.
        """
        ranges = LabelRanges(LabelRange.of(labels[~terminated]), LabelRange.of(labels[terminated]))
        return None if ranges == (None, None) else ranges

    @staticmethod
    def both(label_range: LabelRange) -> LabelRanges:
        """
        Do not tell how steps ended.

        :param label_range: Range of all labels.
        :return: It, twice.
        """
        return LabelRanges(label_range, label_range)

    @property
    def overall(self) -> LabelRange:
        """Range of all labels."""
        known = [label_range for label_range in self if label_range is not None]
        return known[0] if len(known) == 1 else known[0].union(known[1])

    def union(self, other: LabelRanges) -> LabelRanges:
        """
        Get the ranges of the labels of both together.

        :param other: Other ranges.
        :return: The smallest ranges that hold both.
        """
        pairs = zip(self, other, strict=True)
        return LabelRanges(*(a if b is None else b if a is None else a.union(b) for a, b in pairs))

    def limit(self, rewards: Array, terminated: Array, to_values: bool) -> Array:
        """
        Limit rewards to what the caregiver gave for steps that ended alike.

        :param rewards: float32 ``[..., n]``.
        :param terminated: Whether the steps terminated an episode, bool ``[n]``.
        :param to_values: Whether to replace them by the nearest label where the values are recognized.
        :return: float32 ``[..., n]``. Where no step that ended alike was labelled, all labels count.
        """
        overall = self.overall
        continuing, ended = ((label_range or overall).limit(rewards, to_values) for label_range in self)
        return np.where(terminated, ended, continuing)

    def nearest(self, rewards: Array, terminated: Array) -> Array:
        """
        Replace rewards by the nearest label that the caregiver gave for steps that ended alike.

        :param rewards: float32 ``[..., n]``.
        :param terminated: Whether the steps terminated an episode, bool ``[n]``.
        :return: float32 ``[..., n]``; clipped where labels were not few.
        """
        overall = self.overall
        continuing, ended = ((label_range or overall).nearest(rewards) for label_range in self)
        return np.where(terminated, ended, continuing)

    def recognize(self, labels: Array, predictions: Array, terminated: Array) -> LabelRanges:
        """
        Decide whether an ISR tells the values of labels apart, for steps that terminate an episode and for the others.

        It does if of the labels of each value at least nine tenths are nearest to what it predicts, and there are any.
        Where a reward is decided by chance they are not, and to replace the expected reward by a label would be wrong.

        :param labels: Labels that it was not trained on, ``[n]``.
        :param predictions: What it predicts for them, ``[n]``.
        :param terminated: Whether their steps terminated an episode, bool ``[n]``.
        :return: The same ranges, with the decision.
        """
        parts = []
        for label_range, which in zip(self, (~terminated, terminated), strict=True):
            if label_range is not None and label_range.values is not None:
                label_range = label_range._replace(
                    recognized=_is_recognized(labels[which], label_range.nearest(predictions[which]))
                )
            parts.append(label_range)
        return LabelRanges(*parts)

    def to_json(self) -> dict[str, Any]:
        """
        Write the ranges as values that JSON holds.

        :return: What :meth:`from_json` reads.
        """
        return {
            name: None if part is None else {"bounds": part[:2], "values": part.values, "recognized": part.recognized}
            for name, part in self._asdict().items()
        }

    @staticmethod
    def from_json(value: Any) -> LabelRanges | None:
        """
        Read ranges that may have been written by anyone.

        :param value: A dictionary of both ranges; None if they are not known.
        :return: The ranges; None if they are not known.
        :raises ValueError: If it is none of these.
        """
        if value is None:
            return None
        if not isinstance(value, dict) or value.keys() != set(LabelRanges._fields):
            raise ValueError(f"label_ranges must be those of {LabelRanges._fields}, got {reprlib.repr(value)}.")
        parts = {name: part or {} for name, part in value.items()}
        if not all(
            isinstance(part, dict) and part.keys() <= {"bounds", "values", "recognized"} for part in parts.values()
        ):
            raise ValueError(f"label_ranges must have bounds and values, got {reprlib.repr(value)}.")
        ranges = LabelRanges(
            **{
                name: LabelRange.from_json(part.get("bounds"), part.get("values"), part.get("recognized", False))
                for name, part in parts.items()
            }
        )
        return None if ranges == (None, None) else ranges

    def check(self) -> LabelRanges:
        """
        Check that the ranges are some.

        :return: The same, as Python floats.
        :raises ValueError: If a number is not finite, or not where the others say that it must be.
        """
        return LabelRanges(*(None if label_range is None else label_range.check() for label_range in self))


def _is_recognized(labels: Array, nearest: Array) -> bool:
    hits = np.isclose(labels, nearest)
    return len(labels) > 0 and all(hits[labels == value].mean() >= RECOGNIZED for value in np.unique(labels))
