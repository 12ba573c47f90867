"""BatchRespondent: a function answers in a thread, and its failures are told."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from sb3_isr import ISRCallback
from sb3_isr.respondents import Answer, BatchRespondent, Question
from tests.callbacks.learners import QUICK, ppo, scripted
from tests.respondents.questions import question


def all_answers(respondent: BatchRespondent) -> list[Answer]:
    answers = []
    while respondent.wait(10):
        answers += respondent.take()
    return answers


def test_questions_are_answered_in_batches_and_none_is_a_skip() -> None:
    batches: list[list[str]] = []
    started = threading.Event()

    def judge(questions: Sequence[Question]) -> list[Any]:
        assert started.wait(10)
        batches.append([each.id for each in questions])
        return [None if each.id == "q3" else [0, 0, 1] for each in questions]

    respondent = BatchRespondent(judge, batch_size=2, by="model")
    respondent.put([question(f"q{i}") for i in range(5)])
    respondent.put([question("q4")])  # is not asked anew
    assert respondent.take() == []  # training goes on meanwhile
    assert not respondent.wait(0)
    started.set()
    answers = all_answers(respondent)
    assert batches == [["q0", "q1"], ["q2", "q3"], ["q4"]]
    assert [answer.question_id for answer in answers] == ["q0", "q1", "q2", "q3", "q4"]
    assert np.isnan(answers[3].rewards).all()
    assert answers[4].rewards.tolist() == [0, 0, 1]
    assert {answer.by for answer in answers} == {"model"}
    assert not respondent.wait()  # nothing is asked


def test_withdrawn_questions_are_not_judged() -> None:
    judged: list[str] = []
    first, go_on = threading.Event(), threading.Event()

    def judge(questions: Sequence[Question]) -> list[Any]:
        judged.extend(each.id for each in questions)
        first.set()
        assert go_on.wait(10)
        return [[0, 0, 0]] * len(questions)

    respondent = BatchRespondent(judge, batch_size=1)
    respondent.put([question(f"q{i}") for i in range(3)])
    assert first.wait(10)
    respondent.withdraw(["q0", "q1"])
    go_on.set()
    assert [answer.question_id for answer in all_answers(respondent)] == ["q0", "q2"]
    assert judged == ["q0", "q2"]


def test_a_call_that_fails_is_tried_again_and_a_broken_function_is_told() -> None:
    fails = [True, False]

    def sometimes(questions: Sequence[Question]) -> list[Any]:
        if fails.pop(0):
            raise ConnectionError("no network")
        return [[0, 0, 0]] * len(questions)

    respondent = BatchRespondent(sometimes)
    respondent.put([question("q0")])
    assert len(all_answers(respondent)) == 1

    def broken(questions: Sequence[Question]) -> list[Any]:
        raise ConnectionError("no network")

    respondent = BatchRespondent(broken)
    respondent.put([question("q0")])
    assert respondent.wait(10)
    with pytest.raises(RuntimeError, match=r"broken.* failed 3 times in a row, .*ConnectionError\('no network'\)"):
        respondent.take()


@pytest.mark.parametrize(
    ("result", "message"),
    [
        ([], "one result for each of 1 questions, got 0"),
        ([[0, 0]], "3 finite numbers .* about 3 transitions, got"),
        ([[0, 0, float("inf")]], "3 finite numbers"),
    ],
)
def test_a_result_that_is_no_answer_is_told(result: Any, message: str) -> None:
    respondent = BatchRespondent(lambda questions: result)
    respondent.put([question("q0")])
    assert respondent.wait(10)
    with pytest.raises(RuntimeError, match=message):
        respondent.take()


def test_a_training_learns_from_it() -> None:
    respondent = BatchRespondent(lambda questions: [each.transitions.terminated * 1.0 for each in questions])
    callback = ISRCallback("never", "episodes_4", respondent=respondent, wait_for_answers=True, **QUICK)
    ppo(scripted()).learn(128, callback=callback)
    assert callback.internalizer.counts()["answers"] == 4
    with pytest.raises(ValueError, match="batch_size must be a whole number, 1 or more, got 0"):
        BatchRespondent(lambda questions: [], batch_size=0)
