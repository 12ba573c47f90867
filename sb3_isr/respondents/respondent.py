"""The interface of respondents."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from sb3_isr.respondents.question import Answer, Question


class Respondent(Protocol):
    """
    Answers questions when it can: a program at once, a person later, or never.

    None of its methods but :meth:`wait` takes long: the learner is waiting.

    One that keeps its questions may also have a method ``question(question_id)``, which returns the Question, or None.
    Then answers to questions are learned from, too, that were asked after the checkpoint from which a training resumes.
    """

    def put(self, questions: Sequence[Question]) -> None:
        """
        Ask questions.

        :param questions: The questions; one that was put before is not asked anew.
        """

    def take(self) -> list[Answer]:
        """
        Get the answers that came since the last call.

        :return: The answers, oldest first; empty if there are none.
        """

    def wait(self, timeout: float | None = None) -> bool:
        """
        Wait until there is an answer to take, or until the respondent says that it answers later.

        :param timeout: Seconds to wait at most; None for no limit.
        :return: Whether there is an answer to take.
        """

    def withdraw(self, question_ids: Sequence[str]) -> None:
        """
        Withdraw questions that are not worth an answer any more.

        :param question_ids: Their ids; those that have been answered, and unknown ones, are left as they are.
        """
