"""Front, knee and what a front dominates, against numbers worked out by hand."""

import pytest

from sb3_isr.tuning.confirm import table
from sb3_isr.tuning.findings import Found, best, dominated, front, knee


def trial(number: int, labels: float, value: float, is_feasible: bool = True) -> Found:
    return Found(number, value, labels, {}, {}, [value], is_feasible)


TRIALS = [
    trial(0, 1000, 0.0),
    trial(1, 100, 0.5),
    trial(2, 10, 0.2),
    trial(3, 100, 0.4),  # as many labels as 1, less return
    trial(4, 10_000, 1.0),
    trial(5, 1000, 0.96),
    trial(6, 20_000, 1.0),  # as much return as 4, more labels
]


def numbers(trials: list[Found]) -> list[int]:
    return [one.number for one in trials]


def test_the_front_has_whom_no_other_beats_in_both() -> None:
    assert numbers(front(TRIALS)) == [2, 1, 5, 4]


def test_the_knee_keeps_most_of_the_best_return_with_the_fewest_labels() -> None:
    assert knee(TRIALS).number == 5
    lower = [one._replace(value=one.value - 100.0) for one in TRIALS]  # returns below 0 are returns too
    assert knee(lower).number == 5
    assert knee([trial(7, 5, 0.0)]).number == 7


def test_the_best_keeps_to_the_constraint() -> None:
    assert best([]) is None
    assert best([trial(0, 1, 1.0, is_feasible=False)], max_labels=0) is None
    few = [one._replace(is_feasible=one.labels <= 100) for one in TRIALS]
    enough = [one._replace(is_feasible=one.value >= 0.45) for one in TRIALS]
    assert best(few, max_labels=100).number == 1  # type: ignore[union-attr]
    assert best(enough, min_return=0.45).number == 1  # type: ignore[union-attr]
    assert best(TRIALS).number == 5  # type: ignore[union-attr]


def test_what_a_front_dominates() -> None:
    # From 10 to 100 labels 0.2, up to 1000 0.5, up to 10,000 0.96: each a third of the logarithmic width.
    assert dominated(TRIALS, (10, 10_000), (0.0, 1.0)) == pytest.approx((0.2 + 0.5 + 0.96) / 3)
    assert dominated([trial(0, 100, 2.0)], (10, 1000), (0.0, 1.0)) == pytest.approx(0.5)
    assert dominated([trial(0, 10, -1.0)], (10, 1000), (0.0, 1.0)) == 0.0


def test_the_table_of_fresh_seeds() -> None:
    values = {"trial 3": [1.0, 1.1, 1.2, 0.9], "entry": [1.0, 1.1, 1.2, 0.9], "always": [2.0, 2.1, 2.2, 1.9]}
    runs = [
        {"name": name, "return": value, "labels": 100 * (i + 1)}
        for i, name in enumerate(values)
        for value in values[name]
    ]
    head, found, entry, always = table(runs).splitlines()
    assert head.startswith("fresh seeds")
    assert found.split() == ["trial", "3", "4", "1.05", "[0.90,", "1.20]", "100", "1"]
    assert (entry.split()[-1], always.split()[-2]) == ("200", "300")
    assert float(always.split()[-1]) < 0.001
