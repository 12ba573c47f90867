"""What a mailbox holds: questions, answers, and what the training says about itself."""

from __future__ import annotations

import json
import math
import os
import sqlite3
from dataclasses import dataclass
from typing import Any

from sb3_isr.respondents.mailbox_file import MailboxError, MailboxFile
from sb3_isr.respondents.question import Answer, Question
from sb3_isr.respondents.reward_bytes import rewards_from_bytes
from sb3_isr.respondents.transition_bytes import transitions_from_bytes


class UnknownQuestionError(MailboxError):
    """
    Says that a question is not in the mailbox.

    :param question_id: The question's id.
    """

    def __init__(self, question_id: str) -> None:
        super().__init__(
            f"There is no question {question_id!r} in this mailbox; see whether it is the mailbox of the right run."
        )


@dataclass(frozen=True)
class OpenQuestion:
    """
    A question that waits, without what is large.

    :param id: The question's id.
    :param env: Number of the environment.
    :param step: Steps that this environment had done before the first transition.
    :param n_steps: Number of transitions.
    :param n_pictures: Number of pictures.
    :param reason: Why it is asked.
    :param time: When it was put, in seconds since 1970.
    """

    id: str
    env: int
    step: int
    n_steps: int
    n_pictures: int
    reason: str
    time: float


class MailboxReader:
    """
    A mailbox as those see it who only read.

    :param path: The file.
    :param must_exist: Whether it must exist.
    :raises MailboxError: If it is not a mailbox.
    """

    def __init__(self, path: str | os.PathLike[str], must_exist: bool = False) -> None:
        #: The mailbox's file.
        self.file = MailboxFile(path, must_exist)

    def open_questions(self) -> list[OpenQuestion]:
        """
        List the questions that wait for an answer.

        :return: Those that are neither withdrawn nor answered (or skipped) by anyone, oldest first.
        """
        with self.file.reading() as connection:
            rows = connection.execute(
                "SELECT id, env, step, n_steps, (SELECT count(*) FROM pictures WHERE question_id = id), reason, time"
                " FROM open_questions ORDER BY row"
            ).fetchall()
        return [OpenQuestion(*row) for row in rows]

    def question(self, question_id: str) -> Question:
        """
        Get a question, whether it is open or not.

        :param question_id: Its id.
        :return: The question with its transitions and pictures.
        :raises UnknownQuestionError: If there is none.
        """
        with self.file.reading() as connection:
            row = connection.execute(
                "SELECT id, transitions, env, step, reason FROM questions WHERE id = ?", (question_id,)
            ).fetchone()
            pictures = connection.execute(
                "SELECT image FROM pictures WHERE question_id = ? ORDER BY position", (question_id,)
            ).fetchall()
        if row is None:
            raise UnknownQuestionError(question_id)
        return Question(
            row[0], transitions_from_bytes(row[1]), row[2], row[3], row[4], tuple(bytes(image) for (image,) in pictures)
        )

    def picture(self, question_id: str, position: int) -> bytes | None:
        """
        Get one picture of a question.

        :param question_id: The question's id.
        :param position: Its number, from 0.
        :return: The encoded image; None if there is none.
        """
        with self.file.reading() as connection:
            row = connection.execute(
                "SELECT image FROM pictures WHERE question_id = ? AND position = ?", (question_id, position)
            ).fetchone()
        return None if row is None else bytes(row[0])

    def n_questions(self) -> int:
        """
        Count all questions that were ever put.

        :return: How many.
        """
        with self.file.reading() as connection:
            return int(connection.execute("SELECT count(*) FROM questions").fetchone()[0])

    def question_ids(self) -> list[str]:
        """
        List all questions that were ever put.

        :return: Their ids, oldest first.
        """
        with self.file.reading() as connection:
            return [row[0] for row in connection.execute("SELECT id FROM questions ORDER BY row")]

    def is_postponed(self) -> bool:
        """
        Say whether somebody has said "later" since the newest question was put.

        :return: Whether the questions wait for later.
        """
        with self.file.reading() as connection:
            row = connection.execute(
                "SELECT (SELECT max(last_question) FROM laters) >= (SELECT coalesce(max(row), 0) FROM questions)"
            ).fetchone()
        return bool(row[0])

    def is_answerable(self) -> bool:
        """
        Say whether there is something to answer.

        :return: Whether a question is open, and the budget (if there is one) is not used up.
        """
        with self.file.reading() as connection:
            is_open = connection.execute("SELECT 1 FROM open_questions LIMIT 1").fetchone() is not None
            return is_open and budget_left(connection) > 0

    def answers(self) -> list[Answer]:
        """
        Get all answers that were ever given, with those that replace or take back earlier ones.

        :return: The answers, oldest first.
        """
        return self.answers_since(0)[0]

    def answers_since(self, row: int) -> tuple[list[Answer], int]:
        """
        Get the answers after one of them.

        :param row: The row up to which they are known; 0 for none.
        :return: The answers, oldest first, and the row of the last one (or the same row).
        """
        with self.file.reading() as connection:
            rows = connection.execute(
                "SELECT question_id, rewards, by, time, row FROM answers WHERE row > ? ORDER BY row", (row,)
            ).fetchall()
        answers = [Answer(question_id, rewards_from_bytes(data), by, when) for question_id, data, by, when, _ in rows]
        return answers, rows[-1][-1] if rows else row

    def has_answers(self, row: int) -> bool:
        """
        Say whether there are answers after one of them.

        :param row: Its row.
        :return: Whether there are.
        """
        with self.file.reading() as connection:
            return connection.execute("SELECT 1 FROM answers WHERE row > ? LIMIT 1", (row,)).fetchone() is not None

    def n_answered(self) -> int:
        """
        Count the questions that count towards the budget.

        :return: How many questions have an answer that stands; skips and what was taken back are none.
        """
        with self.file.reading() as connection:
            return n_answered(connection)

    def status(self) -> dict[str, Any]:
        """
        Get what the training says about itself.

        :return: JSON values by their names; see :meth:`Mailbox.set_status`.
        """
        with self.file.reading() as connection:
            return {key: json.loads(value) for key, value in connection.execute("SELECT key, value FROM status")}

    def progress(self) -> list[tuple[int, float]]:
        """
        Get the learner's curve.

        :return: Pairs of environment steps and what the learner reached, in the order in which they were added.
        """
        with self.file.reading() as connection:
            return list(connection.execute("SELECT step, value FROM progress ORDER BY row"))


def budget_left(connection: sqlite3.Connection, besides: str = "") -> float:
    """
    Count the answers that are left of the budget.

    :param connection: The mailbox's file.
    :param besides: A question that is not counted.
    :return: How many; infinite if there is no budget.
    """
    row = connection.execute("SELECT value FROM status WHERE key = 'budget'").fetchone()
    budget = math.inf if row is None else float(json.loads(row[0]))
    return budget - n_answered(connection, besides)


def n_answered(connection: sqlite3.Connection, besides: str = "") -> int:
    """
    Count the questions that have an answer that stands.

    :param connection: The mailbox's file.
    :param besides: A question that is not counted.
    :return: How many questions there are.
    """
    row = connection.execute(
        "SELECT count(DISTINCT question_id) FROM standing WHERE kind = 'answer' AND question_id <> ?", (besides,)
    ).fetchone()
    return int(row[0])
