"""The labels in people's answers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from sb3_isr.cli import main
from sb3_isr.label_tools.answered import labels_of_answers
from sb3_isr.label_tools.sources import read_source
from sb3_isr.respondents import Answer, Question
from tests.labels.made_labels import BOX, DISCRETE, assert_same, attributed, make_labels, numbers_in

NAN = float("nan")
QUESTIONS = {
    name: Question(name, make_labels([0.0] * 3, first).transitions, 0, first, "random")
    for name, first in (("3f2a", 0), ("77b0", 10))
}


def answer(question: str, by: str, time: float, *rewards: float) -> Answer:
    return Answer(question, np.array(rewards, np.float32), by, time)


ANSWERS = [
    answer("3f2a", "Ann", 1, 0, 0, 1),
    answer("77b0", "Ann", 2, NAN, 1, NAN),  # the others were not said
    answer("3f2a", "Bo", 3, -1, -1, -1),
    answer("3f2a", "Ann", 4, 0, 1, 0),  # in place of the first
    answer("77b0", "Bo", 5, NAN, NAN, NAN),  # skipped
    answer("3f2a", "Bo", 6, NAN, NAN, NAN),  # taken back
]


def test_of_each_person_and_question_the_newest_answer_counts_and_what_is_not_said_is_no_label() -> None:
    labels = labels_of_answers(ANSWERS, QUESTIONS.__getitem__, (BOX, DISCRETE))
    assert labels.questions == ["77b0/1", "3f2a/0", "3f2a/1", "3f2a/2"]
    assert numbers_in(labels.labels) == [11, 0, 1, 2]
    assert labels.labels.social_rewards.tolist() == [1.0, 0.0, 1.0, 0.0]
    assert labels.by == ["Ann"] * 4
    assert labels.times.tolist() == [2.0, 4.0, 4.0, 4.0]
    assert len(labels_of_answers([], QUESTIONS.__getitem__, (BOX, DISCRETE))) == 0


def test_a_mailbox_is_exported(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    mailbox = pytest.importorskip("sb3_isr.respondents.mailbox", reason="there is no mailbox on this branch")
    path = tmp_path / "mailbox.sqlite"
    with mailbox.Mailbox(path) as opened:
        assert main(["labels", "show", str(path)]) == 2
        assert "to which none has put questions" in capsys.readouterr().err
        opened.begin_training(BOX, DISCRETE)
        opened.put(list(QUESTIONS.values()))
        for each in ANSWERS:
            opened.answer(each.question_id, each.rewards, each.by)
        labels = read_source(path)
    expected = labels_of_answers(ANSWERS, QUESTIONS.__getitem__, (BOX, DISCRETE))
    assert (labels.times > 1.7e9).all()
    labels.times[:] = expected.times
    assert_same(labels, expected)
    assert main(["labels", "export", str(path), str(tmp_path / "labels.jsonl")]) == 0
    with pytest.raises(ValueError, match="must be of the same spaces"):
        read_source(path, attributed([]).spaces._replace(action=BOX))
