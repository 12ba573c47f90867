import json
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sb3_isr.labels import LabelRange
from sb3_isr.labels.label_range import MAX_VALUES, LabelRanges

MANY = tuple(float(i) for i in range(MAX_VALUES + 1))


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        ([], None),
        ([0.5, 0.5], LabelRange(0.5, 0.5, (0.5,))),
        ([1.0, 0.0, -1.0, 0.0], LabelRange(-1.0, 1.0, (-1.0, 0.0, 1.0))),
        (MANY[:-1], LabelRange(0.0, 9.0, MANY[:-1])),
        (MANY, LabelRange(0.0, 10.0)),
    ],
    ids=str,
)
def test_range_and_values_of_labels(labels: Any, expected: LabelRange | None) -> None:
    assert LabelRange.of(np.array(labels, np.float32)) == expected


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        (LabelRange(0, 1, (0, 1)), LabelRange(-1, 0, (-1, 0)), LabelRange(-1, 1, (-1, 0, 1))),
        (LabelRange(0, 1, (0, 1)), LabelRange(0, 1, (0, 1)), LabelRange(0, 1, (0, 1))),
        (LabelRange(0, 1, (0, 1)), LabelRange(0, 5), LabelRange(0, 5)),
        (LabelRange(0, 5, MANY[:6]), LabelRange(6, 10, MANY[6:]), LabelRange(0, 10)),
    ],
    ids=str,
)
def test_the_union_holds_both(one: LabelRange, other: LabelRange, expected: LabelRange) -> None:
    assert one.union(other) == other.union(one) == expected


REWARDS = np.array([[-9.0, -0.51, -0.5, -0.49], [0.1, 0.49, 0.51, 9.0]], np.float32)


def test_rewards_are_clipped_to_the_range() -> None:
    expected = [[-1, np.float32(-0.51), -0.5, np.float32(-0.49)], [np.float32(n) for n in (0.1, 0.49, 0.51, 1)]]
    for clipped in (LabelRange(-1, 1).clip(REWARDS), LabelRange(-1, 1).nearest(REWARDS)):
        assert clipped.tolist() == expected
        assert clipped.dtype == np.float32


def test_rewards_are_replaced_by_the_nearest_label_and_by_the_lower_one_half_way() -> None:
    nearest = LabelRange(-1, 1, (-1, 0, 1)).nearest(REWARDS)
    assert nearest.tolist() == [[-1, -1, -1, 0], [0, 0, 1, 1]]
    assert nearest.dtype == np.float32
    assert LabelRange(2, 2, (2,)).nearest(REWARDS).tolist() == [[2] * 4] * 2


def test_width() -> None:
    assert LabelRange(-0.5, 1.0).width == 1.5


def test_a_checked_range_holds_python_floats() -> None:
    checked = LabelRange(np.float32(-1), 2, (np.float32(-1), 2)).check()  # type: ignore[arg-type]
    assert checked == LabelRange(-1.0, 2.0, (-1.0, 2.0))
    assert {type(number) for number in (checked.low, checked.high, *(checked.values or ()))} == {float}


@pytest.mark.parametrize(
    ("label_range", "message"),
    [
        (LabelRange(1.0, 0.0), r"two ascending finite numbers, got \(1\.0, 0\.0\)"),
        (LabelRange(0.0, math.inf), "two ascending finite numbers"),
        (LabelRange(-math.inf, 0.0), "two ascending finite numbers"),
        (LabelRange(math.nan, 1.0), "two ascending finite numbers"),
        (LabelRange(0.0, 1.0, ()), r"label_values must be ascending finite numbers, got \(\)"),
        (LabelRange(0.0, 1.0, (1.0, 0.0)), "label_values"),
        (LabelRange(0.0, 1.0, (0.0, 0.0)), "label_values"),
        (LabelRange(0.0, 1.0, (0.0, math.nan)), "label_values"),
    ],
    ids=str,
)
def test_what_is_no_range_is_refused(label_range: LabelRange, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        label_range.check()


@pytest.mark.parametrize("label_range", [LabelRange(-1.0, 1.0), LabelRange(-1.0, 0.1, (-1.0, 0.1))], ids=str)
def test_a_range_survives_json(label_range: LabelRange) -> None:
    written = json.dumps([[label_range.low, label_range.high], label_range.values])
    assert LabelRange.from_json(*json.loads(written)) == label_range
    assert LabelRange.from_json(None, None) is None


@pytest.mark.parametrize(
    ("bounds", "values", "message"),
    [
        ({}, None, r"label_range must be a list of numbers, got \{\}"),
        ([0, 1], None, "label_range must be a list of numbers"),
        ([0.0, "1"], None, "label_range must be a list of numbers"),
        ([0.0], None, r"label_range must be two.*got \[0\.0\]"),
        ([0.0, 1.0, 2.0], None, "label_range must be two"),
        ([1.0, 0.0], None, "label_range must be two"),
        ([0.0, math.nan], None, "label_range must be two"),
        ([0.0, 1.0], 1.0, "label_values must be a list of numbers, got 1.0"),
        (None, [None], "label_values must be a list of numbers"),
        ([0.0, 1.0], [], "label_values must be ascending"),
        ([0.0, 1.0], [1.0, 0.0], "label_values must be ascending"),
    ],
)
def test_other_json_is_refused(bounds: Any, values: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        LabelRange.from_json(bounds, values)


# Ranges of steps that go on, and of those that terminate an episode.

CONTINUING, TERMINATED = LabelRange(-0.25, 0.5, (-0.25, 0.0, 0.5)), LabelRange(-10.0, 100.0)
ENDS = np.array([False, True, False, True])
FAR = np.array([[-1e9, -1e9, 1e9, 1e9], [0.2, 0.2, 0.3, 0.3]], np.float32)


def test_each_kind_of_steps_is_limited_to_its_own_labels() -> None:
    ranges = LabelRanges(CONTINUING, TERMINATED)
    clipped = ranges.limit(FAR, ENDS, to_values=True)  # not recognized
    np.testing.assert_array_equal(clipped, np.array([[-0.25, -10, 0.5, 100], [0.2, 0.2, 0.3, 0.3]], np.float32))
    recognized = ranges._replace(continuing=CONTINUING._replace(recognized=True))
    for limited in (recognized.limit(FAR, ENDS, to_values=True), ranges.nearest(FAR, ENDS)):
        np.testing.assert_array_equal(limited, np.array([[-0.25, -10, 0.5, 100], [0, 0.2, 0.5, 0.3]], np.float32))
    np.testing.assert_array_equal(recognized.limit(FAR, ENDS, to_values=False), clipped)


@pytest.mark.parametrize("ranges", [LabelRanges(CONTINUING, None), LabelRanges(None, CONTINUING)], ids=str)
def test_steps_of_a_kind_that_was_never_labelled_are_limited_to_all_labels(ranges: LabelRanges) -> None:
    limited = ranges.limit(FAR, ENDS, to_values=False)
    assert limited[0].tolist() == [-0.25, -0.25, 0.5, 0.5]
    assert ranges.overall == CONTINUING


def test_ranges_of_labels_are_found_united_written_and_read() -> None:
    labels = np.array([0.0, 5.0, -1.0, 7.0], np.float32)
    ranges = LabelRanges.of(labels, ENDS)
    assert ranges == LabelRanges(LabelRange(-1.0, 0.0, (-1.0, 0.0)), LabelRange(5.0, 7.0, (5.0, 7.0)))
    assert ranges.overall == LabelRange(-1.0, 7.0, (-1.0, 0.0, 5.0, 7.0))
    assert LabelRanges.of(labels[:0], ENDS[:0]) is None
    alone = LabelRanges.of(labels[ENDS], ENDS[ENDS])
    assert alone == LabelRanges(None, ranges.terminated)
    other = LabelRanges(LabelRange(2.0, 3.0, (2.0, 3.0)), None)
    united = LabelRanges(LabelRange(2.0, 3.0, (2.0, 3.0)), ranges.terminated)
    assert other.union(alone) == alone.union(other) == united
    for each in (ranges, alone, LabelRanges(CONTINUING._replace(recognized=True), TERMINATED)):
        assert LabelRanges.from_json(json.loads(json.dumps(each.check().to_json()))) == each
    assert LabelRanges.from_json(None) is None


@given(st.lists(st.tuples(st.floats(-100, 100, width=32), st.booleans()), min_size=1, max_size=12), st.booleans())
def test_no_limited_reward_leaves_the_range_of_the_labels_of_its_kind(
    labels: list[tuple[float, bool]], recognized: bool
) -> None:
    rewards, terminated = (np.array(part) for part in zip(*labels, strict=True))
    ranges = LabelRanges.of(rewards.astype(np.float32), terminated)
    assert ranges is not None
    ranges = LabelRanges(*(each and each._replace(recognized=recognized) for each in ranges))
    predictions = np.random.default_rng(0).uniform(-300, 300, 100).astype(np.float32)
    ends = np.arange(100) % 2 == 0
    limited = ranges.limit(predictions, ends, to_values=True)
    for which in (False, True):
        own = rewards[terminated == which] if (terminated == which).any() else rewards
        assert own.min() <= limited[ends == which].min() <= limited[ends == which].max() <= own.max()
