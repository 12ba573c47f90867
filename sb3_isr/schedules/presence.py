"""
Presence schedules: the probability that the caregiver attends an episode that starts now.

Like Stable-Baselines3's schedules they are callables of the training progress that remains, from 1 down to 0. Their
arguments are fractions of training that have passed, from 0 up to 1, because that is how people describe them ("it
leaves half way"). YAML and command lines write them as text, ``leave_at_0.5``.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sb3_isr.common.arguments import number
from sb3_isr.common.numbers import as_number

PresenceSchedule = Callable[[float], float]


def _check_fractions(schedule: Any, *names: str) -> None:
    """Check attributes of a frozen dataclass, and convert them to Python's numbers."""
    for name in names:
        value = number(name, getattr(schedule, name))
        if not 0.0 <= value <= 1.0:
            remedy = f"for {value:g} % write {value / 100:g}" if 1.0 < value <= 100.0 else "divide steps by all steps"
            raise ValueError(f"{name} is a fraction of training and must lie in [0, 1], got {value!r}; {remedy}.")
        object.__setattr__(schedule, name, value)


@dataclass(frozen=True)
class Always:
    """The caregiver attends every episode: training as without sb3-isr."""

    def __call__(self, progress_remaining: float) -> float:
        """Return the probability of presence."""
        return 1.0


@dataclass(frozen=True)
class Never:
    """The caregiver attends no episode: autonomy from the start, on an ISR that was trained before."""

    def __call__(self, progress_remaining: float) -> float:
        """Return the probability of presence."""
        return 0.0


@dataclass(frozen=True)
class LeaveAt:
    """
    The caregiver attends every episode until it leaves for good.

    :param departure: Fraction of training after which it leaves, in [0, 1].
    """

    departure: float = 0.5

    def __post_init__(self) -> None:
        _check_fractions(self, "departure")

    def __call__(self, progress_remaining: float) -> float:
        """Return the probability of presence."""
        return float(1.0 - progress_remaining < self.departure)


@dataclass(frozen=True)
class Fade:
    """
    The caregiver attends every episode until ``start``, then fewer and fewer (linearly), and none from ``end`` on.

    :param start: Fraction of training at which the probability begins to fall, in [0, 1].
    :param end: Fraction of training at which it reaches 0, in [0, 1], after ``start``.
    """

    start: float = 0.25
    end: float = 0.75

    def __post_init__(self) -> None:
        _check_fractions(self, "start", "end")
        if self.end <= self.start:
            raise ValueError(
                f"Fade must end after it starts, got start={self.start!r}, end={self.end!r}; "
                "for a caregiver that leaves at once, use LeaveAt."
            )

    def __call__(self, progress_remaining: float) -> float:
        """Return the probability of presence."""
        faded = (1.0 - progress_remaining - self.start) / (self.end - self.start)
        return min(1.0, max(0.0, 1.0 - faded))


@dataclass(frozen=True)
class Visits:
    """
    The caregiver leaves, and from then on comes back for a while at regular intervals.

    :param departure: Fraction of training after which it first leaves, in [0, 1].
    :param period: Fraction of training from one departure to the next, in (0, 1].
    :param duration: Fraction of training that a visit lasts, at the end of each period, in [0, ``period``).
    """

    departure: float = 0.5
    period: float = 0.1
    duration: float = 0.01

    def __post_init__(self) -> None:
        _check_fractions(self, "departure", "period", "duration")
        if self.duration >= self.period:
            raise ValueError(
                f"A visit must be shorter than the period between departures, got period={self.period!r}, "
                f"duration={self.duration!r}; for a caregiver that stays, use Always."
            )

    def __call__(self, progress_remaining: float) -> float:
        """Return the probability of presence."""
        away = 1.0 - progress_remaining - self.departure
        return float(away < 0.0 or away % self.period >= self.period - self.duration)


_SCHEDULES: dict[str, tuple[type, int]] = {
    "always": (Always, 0),
    "never": (Never, 0),
    "leave_at": (LeaveAt, 1),
    "fade": (Fade, 2),
    "visits": (Visits, 3),
}


def presence_schedule(presence: str | PresenceSchedule) -> PresenceSchedule:
    """
    Read a presence schedule's text form; a callable is returned as it is.

    :param presence: ``always``, ``never``, ``leave_at_0.5``, ``fade_0.25_0.75``, ``visits_0.5_0.1_0.01``
        (numbers in the order of the class's arguments), or any callable from the progress that remains, 1 to 0,
        to a probability.
    :return: The schedule.
    :raises ValueError: If it is none of these, or a number is out of range.
    """
    if callable(presence) and not isinstance(presence, type):
        return presence
    text = presence if isinstance(presence, str) else ""
    for name, (schedule, n_numbers) in _SCHEDULES.items():
        if text == name or text.startswith(f"{name}_"):
            try:
                numbers = [float(number) for number in text[len(name) + 1 :].split("_") if number]
            except ValueError:
                break
            if len(numbers) != n_numbers:
                break
            return schedule(*numbers)  # type: ignore[no-any-return]
    raise ValueError(
        "A presence schedule is written always, never, leave_at_0.5, fade_0.25_0.75 or visits_0.5_0.1_0.01, where "
        "numbers are fractions of training, or is an object as LeaveAt(0.5), or a function of the progress that "
        f"remains, got {presence!r}."
    )


def attendance_probability(presence: PresenceSchedule, progress_remaining: float) -> float:
    """
    Evaluate a schedule, and check the result: a schedule may be any user's function.

    :param presence: The schedule.
    :param progress_remaining: Training progress that remains, from 1 down; below 0 where training continues past its
        planned end.
    :return: The probability that the caregiver attends an episode that starts now, in [0, 1].
    :raises ValueError: If the schedule returns something else.
    """
    returned = presence(min(1.0, progress_remaining))
    try:
        probability = as_number(returned)
    except ValueError:
        probability = math.nan
    if not 0.0 <= probability <= 1.0:
        raise ValueError(
            f"A presence schedule must return a probability in [0, 1], but {presence!r} returned {returned!r} "
            f"at progress_remaining={progress_remaining:.3f}; clip it there."
        )
    return probability
