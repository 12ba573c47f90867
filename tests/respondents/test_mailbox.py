"""A mailbox: what is put and answered is on disk, and only what was said is ever taken."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path
from threading import Thread
from typing import Any

import numpy as np
import pytest
from gymnasium import spaces

from sb3_isr.common.batches import Array
from sb3_isr.labels.transitions import Transitions
from sb3_isr.respondents import Mailbox, Question
from sb3_isr.respondents.mailbox_answers import BudgetError, WithdrawnQuestionError
from sb3_isr.respondents.mailbox_file import SCHEMA_VERSION, MailboxError
from sb3_isr.respondents.mailbox_reader import UnknownQuestionError
from tests.respondents.made_questions import made_question

NOTHING = [np.nan] * 3


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "run" / "mailbox.sqlite"


@pytest.fixture
def training(path: Path) -> Iterator[Mailbox]:
    with Mailbox(path) as mailbox:
        yield mailbox


@pytest.fixture
def person(training: Mailbox, path: Path) -> Iterator[Mailbox]:
    """Another opening of the same file, as the console's."""
    with Mailbox(path, must_exist=True) as mailbox:
        yield mailbox


def ids(mailbox: Mailbox) -> list[str]:
    return [question.id for question in mailbox.open_questions()]


def rewards(mailbox: Mailbox) -> list[Any]:
    """The rewards of all answers that are taken, with None for NaN."""
    return [[None if np.isnan(r) else round(r, 6) for r in a.rewards.tolist()] for a in mailbox.take()]


def test_a_question_arrives_whole(training: Mailbox, person: Mailbox) -> None:
    asked = made_question(7, n_pictures=4)
    training.put([asked])
    (waiting,) = person.open_questions()
    assert (waiting.id, waiting.env, waiting.step, waiting.n_steps, waiting.n_pictures, waiting.reason) == (
        *("question-7", 3, 70, 3, 4),
        "reason 7",
    )
    met = person.question("question-7")
    assert met.pictures == asked.pictures
    assert person.picture("question-7", 2) == b"picture 2"
    for part, other in zip(met.transitions, asked.transitions, strict=True):
        assert isinstance(part, np.ndarray)
        assert isinstance(other, np.ndarray)
        np.testing.assert_array_equal(part, other)
        assert part.dtype == other.dtype


def test_observations_of_a_dict_space_arrive(training: Mailbox, person: Mailbox) -> None:
    seen: dict[str, Array] = {
        "image": np.arange(12, dtype=np.uint8).reshape(2, 2, 3),
        "flag": np.array([[0], [1]], np.int64),
    }
    transitions = Transitions(seen, np.zeros((2, 1), np.float32), seen, np.array([False, True]))
    training.put([Question("a", transitions, 0, 0, "")])
    met = person.question("a").transitions
    assert isinstance(met.observations, dict)
    assert met.observations.keys() == seen.keys()
    np.testing.assert_array_equal(met.observations["image"], seen["image"])


def test_the_training_takes_each_answer_once_and_oldest_first(training: Mailbox, person: Mailbox) -> None:
    training.put([made_question(0), made_question(1)])
    person.answer("question-1", [0, 1, np.nan], "ada")
    person.answer("question-0", [0, 0, -0.5], "ada")
    assert rewards(training) == [[0, 1, None], [0, 0, -0.5]]
    assert rewards(training) == []
    assert ids(person) == []


def test_answers_are_taken_again_by_a_training_that_starts_anew_and_not_by_one_that_resumes(
    training: Mailbox, person: Mailbox, path: Path
) -> None:
    training.put([made_question(0), made_question(1)])
    person.answer("question-0", [1, 0, 0], "ada")
    training.take()
    seen = training.seen
    person.answer("question-1", [0, 1, 0], "ada")
    training.close()
    with Mailbox(path) as anew, Mailbox(path) as resumed:
        resumed.seen = seen
        assert rewards(anew) == [[1, 0, 0], [0, 1, 0]]
        assert rewards(resumed) == [[0, 1, 0]]


def test_a_question_is_not_asked_anew_and_its_id_is_its_own(training: Mailbox, person: Mailbox) -> None:
    training.put([made_question(0)])
    person.answer("question-0", [0, 0, 0], "ada")
    training.put([made_question(0), made_question(1)])
    assert ids(person) == ["question-1"]
    other = Question("question-1", made_question(5).transitions, 1, 10, "")
    with pytest.raises(MailboxError, match="'question-1' is in the mailbox with other transitions"):
        training.put([made_question(2), other])
    assert ids(person) == ["question-1"], "all of a batch or nothing"


def test_undo_goes_back_any_number_of_answers_and_opens_the_questions(training: Mailbox, person: Mailbox) -> None:
    training.put([made_question(n) for n in range(3)])
    person.answer("question-0", [1, 0, 0], "ada")
    person.answer("question-1", NOTHING, "ada")
    person.answer("question-2", [0, 0, 1], "bob")
    undone = person.undo("ada")
    assert undone is not None
    assert undone.question_id == "question-1", "a skip can be taken back, and bob's answer is not ada's"
    undone = person.undo("ada")
    assert undone is not None
    assert undone.rewards.tolist() == [1, 0, 0]
    assert person.undo("ada") is None
    assert ids(person) == ["question-0", "question-1"]
    person.answer("question-0", [0, 1, 0], "ada")
    assert rewards(training) == [[1, 0, 0], [None] * 3, [0, 0, 1], [None] * 3, [None] * 3, [0, 1, 0]]
    assert person.n_answered() == 2


def test_a_skip_closes_a_question_without_an_answer(training: Mailbox, person: Mailbox) -> None:
    training.put([made_question(0)])
    training.set_status(budget=1)
    person.answer("question-0", NOTHING, "ada")
    assert ids(person) == []
    assert person.n_answered() == 0
    assert rewards(training) == [[None] * 3]


def test_there_are_never_more_answers_than_the_budget(training: Mailbox, person: Mailbox) -> None:
    training.put([made_question(n) for n in range(4)])
    training.set_status(budget=2)
    person.answer("question-0", [0, 0, 0], "ada")
    person.answer("question-1", [0, 0, 0], "bob")
    person.answer("question-1", [0, 0, 1], "ada")  # a second person's answer, and another answer, are of the same one
    person.answer("question-0", [1, 0, 0], "ada")
    assert person.n_answered() == 2
    with pytest.raises(BudgetError, match="All 2 answers of the budget have been given"):
        person.answer("question-2", [0, 0, 0], "ada")
    person.answer("question-2", NOTHING, "ada")
    person.undo("ada")
    person.undo("ada")
    person.answer("question-3", [0, 0, 0], "ada")
    assert person.n_answered() == 2


@pytest.mark.parametrize(
    ("question", "answer", "error", "text"),
    [
        ("question-9", [0, 0, 0], UnknownQuestionError, "no question 'question-9'"),
        ("question-1", [0, 0, 0], WithdrawnQuestionError, "'question-1' was withdrawn"),
        ("question-0", [0, 0], MailboxError, r"3 transitions, got the shape \[2\]"),
        ("question-0", [[0, 0, 0]], MailboxError, r"got the shape \[1, 3\]"),
        ("question-0", [0, np.inf, 0], MailboxError, "finite"),
        ("question-0", [0, 1e39, 0], MailboxError, "finite"),
        ("question-0", ["praise", 0, 0], MailboxError, "must be numbers"),
    ],
)
def test_an_answer_that_is_none_is_refused_and_changes_nothing(
    training: Mailbox, person: Mailbox, question: str, answer: Any, error: type[Exception], text: str
) -> None:
    training.put([made_question(0), made_question(1)])
    training.withdraw(["question-1"])
    with pytest.raises(error, match=text):
        person.answer(question, answer, "ada")
    assert training.take() == []
    assert ids(person) == ["question-0"]


def test_withdrawal_leaves_what_was_answered(training: Mailbox, person: Mailbox) -> None:
    training.put([made_question(0), made_question(1)])
    person.answer("question-0", [1, 0, 0], "ada")
    training.withdraw(["question-0", "question-1", "question-9"])
    assert ids(person) == []
    person.undo("ada")
    assert ids(person) == ["question-0"]


def test_a_waiting_training_hears_an_answer_and_later(training: Mailbox, person: Mailbox) -> None:
    training.put([made_question(0), made_question(2)])
    assert not training.wait(timeout=0.01)
    waited: list[bool] = []
    for say in (lambda: person.answer("question-0", [1, 0, 0], "ada"), lambda: person.say_later("ada")):
        thread = Thread(target=lambda: waited.append(training.wait(timeout=60)))
        thread.start()
        said = time.monotonic()
        say()
        thread.join()
        assert time.monotonic() - said < 30, "not the timeout, but what was said ended it"
        training.take()
    assert waited == [True, False]
    assert not training.wait(), "later holds for the questions that were put"
    training.put([made_question(1)])
    assert not person.is_postponed(), "and not for newer ones"


def test_a_training_does_not_wait_for_what_nobody_can_answer(training: Mailbox, person: Mailbox) -> None:
    assert not training.wait(), "nothing was asked"
    training.put([made_question(0), made_question(1)])
    training.set_status(budget=1)
    person.answer("question-0", [0, 0, 0], "ada")
    training.take()
    assert not training.wait(), "the budget is used up"
    training.set_status(budget=2)
    training.withdraw(["question-1"])
    assert not training.wait(), "nothing is open"


def test_a_mailbox_is_of_one_run_and_its_spaces(path: Path) -> None:
    box, discrete = spaces.Box(-1, 1, (2,)), spaces.Discrete(3)
    with Mailbox(path, "one", box, discrete) as mailbox:
        assert mailbox.spaces() == (box, discrete)
    with Mailbox(path) as mailbox:
        assert mailbox.run == "one"
        with pytest.raises(MailboxError, match=r"has the action space .*\"n\": 3"):
            mailbox.begin_training(box, spaces.Discrete(4))
    with pytest.raises(MailboxError, match="has the run one, not another"):
        Mailbox(path, "another")


def test_two_trainings_cannot_use_one_mailbox(training: Mailbox, person: Mailbox, path: Path) -> None:
    training.put([made_question(0)])
    with pytest.raises(MailboxError, match=r"used by another one, process [0-9]+ on "):
        person.put([made_question(1)])
    training.close()
    person.put([made_question(1)])
    assert ids(person) == ["question-0", "question-1"]


def test_questions_and_answers_cannot_be_changed(training: Mailbox, person: Mailbox, path: Path) -> None:
    training.put([made_question(0)])
    person.answer("question-0", [1, 0, 0], "ada")
    connection = sqlite3.connect(path)
    for statement in ("DELETE FROM answers", "UPDATE answers SET by = 'bob'", "DELETE FROM questions"):
        with pytest.raises(sqlite3.IntegrityError, match="only ever added"):
            connection.execute(statement)
    connection.close()


def test_what_is_not_a_mailbox_is_refused(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("no database, but longer than a header of one" * 10)
    with pytest.raises(MailboxError, match="is not a mailbox"):
        Mailbox(tmp_path / "text")
    with sqlite3.connect(tmp_path / "other") as other:
        other.execute("CREATE TABLE t (x)")
    with pytest.raises(MailboxError, match="a database, but not a mailbox"):
        Mailbox(tmp_path / "other")
    with pytest.raises(MailboxError, match="There is no mailbox"):
        Mailbox(tmp_path / "missing", must_exist=True)
    Mailbox(tmp_path / "newer").close()
    with sqlite3.connect(tmp_path / "newer") as newer:
        newer.execute(f"PRAGMA user_version = {SCHEMA_VERSION + 1}")
    with pytest.raises(MailboxError, match="install a newer one"):
        Mailbox(tmp_path / "newer")


def test_a_question_needs_as_many_pictures_as_it_has_steps_and_one_more(training: Mailbox) -> None:
    with pytest.raises(MailboxError, match="got 3 transitions and 2 pictures"):
        training.put([made_question(0, n_pictures=2)])


def test_status_and_curve_are_seen(training: Mailbox, person: Mailbox) -> None:
    training.set_status(budget=50, steps=1)
    training.set_status(steps=2)
    training.add_progress(1, 0.5)
    training.add_progress(2, 0.75)
    status = person.status()
    assert (status["budget"], status["steps"]) == (50, 2)
    assert person.progress() == [(1, 0.5), (2, 0.75)]
