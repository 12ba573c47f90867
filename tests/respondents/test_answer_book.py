"""The answer book: what was said becomes labels, what was taken back does not, and nothing else does."""

from __future__ import annotations

import pickle
import warnings
from typing import Any

import numpy as np
import pytest

from sb3_isr.respondents import Answer, AnswerBook, Question
from tests.labels.made_labels import numbers_in
from tests.respondents.questions import NAN, answer, question


def book(n: int = 3, budget: int = 10, held_out: float = 0.0) -> AnswerBook:
    """A book with questions q0, q1, ... of three transitions each, numbered through."""
    made = AnswerBook(budget, held_out)
    made.put([question(f"q{i}", first=3 * i) for i in range(n)])
    return made


def said(made: AnswerBook) -> dict[int, float]:
    """The labels by the numbers of their transitions."""
    answered = made.labels()
    if answered is None:
        return {}
    return dict(zip(numbers_in(answered.labels), answered.labels.social_rewards.tolist(), strict=True))


def names(questions: list[Question]) -> list[str]:
    return [each.id for each in questions]


def test_what_was_said_becomes_labels_and_silence_does_not() -> None:
    made = book()
    assert made.labels() is None
    assert made.record([answer("q1", 0.0, 1.0, NAN), answer("q0", NAN, -1.0, NAN)]).n == 2
    assert said(made) == {1: -1.0, 3: 0.0, 4: 1.0}
    assert names(made.waiting) == ["q2"]
    assert names(made.answered) == ["q0", "q1"]


def test_the_newest_answer_counts_and_an_older_one_that_comes_again_does_not() -> None:
    made = book()
    made.record([answer("q0", 0, 0, 1, time=10.0), answer("q0", 0, 1, 0, time=11.0)])
    assert made.record([answer("q0", 0, 0, 1, time=10.0)]).n == 0
    assert said(made) == {0: 0.0, 1: 1.0, 2: 0.0}
    assert made.record([answer("q0", 0, 1, 0, time=11.0)]) == (0, 0)
    assert made.record([answer("q0", 0, 0, 0, time=12.0)]) == (1, 1)
    assert made.n_answered == 1


def test_a_skip_is_no_answer_and_an_undo_leaves_nothing() -> None:
    made = book()
    assert made.record([answer("q0", NAN, NAN, NAN)]).n == 0
    assert (made.n_answered, names(made.waiting), said(made)) == (0, ["q1", "q2"], {})
    made.record([answer("q1", 1, 0, 0)])
    assert made.record([answer("q1", NAN, NAN, NAN)]) == (1, 1)
    assert (made.n_answered, said(made)) == (0, {})
    made.record([answer("q0", 1, 0, 0), answer("q1", 0, 0, 1)])  # both think again
    assert said(made) == {0: 1.0, 1: 0.0, 2: 0.0, 3: 0.0, 4: 0.0, 5: 1.0}


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (answer("q9", 1, 0, 0), "answer of ada to question q9 is not used: the question is unknown"),
        (answer("q2", 1, 0, 0), "the question is withdrawn"),
        (answer("q0", 1, 0), r"must have 3 rewards, one for each transition, but has the shape \[2\]"),
        (answer("q0", 1, float("inf"), 0), r"must lie within .*, but one is inf"),
        (Answer("q0", np.array([1e39, 0.0, 0.0]), "ada"), r"must lie within .*, but one is inf"),
        (Answer("q0", np.array(["1", "0", "0"]), "ada"), "must be numbers, or NaN for nothing"),
        (Answer("q0", np.zeros((3, 1)), "ada"), r"has the shape \[3, 1\]"),
    ],
)
def test_an_answer_that_cannot_be_used_is_refused_and_nothing_is_lost(given: Any, message: str) -> None:
    made = book()
    made.withdraw(["q2"])
    made.record([answer("q0", 0, 0, 1), answer("q1", 1, 0, 0)])
    before = said(made)
    with pytest.warns(UserWarning, match=message):
        assert made.record([given]).n == 0
    assert said(made) == before


def test_of_two_people_the_mean_counts_and_their_disagreement_is_told() -> None:
    made = book()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        made.record([answer("q0", 1, 0, NAN), answer("q0", NAN, 0, 1, by="ben")])
    assert said(made) == {0: 1.0, 1: 0.0, 2: 1.0}
    with pytest.warns(UserWarning, match=r"ben and ada disagree about question q0: the mean of what they say counts"):
        made.record([answer("q0", 0, 0, 1, by="ben", time=1.0)])
    assert said(made) == {0: 0.5, 1: 0.0, 2: 1.0}
    assert made.n_answered == 1
    made.record([answer("q0", NAN, NAN, NAN, time=2.0)])
    assert said(made) == {0: 0.0, 1: 0.0, 2: 1.0}


def test_there_are_never_more_answers_than_the_budget() -> None:
    made = book(n=3, budget=2)
    with pytest.warns(UserWarning, match="the budget of 2 answers is used up; give it a larger budget"):
        made.record([answer(f"q{i}", 0, 0, 0) for i in range(3)])
    assert names(made.answered) == ["q0", "q1"]
    made.record([answer("q0", 1, 0, 0, time=1.0)])  # it may be changed
    made.record([answer("q0", NAN, NAN, NAN, time=2.0), answer("q2", 0, 0, 1)])  # or taken back for another one
    assert said(made) == {3: 0.0, 4: 0.0, 5: 0.0, 6: 0.0, 7: 0.0, 8: 1.0}


def test_which_questions_are_held_out_depends_on_their_ids_alone() -> None:
    def held_out(order: list[int]) -> set[int]:
        made = AnswerBook(200, held_out=0.25)
        made.put([question(f"q{i}", first=3 * i) for i in order])
        made.record([answer(f"q{i}", 0, 0, 0) for i in order])
        answered = made.labels()
        assert answered is not None
        return set(np.array(numbers_in(answered.labels))[answered.is_held_out].tolist())

    all_of_them = held_out([*range(200)])
    assert 30 <= len(all_of_them) / 3 <= 70
    assert held_out([*reversed(range(0, 200, 2))]) == {i for i in all_of_them if (i // 3) % 2 == 0}
    assert all(3 * (i // 3) in all_of_them for i in all_of_them)  # whole questions


def test_only_waiting_questions_are_withdrawn_and_skipped_ones_are_forgotten_in_the_end() -> None:
    made = book()
    made.record([answer("q0", 0, 0, 1), answer("q1", NAN, NAN, NAN)])
    made.withdraw(["q0", "q1", "q2", "q9"])
    assert [made.knows(name) for name in ("q0", "q1", "q2", "q9")] == [True, True, True, False]
    assert names(made.waiting) == []
    assert len(said(made)) == 3
    for i in range(300):
        made.put([question(f"s{i}")])
        made.record([answer(f"s{i}", NAN, NAN, NAN)])
    assert len(pickle.dumps(made.state_dict())) < 200_000
    with pytest.warns(UserWarning, match="withdrawn"):
        made.record([answer("s0", 1, 0, 0)])


def test_pictures_are_not_kept_and_the_state_can_be_restored() -> None:
    made = AnswerBook(10)
    shown = Question("q0", question("q0").transitions, 0, 0, "", (b"picture",) * 4)
    made.put([shown, question("q1", first=3)])
    made.record([answer("q0", 0, 0, 1)])
    assert made.answered[0].pictures == ()
    other = AnswerBook(10)
    other.load_state_dict(pickle.loads(pickle.dumps(made.state_dict())))
    assert said(other) == said(made)
    assert names(other.waiting) == ["q1"]
    assert [each.question_id for each in other.answers()] == ["q0"]
