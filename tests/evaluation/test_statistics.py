"""Statistics over seeds, checked against numbers worked out by hand."""

import numpy as np
import pytest

from sb3_isr.evaluation.statistics import estimate, interquartile_mean, interval, welch


def test_the_interquartile_mean_leaves_the_outer_quarters_out() -> None:
    assert interquartile_mean(np.array([-100.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 900.0])) == 3.5


def test_an_estimates_interval_holds_it_and_is_the_same_each_time() -> None:
    first = estimate([1.0, 2.0, 3.0, 4.0, 9.0])
    assert first == estimate([1.0, 2.0, 3.0, 4.0, 9.0])
    assert 1.0 <= first.low < first.iqm < first.high <= 9.0
    assert str(estimate([2.0, 2.0, 2.0])) == "2.00 [2.00, 2.00]"
    assert str(estimate([0.001, 0.003])) == "0.002 (n=2)"
    assert str(estimate([])) == "-"


def test_welchs_p() -> None:
    # By hand: t = -1 with 8 degrees of freedom.
    assert welch([1, 2, 3, 4, 5], [2, 3, 4, 5, 6]) == pytest.approx(0.3466, abs=1e-4)
    assert welch([1, 1], [2, 2]) == 0.0
    assert welch([1, 1], [1, 1]) == 1.0
    assert np.isnan(welch([1], [2, 3]))


def test_intervals_of_curves_are_those_of_each_point() -> None:
    values = np.array([[1.0, 2.0, 4.0], [10.0, 20.0, 90.0]]).T
    low, high = interval(values)
    for i in range(2):
        assert (low[i], high[i]) == pytest.approx(interval(values[:, i]))
