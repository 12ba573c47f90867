"""check_presence: schedules that keep the rules, and one that breaks each rule."""

import random
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from sb3_isr import Always, Fade, LeaveAt, Never, Visits
from sb3_isr.testing import ConformanceError, check_presence

GENERATOR = random.Random(0)


def half(progress_remaining: float) -> float:
    return 0.5


def draws(progress_remaining: float) -> float:
    return 0.0 * np.random.rand()


class Schedule:
    """A schedule from any function."""

    def __init__(self, function: Callable[[float], Any]) -> None:
        self.function = function

    def __call__(self, progress_remaining: float) -> float:
        return self.function(progress_remaining)  # type: ignore[no-any-return]

    def __repr__(self) -> str:
        return "Schedule()"


class WithoutRepr(Schedule):
    """Has only object's own repr."""

    __repr__ = object.__repr__


class LosesItsFunction(Schedule):
    """Differs after unpickling."""

    def __reduce__(self) -> Any:
        return Schedule, (abs,)


class Counting(Schedule):
    """Depends on how often it was called."""

    calls = 0

    def __call__(self, progress_remaining: float) -> float:
        self.calls += 1
        return 1.0 / self.calls


@pytest.mark.parametrize(
    "schedule",
    [Always(), Never(), LeaveAt(0.3), Fade(), Visits(0.5, 0.1, 0.01), "leave_at_0", "fade_0.2_0.7", half],
    ids=lambda schedule: getattr(schedule, "__name__", repr(schedule)),
)
def test_schedules_that_keep_the_rules(schedule: Any) -> None:
    check_presence(schedule)


@pytest.mark.parametrize(
    ("schedule", "message"),
    [
        (Schedule(lambda p: 1.5 * p), r"probability in \[0, 1\], got 1.5 at progress_remaining=1.0; clip"),
        (Schedule(lambda p: p - 0.1), r"probability in \[0, 1\], got -\S+ at progress_remaining=0.09\d*; clip"),
        (Schedule(lambda p: float("nan")), "got nan"),
        (Schedule(lambda p: None), "got None"),
        (Schedule(lambda p: "0.5"), "got '0.5'"),
        (Schedule(lambda p: GENERATOR.random()), "depend on progress_remaining alone"),
        (Counting(abs), "depend on progress_remaining alone.*in reverse order; keep no memory"),
        (Schedule(draws), "A presence schedule must not draw from the global.*draws from numpy.random"),
        (Schedule(lambda p: 0.5), "pickle must support it.*at the top level of a module"),
        (LosesItsFunction(half), "the same after unpickling"),
        (WithoutRepr(half), "must have a repr.* object at 0x.*; make it a dataclass"),
    ],
)
def test_a_schedule_that_breaks_a_rule(schedule: Any, message: str) -> None:
    with pytest.raises(ConformanceError, match=message):
        check_presence(schedule)
