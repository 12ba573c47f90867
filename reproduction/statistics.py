"""Statistics over seeds: interquartile mean, its bootstrap interval, and Welch's test."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import stats

Array = NDArray[np.floating]


class Estimate(NamedTuple):
    """
    :param iqm: Interquartile mean: the mean without the lowest and the highest quarter of seeds, rounded down.
    :param low: Lower end of its 95% interval, by a percentile bootstrap over seeds; NaN with fewer than 3 of them.
    :param high: Upper end.
    :param n: Number of seeds.
    """

    iqm: float
    low: float
    high: float
    n: int

    def __str__(self) -> str:
        if self.n == 0:
            return "-"
        if not np.isfinite(self.low):
            return f"{_number(self.iqm)} (n={self.n})"
        return f"{_number(self.iqm)} [{_number(self.low)}, {_number(self.high)}]"


def estimate(values: Sequence[float]) -> Estimate:
    """
    :param values: One for each seed.
    :return: Their interquartile mean with its interval, the same at each call.
    """
    n = len(values)
    if n == 0:
        return Estimate(float("nan"), float("nan"), float("nan"), 0)
    iqm = float(interquartile_mean(np.asarray(values, float)))
    if n < 3:
        return Estimate(iqm, float("nan"), float("nan"), n)
    low, high = interval(np.asarray(values, float))
    return Estimate(iqm, float(low), float(high), n)


def interquartile_mean(values: Array, axis: int = 0) -> Array:
    """
    :param values: Any array.
    :param axis: The seeds'.
    :return: The interquartile mean along the axis.
    """
    return np.asarray(stats.trim_mean(values, 0.25, axis=axis))


def interval(values: Array) -> tuple[Array, Array]:
    """
    :param values: ``[n_seeds, ...]``
    :return: Lower and upper end of the interquartile mean's 95% bootstrap interval, each ``[...]``.
    """
    index = np.random.default_rng(0).integers(len(values), size=(2000, len(values)))
    low, high = np.percentile(interquartile_mean(values[index], axis=1), [2.5, 97.5], axis=0)
    return np.asarray(low), np.asarray(high)


def welch(values: Sequence[float], others: Sequence[float]) -> float:
    """
    :param values: One for each seed.
    :param others: One for each seed.
    :return: The two-sided p-value of Welch's test that their means are the same; NaN with fewer than 2 of either.
    """
    if min(len(values), len(others)) < 2:
        return float("nan")
    if np.ptp(values) == np.ptp(others) == 0:  # no spread: the test statistic is not defined
        return float(values[0] == others[0])
    return float(stats.ttest_ind(values, others, equal_var=False).pvalue)


def _number(value: float) -> str:
    return f"{value:.2f}" if 0.1 <= abs(value) < 1000 or value == 0 else f"{value:.2g}"
