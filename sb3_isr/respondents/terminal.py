"""TerminalRespondent: a person at the keyboard of a terminal, for tasks whose observations can be read as text."""

from __future__ import annotations

import getpass
import sys
import threading
import time
from collections.abc import Callable, Sequence
from typing import TextIO

import numpy as np

from sb3_isr.common.arguments import number
from sb3_isr.common.batches import Array, index_batch
from sb3_isr.respondents.question import Answer, Question

HELP = """\
  Enter       nothing here deserves praise or reproach
  7 12        praise steps 7 and 12; the rest is nothing
  -7          reproach step 7
  7=0.5       give step 7 the reward 0.5
  s           skip: say nothing about it
  u           undo the last answer, and ask it again
  l           later: training goes on
  ?           show this help
"""


class TerminalRespondent:
    """
    Asks a person in a terminal: plain text, one line for each question.

    Lines are read in a thread of their own, so that training goes on meanwhile.

    :param show: Turns a question into text; by default a line for each step, with observation and action.
    :param praise: The reward of a step that is praised; a reproach is as much below 0.
    :param by: The person's name; by default the user's.
    :param stdin: Where lines are read; None for the process's own.
    :param stdout: Where questions are written; None for the process's own.
    :raises ValueError: If ``praise`` is not a positive number.
    """

    def __init__(
        self,
        show: Callable[[Question], str] | None = None,
        praise: float = 1.0,
        by: str | None = None,
        stdin: TextIO | None = None,
        stdout: TextIO | None = None,
    ) -> None:
        self._show = show or show_steps
        self._praise = number("praise", praise, "(0, inf)")
        self._by = by or _user()
        self._stdin = stdin
        self._stdout = stdout
        self._open: list[Question] = []
        self._shown: Question | None = None
        self._done: list[Question] = []
        self._answers: list[Answer] = []
        self._is_later = False
        self._has_ended = False
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None

    def put(self, questions: Sequence[Question]) -> None:
        """As :class:`~sb3_isr.respondents.Respondent`'s."""
        with self._changed:
            known = {question.id for question in (*self._open, *self._done)}
            self._open += [question for question in questions if question.id not in known]
            self._is_later = False
            if self._open and self._thread is None:
                self._write(f"Questions about what the learner did. At each of them, write:\n{HELP}")
                self._thread = threading.Thread(target=self._converse, name="TerminalRespondent", daemon=True)
                self._thread.start()
            self._present()
            self._changed.notify_all()

    def take(self) -> list[Answer]:
        """As :class:`~sb3_isr.respondents.Respondent`'s."""
        with self._changed:
            answers, self._answers = self._answers, []
            return answers

    def wait(self, timeout: float | None = None) -> bool:
        """As :class:`~sb3_isr.respondents.Respondent`'s; the person says "later" with the letter l."""

        def is_over() -> bool:
            return bool(self._answers) or self._is_later or self._has_ended or not self._open

        with self._changed:
            self._changed.wait_for(is_over, timeout)
            return bool(self._answers)

    def withdraw(self, question_ids: Sequence[str]) -> None:
        """As :class:`~sb3_isr.respondents.Respondent`'s."""
        with self._changed:
            self._open = [question for question in self._open if question.id not in question_ids]

    def _converse(self) -> None:
        while True:
            line = (self._stdin or sys.stdin).readline()
            with self._changed:
                self._has_ended = not line
                if line:
                    self._write(self._reply(line.strip()))
                    self._present()
                self._changed.notify_all()
            if not line:
                return

    def _present(self) -> None:
        """Write the next question, if it is another one than before."""
        if self._is_later or not self._open:
            self._shown = None
            return
        question = self._open[0]
        if self._shown is not question:
            self._shown = question
            self._write(f"\n{self._show(question)}\nWhy: {question.reason}. {len(self._open)} to go.\n")
        self._write("> ")

    def _reply(self, text: str) -> str:
        """Do what a line says; returns what to tell the person."""
        if text == "?":
            return HELP
        if text == "l":
            self._is_later = True
            return "Later. You are asked again in the next round.\n"
        if text == "u":
            return self._undo()
        question = self._shown
        if question is None:
            return "Nothing is asked now.\n"
        if question.id not in {each.id for each in self._open}:
            return "This question was withdrawn meanwhile; your answer is not used.\n"
        k = len(question.transitions.actions)
        try:
            rewards = np.full(k, np.nan) if text == "s" else _marks(text, k, self._praise)
        except ValueError as error:
            return f"{error} Write ? for help.\n"
        self._open = [each for each in self._open if each.id != question.id]
        self._done.append(question)
        self._say(question, rewards)
        return "Skipped.\n" if text == "s" else f"{np.count_nonzero(rewards)} of {k} steps marked.\n"

    def _undo(self) -> str:
        if not self._done:
            return "There is nothing to undo.\n"
        last = self._done.pop()
        self._open.insert(0, last)
        self._is_later = False
        self._say(last, np.full(len(last.transitions.actions), np.nan))
        return "The last answer is taken back.\n"

    def _say(self, question: Question, rewards: Array) -> None:
        self._answers.append(Answer(question.id, rewards.astype(np.float32), self._by, time.time()))

    def _write(self, text: str) -> None:
        stdout = self._stdout or sys.stdout
        stdout.write(text)
        stdout.flush()


def show_steps(question: Question) -> str:
    """
    Show a question as text.

    :param question: The question.
    :return: A line for each step, numbered from 1: what the learner saw, what it did, and whether the episode ended.
    """
    transitions = question.transitions
    lines = [f"Environment {question.env}, from its step {question.step + 1} on:"]
    for i, action in enumerate(transitions.actions):
        seen = np.array2string(np.asarray(index_batch(transitions.observations, i)), precision=2, threshold=40)
        end = "  (the episode terminates)" if transitions.terminated[i] else ""
        lines.append(f"{i + 1:4d}  {seen}  {action}{end}")
    return "\n".join(lines)


def _marks(text: str, k: int, praise: float) -> Array:
    rewards = np.zeros(k)
    for word in text.split():
        step, equals, value = word.partition("=")
        sign = -1.0 if step.startswith("-") else 1.0
        try:
            index = int(step.lstrip("-")) - 1
            reward = number("a reward", float(value)) if equals else sign * praise
        except ValueError:
            raise ValueError(f"A mark is the number of a step, as 7, -7 or 7=0.5, got {word!r}.") from None
        if not 0 <= index < k:
            raise ValueError(f"The steps are 1 to {k}, got {index + 1}.")
        rewards[index] = reward
    return rewards


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):  # no such user, as in some containers
        return "person"
