"""Labels of several people: nothing is lost but what a person replaced, and disagreements are found."""

from __future__ import annotations

import numpy as np
import pytest

from sb3_isr import AttributedLabels, LabelBatch
from sb3_isr.labels.merging import Disagreement, disagreements, merge_labels
from tests.isr.some_spaces import BOX, MINIGRID, transitions_of
from tests.labels.made_labels import DISCRETE, assert_same, attributed


def test_of_the_answers_of_one_person_to_a_question_the_newest_is_kept() -> None:
    old, new = attributed([0.0, 0.0], "Ann", "q", time=1), attributed([0.0, 1.0], "Ann", "q", time=2)
    for parts in ([old, new], [new, old], [old, new, new], [old, old, new, old]):
        merged = merge_labels(parts)
        assert sorted(merged.labels.social_rewards.tolist()) == [0.0, 1.0]
        assert sorted(merged.questions) == ["q/0", "q/1"]
        assert disagreements(merged) == ([], 0)


def test_of_answers_of_the_same_time_that_of_the_later_file_is_kept() -> None:
    merged = merge_labels([attributed([0.0], "Ann", "q"), attributed([1.0], "Ann", "q")])
    assert merged.labels.social_rewards.tolist() == [1.0]


def test_what_different_people_say_and_what_answers_no_known_question_is_kept_in_order() -> None:
    parts = [
        attributed([0.0, 1.0], "Ann", "q"),
        attributed([0.0, -1.0], "Bo", "q"),
        attributed([5.0]),
        attributed([5.0]),
    ]
    assert_same(merge_labels(parts), AttributedLabels.concatenate(parts))


def test_disagreements_are_listed_the_greatest_first() -> None:
    ann = attributed([0.0, 1.0, 0.5, 0.1], "Ann", "q")
    bo = attributed([0.0, 0.5, -1.0], "Bo")
    cy = attributed([3.0], "Cy", first=9)
    found, n_shared = disagreements(merge_labels([ann, bo, cy]))
    assert found == [
        Disagreement({"Ann": 0.5, "Bo": -1.0}, "q/2"),
        Disagreement({"Ann": 1.0, "Bo": 0.5}, "q/1"),
    ]
    assert n_shared == 3


def test_who_saw_a_transition_several_times_is_compared_by_the_mean() -> None:
    ann = [attributed([value], "Ann") for value in (0.1, 0.1, 0.1)]
    assert disagreements(merge_labels([*ann, attributed([0.7], "Ann")])) == ([], 0)
    assert disagreements(merge_labels([*ann, attributed([0.1], "Bo")])) == ([], 1)
    found, _ = disagreements(merge_labels([*ann, attributed([0.7], "Ann"), attributed([0.1], "Bo")]))
    assert found[0].rewards == pytest.approx({"Ann": 0.25, "Bo": 0.1})


@pytest.mark.parametrize("part", range(4))
def test_transitions_are_the_same_only_in_all_their_parts(part: int) -> None:
    transitions = transitions_of(MINIGRID, DISCRETE, 2)
    first = transitions.select([0])
    name = first._fields[part]
    other = first._replace(**{name: getattr(transitions.select([1]), name)})
    spaces = (MINIGRID, DISCRETE)
    ann = AttributedLabels(spaces, LabelBatch(first, np.zeros(1)), by=["Ann"])
    for who, n_shared in ((first, 1), (other, 0)):
        bo = AttributedLabels(spaces, LabelBatch(who, np.ones(1)), by=["Bo"])
        assert disagreements(merge_labels([ann, bo]))[1] == n_shared


def test_labels_of_other_spaces_are_not_merged() -> None:
    with pytest.raises(ValueError, match="must be of the same spaces"):
        merge_labels([attributed([1.0]), AttributedLabels.none((BOX, DISCRETE))])
