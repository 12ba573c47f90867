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
    An interquartile mean over seeds and its interval.

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
    Estimate the interquartile mean.

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
    Compute the interquartile mean.

    :param values: Any array.
    :param axis: The axis of the seeds.
    :return: The interquartile mean along the axis.
    """
    return np.asarray(stats.trim_mean(values, 0.25, axis=axis))


def interval(values: Array) -> tuple[Array, Array]:
    """
    Compute the interquartile mean's 95% percentile-bootstrap interval.

    :param values: ``[n_seeds, ...]``, of at least 2 seeds.
    :return: Its lower and upper end, each ``[...]``.
    """
    bootstrap = stats.bootstrap(
        (values,), interquartile_mean, n_resamples=2000, axis=0, method="percentile", rng=np.random.default_rng(0)
    )
    return bootstrap.confidence_interval.low, bootstrap.confidence_interval.high


def welch(values: Sequence[float], others: Sequence[float]) -> float:
    """
    Test by Welch's test that two means are the same.

    :param values: One for each seed.
    :param others: One for each seed.
    :return: The two-sided p-value; NaN with fewer than 2 of either.
    """
    if min(len(values), len(others)) < 2:
        return float("nan")
    if np.ptp(values) == np.ptp(others) == 0:  # no spread: the test statistic is not defined
        return float(values[0] == others[0])
    return float(stats.ttest_ind(values, others, equal_var=False).pvalue)


def _number(value: float) -> str:
    return f"{value:.2f}" if 0.1 <= abs(value) < 1000 or value == 0 else f"{value:.2g}"
