"""Recorded answers: a training that is repeated with them learns the same."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from sb3_isr import ISRCallback
from sb3_isr.callbacks.reviews import ReviewedInternalizer
from sb3_isr.respondents import FunctionRespondent, RecordedAnswers, Respondent, read_answers, write_answers
from tests.callbacks.learners import QUICK, ppo, scripted, weights_of
from tests.respondents.questions import NAN, answer, question


def test_answers_survive_the_file(tmp_path: Path) -> None:
    path = tmp_path / "answers.jsonl"
    given = [answer("q0", 0, NAN, 0.4, by="ada", time=1.5), answer("q1", 1, by="ben")]
    write_answers(path, given)
    for met, expected in zip(read_answers(path), given, strict=True):
        assert (met.question_id, met.by, met.time) == (expected.question_id, expected.by, expected.time)
        np.testing.assert_array_equal(met.rewards, expected.rewards)
        assert met.rewards.dtype == np.float32


def test_only_questions_that_are_asked_are_answered_and_each_once(tmp_path: Path) -> None:
    write_answers(tmp_path / "answers", [answer("q0", 1, 0, 0), answer("q1", 0, 0, 0), answer("q0", 0, 0, 1, time=1)])
    respondent = RecordedAnswers(tmp_path / "answers")
    assert not respondent.wait()
    respondent.put([question("q0"), question("q2")])
    assert respondent.wait()
    assert [each.question_id for each in respondent.take()] == ["q0", "q0"]
    respondent.put([question("q0")])
    assert respondent.take() == []


def test_a_repeated_training_learns_the_same_from_recorded_answers(tmp_path: Path) -> None:
    def train(respondent: Respondent) -> ISRCallback:
        callback = ISRCallback("never", "episodes_6", respondent=respondent, **QUICK)
        ppo(scripted()).learn(128, callback=callback)
        return callback

    first = train(FunctionRespondent(lambda transitions: transitions.terminated * 1.0))
    assert isinstance(first.internalizer, ReviewedInternalizer)
    write_answers(tmp_path / "answers", first.internalizer.book.answers())
    again = train(RecordedAnswers(tmp_path / "answers"))
    assert again.internalizer.counts() == first.internalizer.counts()
    assert torch.equal(weights_of(again.isr), weights_of(first.isr))


@pytest.mark.parametrize(
    "line",
    [
        "{",
        "[]",
        '{"question_id": "q0"}',
        '{"question_id": "q0", "rewards": ["x"]}',
        '{"question_id": 3, "rewards": [1]}',
    ],
)
def test_a_line_that_is_no_answer_is_refused_with_its_number(tmp_path: Path, line: str) -> None:
    path = tmp_path / "answers"
    path.write_text('{"question_id": "q0", "rewards": [1, null]}\n\n' + line + "\n")
    with pytest.raises(ValueError, match=r"must be a JSON object with question_id.*, got line 3 of .*answers"):
        RecordedAnswers(path)
