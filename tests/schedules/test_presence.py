import math
import pickle

import pytest

from sb3_isr import Always, Fade, LeaveAt, Never, Visits
from sb3_isr.schedules.presence import PresenceSchedule, attendance_probability, presence_schedule


@pytest.mark.parametrize(
    ("schedule", "passed_to_probability"),
    [
        (Always(), {0.0: 1, 0.5: 1, 1.0: 1}),
        (Never(), {0.0: 0, 0.5: 0, 1.0: 0}),
        (LeaveAt(0.25), {0.0: 1, 0.24: 1, 0.25: 0, 1.0: 0}),
        (LeaveAt(0.0), {0.0: 0}),
        (Fade(0.25, 0.75), {0.0: 1, 0.25: 1, 0.375: 0.75, 0.5: 0.5, 0.75: 0, 1.0: 0}),
        # Leaves at 0.5 and comes back for the last quarter of every 0.25: [0.6875, 0.75), [0.9375, 1).
        (Visits(0.5, 0.25, 0.0625), {0.0: 1, 0.49: 1, 0.5: 0, 0.68: 0, 0.6875: 1, 0.74: 1, 0.75: 0, 0.9: 0, 0.95: 1}),
    ],
)
def test_probability_over_training(schedule: PresenceSchedule, passed_to_probability: dict[float, float]) -> None:
    for passed, probability in passed_to_probability.items():
        assert schedule(1.0 - passed) == pytest.approx(probability), passed


@pytest.mark.parametrize(
    ("text", "schedule"),
    [
        ("always", Always()),
        ("never", Never()),
        ("leave_at_0.3", LeaveAt(0.3)),
        ("leave_at_3e-1", LeaveAt(0.3)),
        ("fade_0.2_0.6", Fade(0.2, 0.6)),
        ("visits_0.5_0.1_0.02", Visits(0.5, 0.1, 0.02)),
    ],
)
def test_text_form(text: str, schedule: PresenceSchedule) -> None:
    assert presence_schedule(text) == schedule


@pytest.mark.parametrize(
    "text", ["", "sometimes", "leave_at", "leave_at_", "leave_at_0.5_0.6", "leave_at_soon", "always_0.5", "fade_0.5"]
)
def test_unknown_text_is_refused_with_the_known_forms(text: str) -> None:
    with pytest.raises(ValueError, match=r"leave_at_0\.5.*got '" + text):
        presence_schedule(text)


@pytest.mark.parametrize(
    "text", ["leave_at_1.5", "leave_at_-0.1", "leave_at_nan", "fade_0.5_0.5", "fade_0.2_2", "visits_0.5_0.1_0.1"]
)
def test_numbers_out_of_range_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="got"):
        presence_schedule(text)


def test_a_callable_is_used_as_it_is_and_its_results_are_checked() -> None:
    def schedule(progress_remaining: float) -> float:
        return 2 * progress_remaining

    assert presence_schedule(schedule) is schedule
    assert attendance_probability(schedule, 0.25) == 0.5
    for remaining in (1.0, math.inf):
        with pytest.raises(ValueError, match=r"\[0, 1\].*returned 2\.0"):
            attendance_probability(schedule, remaining)


def test_steps_past_the_planned_end_count_as_the_end_of_training() -> None:
    assert attendance_probability(Fade(0.5, 1.0), -0.02) == 0.0


def test_schedules_can_be_pickled_and_printed() -> None:
    schedule = Visits(0.5, 0.1, 0.01)
    assert pickle.loads(pickle.dumps(schedule)) == schedule
    assert repr(schedule) == "Visits(departure=0.5, period=0.1, duration=0.01)"
