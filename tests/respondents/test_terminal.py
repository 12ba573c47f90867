"""A person in a terminal: what is written on each line becomes answers."""

from __future__ import annotations

import io
import queue

import numpy as np
import pytest

from sb3_isr.respondents import Answer, TerminalRespondent
from tests.respondents.questions import question


def converse(lines: str, n_questions: int = 2, **kwargs: float) -> tuple[list[Answer], str]:
    """The answers to questions of three steps, and what was written, once the lines have been read."""
    output = io.StringIO()
    respondent = TerminalRespondent(by="ada", stdin=io.StringIO(lines), stdout=output, **kwargs)  # type: ignore[arg-type]
    respondent.put([question(f"q{i}", first=3 * i) for i in range(n_questions)])
    answers: list[Answer] = []
    while respondent.wait(10):
        answers += respondent.take()
    return answers, output.getvalue()


def said(answers: list[Answer]) -> list[tuple[str, list[float]]]:
    return [(answer.question_id, np.nan_to_num(answer.rewards, nan=9.0).tolist()) for answer in answers]


def test_marks_enter_and_skip() -> None:
    answers, output = converse("3\n\n-1 2=0.25\ns\n", 4, praise=0.5)
    assert said(answers) == [
        ("q0", [0, 0, 0.5]),
        ("q1", [0, 0, 0]),
        ("q2", [-0.5, 0.25, 0]),
        ("q3", [9, 9, 9]),  # NaN: nothing is said
    ]
    assert {answer.by for answer in answers} == {"ada"}
    assert output.count("Why: chosen at random.") == 4
    assert "  3  [2. 2.]  2" in output
    assert "2 of 3 steps marked." in output


def test_undo_takes_the_last_answer_back_and_asks_again() -> None:
    answers, output = converse("u\n1\n2\nu\nu\n3\n\n", 3)
    assert said(answers) == [
        ("q0", [1, 0, 0]),
        ("q1", [0, 1, 0]),
        ("q1", [9, 9, 9]),
        ("q0", [9, 9, 9]),
        ("q0", [0, 0, 1]),
        ("q1", [0, 0, 0]),
    ]
    assert "There is nothing to undo." in output
    assert [answer.time for answer in answers] == sorted(answer.time for answer in answers)


def test_a_line_that_is_not_understood_is_no_answer() -> None:
    answers, output = converse("x\n4\n0\n2=\n1=inf\n?\n2\n", 2)
    assert said(answers) == [("q0", [0, 1, 0])]
    assert "A mark is the number of a step, as 7, -7 or 7=0.5, got 'x'." in output
    assert output.count("The steps are 1 to 3, got") == 2
    assert output.count("undo the last answer") == 2  # at first, and with the question mark


class Lines(io.StringIO):
    """Lines that come when the test says so."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: queue.Queue[str] = queue.Queue()

    def readline(self, size: int | None = -1) -> str:  # type: ignore[override]
        return self.lines.get(timeout=10)


def test_later_ends_the_waiting_and_the_next_questions_are_asked() -> None:
    lines, output = Lines(), io.StringIO()
    respondent = TerminalRespondent(stdin=lines, stdout=output)
    respondent.put([question("q0")])
    lines.lines.put("l\n")
    assert not respondent.wait(10)
    assert "Later. You are asked again in the next round." in output.getvalue()
    respondent.put([question("q1")])
    answers: list[Answer] = []
    for text in ("1\n", "2\n"):
        lines.lines.put(text)
        assert respondent.wait(10)
        answers += respondent.take()
    assert said(answers) == [("q0", [1, 0, 0]), ("q1", [0, 1, 0])]
    lines.lines.put("u\n")  # also when nothing is asked any more
    while "taken back" not in output.getvalue():
        respondent.wait(0.01)
    assert said(respondent.take()) == [("q1", [9, 9, 9])]


def test_withdrawn_questions_are_not_asked() -> None:
    lines, output = Lines(), io.StringIO()
    respondent = TerminalRespondent(stdin=lines, stdout=output)
    respondent.put([question("q0"), question("q1")])
    respondent.withdraw(["q0", "q1"])
    respondent.put([question("q2")])
    for text in ("1\n", "3\n", ""):
        lines.lines.put(text)
    assert respondent.wait(10)
    assert said(respondent.take()) == [("q2", [1, 0, 0])]
    assert "Nothing is asked now." in output.getvalue() or not respondent.wait(10)


def test_a_praise_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match=r"praise must be a finite number in \(0, inf\), got 0"):
        TerminalRespondent(praise=0)
