"""BatchRespondent: an expensive judge, such as a large model, that answers while training goes on."""

from __future__ import annotations

import threading
import time
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from sb3_isr.common.arguments import whole_number
from sb3_isr.respondents.function import answer_of
from sb3_isr.respondents.question import Answer, Question

#: After so many failures in a row the function is taken to be broken.
MAX_FAILURES = 3

#: Gives for each question the rewards ``[k]`` of its transitions, NaN where it says nothing; None to skip a question.
BatchJudge = Callable[[Sequence[Question]], Sequence[Any]]


class BatchRespondent:
    """
    Asks a function about several questions at once, in a thread of its own.

    A call that fails is tried again; after three failures in a row the error is raised in the training.

    :param judge: A function of a list of questions. It returns one result for each: float ``[k]``, or None to skip.
    :param batch_size: The largest number of questions in one call.
    :param by: Its name.
    :raises ValueError: If ``batch_size`` is not positive.
    """

    def __init__(self, judge: BatchJudge, batch_size: int = 16, by: str = "judge") -> None:
        self._judge = judge
        self._batch_size = whole_number("batch_size", batch_size)
        self._by = by
        self._pending: list[Question] = []
        self._in_work: list[Question] = []
        self._answers: list[Answer] = []
        self._failures: list[Exception] = []
        self._n_told = 0
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None

    def put(self, questions: Sequence[Question]) -> None:
        """As :class:`~sb3_isr.respondents.Respondent`'s."""
        with self._changed:
            known = {question.id for question in (*self._pending, *self._in_work)}
            self._pending += [question for question in questions if question.id not in known]
            if self._pending and self._thread is None:
                # A daemon: a judge that hangs must not keep the process from ending.
                self._thread = threading.Thread(target=self._work, name="BatchRespondent", daemon=True)
                self._thread.start()

    def take(self) -> list[Answer]:
        """
        As :class:`~sb3_isr.respondents.Respondent`'s.

        :return: The answers that came since the last call.
        :raises RuntimeError: If the function has failed three times in a row.
        """
        with self._changed:
            answers, self._answers = self._answers, []
            failures = list(self._failures)
        if len(failures) >= MAX_FAILURES:
            raise RuntimeError(
                f"The function of a BatchRespondent must return, but {self._judge!r} failed {len(failures)} times in a "
                f"row, the last time with {failures[-1]!r}; mend it, or let it return None for a question that it "
                "cannot answer."
            ) from failures[-1]
        if len(failures) > self._n_told:
            warnings.warn(f"{self._judge!r} failed with {failures[-1]!r}; it is tried again.", stacklevel=2)
        self._n_told = len(failures)
        return answers

    def wait(self, timeout: float | None = None) -> bool:
        """As :class:`~sb3_isr.respondents.Respondent`'s; does not wait if nothing is asked."""

        def is_over() -> bool:
            return bool(self._answers) or self._thread is None

        with self._changed:
            self._changed.wait_for(is_over, timeout)
            return bool(self._answers) or len(self._failures) >= MAX_FAILURES

    def withdraw(self, question_ids: Sequence[str]) -> None:
        """As :class:`~sb3_isr.respondents.Respondent`'s; those that the function works on will be answered."""
        with self._changed:
            self._pending = [question for question in self._pending if question.id not in question_ids]

    def _work(self) -> None:
        while True:
            with self._changed:
                if not self._pending or len(self._failures) >= MAX_FAILURES:
                    self._thread = None
                    self._changed.notify_all()
                    return
                self._in_work = self._pending[: self._batch_size]
                self._pending = self._pending[self._batch_size :]
            try:
                answers = _answers(self._judge, self._in_work, self._by)
            except Exception as error:  # of the user's function: anything
                with self._changed:
                    self._failures.append(error)
                    self._pending, self._in_work = self._in_work + self._pending, []
                continue
            with self._changed:
                self._answers += answers
                self._failures, self._in_work = [], []
                self._changed.notify_all()


def _answers(judge: BatchJudge, questions: Sequence[Question], by: str) -> list[Answer]:
    results = list(judge(questions))
    if len(results) != len(questions):
        raise ValueError(
            f"it must return one result for each of {len(questions)} questions, got {len(results)}; return None for "
            "those that it cannot answer"
        )
    answers = [answer_of(*pair, by, time.time()) for pair in zip(questions, results, strict=True)]
    for question, answer in zip(questions, answers, strict=True):
        k = len(question.transitions.actions)
        if answer.rewards.shape != (k,) or np.isinf(answer.rewards).any():
            raise ValueError(
                f"it must return {k} finite numbers (or NaN) for a question about {k} transitions, got "
                f"{answer.rewards!r}"
            )
    return answers
