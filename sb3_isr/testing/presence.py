"""Checks a presence schedule."""

from __future__ import annotations

from numbers import Real

import numpy as np

from sb3_isr.schedules.presence import PresenceSchedule, presence_schedule
from sb3_isr.testing.conformance import global_generators_unchanged, require, unpickled_copy


def check_presence(schedule: str | PresenceSchedule) -> None:
    """
    Check that a presence schedule is a function from training progress to a probability.

    :param schedule: The schedule, or its text form.
    :raises ConformanceError: If a rule is broken.
    """
    schedule = presence_schedule(schedule)
    times = np.linspace(1.0, 0.0, 1001).tolist()
    with global_generators_unchanged("A presence schedule"):
        probabilities = [schedule(progress_remaining) for progress_remaining in times]
        for progress_remaining, probability in zip(times, probabilities, strict=True):
            require(
                isinstance(probability, Real) and 0.0 <= probability <= 1.0,
                "A presence schedule must return a probability in [0, 1]",
                f"{probability!r} at progress_remaining={progress_remaining}",
                "clip it to [0, 1]",
            )
        backwards = [schedule(progress_remaining) for progress_remaining in reversed(times)]
    require(
        probabilities == backwards[::-1],
        "A presence schedule must depend on progress_remaining alone, since training may be resumed and repeated",
        "other probabilities when it was called in reverse order",
        "keep no memory in it, and draw no random numbers: the callback draws which episodes are attended",
    )
    unpickled = unpickled_copy(schedule)
    require(
        probabilities == [unpickled(progress_remaining) for progress_remaining in times],
        "A presence schedule must be the same after unpickling",
        "other probabilities",
        "pickle all values that it depends on",
    )
    require(
        " object at 0x" not in repr(schedule),
        "A presence schedule must have a repr, since errors and logs show it",
        repr(schedule),
        "make it a dataclass, or write __repr__",
    )
