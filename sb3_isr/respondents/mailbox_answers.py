"""What those who answer need of a mailbox: its open questions, and a place for their answers."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from sb3_isr.common.batches import Array
from sb3_isr.respondents.mailbox_file import MailboxError, MailboxFile
from sb3_isr.respondents.question import Answer, Question
from sb3_isr.respondents.transition_bytes import from_bytes

#: Rewards in the file are of this dtype on every machine.
_REWARDS = np.dtype("<f4")


class UnknownQuestionError(MailboxError):
    """Says that a question is not in the mailbox."""


class WithdrawnQuestionError(MailboxError):
    """Says that a question is not asked any more."""


class BudgetError(MailboxError):
    """Says that all answers that were wanted have been given."""


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


class MailboxAnswers:
    """
    A mailbox as those see it who answer.

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
            raise _unknown(question_id)
        return Question(
            row[0], from_bytes(row[1]), row[2], row[3], row[4], tuple(bytes(image) for (image,) in pictures)
        )

    def question_ids(self) -> list[str]:
        """
        List all questions that were ever put.

        :return: Their ids, oldest first.
        """
        with self.file.reading() as connection:
            return [row[0] for row in connection.execute("SELECT id FROM questions ORDER BY row")]

    def answer(self, question_id: str, rewards: ArrayLike, by: str) -> Answer:
        """
        Answer a question, in place of what the same person said before. It is on disk when this returns.

        :param question_id: The question's id.
        :param rewards: ``[k]``: the social reward of each transition; NaN where nothing is said. All NaN skips the
            question.
        :param by: Who answers.
        :return: The answer.
        :raises MailboxError: If there is no such question, it was withdrawn, the rewards are not ``k`` numbers, or all
            answers of the budget have been given.
        :raises NotSavedError: If it could not be written.
        """
        values = _numbers(rewards)
        kind = "skip" if np.isnan(values).all() else "answer"
        with self.file.writing() as connection:
            row = connection.execute(
                "SELECT n_steps, id IN (SELECT question_id FROM withdrawals) FROM questions WHERE id = ?",
                (question_id,),
            ).fetchone()
            if row is None:
                raise _unknown(question_id)
            n_steps, is_withdrawn = row
            if values.shape != (n_steps,):
                raise MailboxError(
                    f"An answer needs one reward for each of the question's {n_steps} transitions, got the shape "
                    f"{list(values.shape)}; give NaN where nothing is said."
                )
            if is_withdrawn:
                raise WithdrawnQuestionError(
                    f"The question {question_id!r} was withdrawn, because it is too old; answer another one."
                )
            if kind == "answer":
                self._check_budget(connection, question_id)
            return _insert(connection, question_id, kind, values, by)

    def undo(self, by: str) -> Answer | None:
        """
        Take back the newest answer, or skip, that somebody gave and has not taken back. The question is open again.

        :param by: Who gave it.
        :return: What was taken back; None if there is nothing.
        :raises NotSavedError: If it could not be written.
        """
        with self.file.writing() as connection:
            row = connection.execute(
                "SELECT question_id, rewards, time FROM standing WHERE by = ?"
                " AND question_id NOT IN (SELECT question_id FROM withdrawals) ORDER BY row DESC LIMIT 1",
                (by,),
            ).fetchone()
            if row is None:
                return None
            rewards = _from_bytes(row[1])
            _insert(connection, row[0], "undo", np.full_like(rewards, np.nan), by)
        return Answer(row[0], rewards, by, row[2])

    def say_later(self, by: str) -> None:
        """
        Say that the questions that were put will be answered later: a training that waits for them goes on.

        :param by: Who says it.
        """
        with self.file.writing() as connection:
            connection.execute(
                "INSERT INTO laters (last_question, by, time) SELECT coalesce(max(row), 0), ?, ? FROM questions",
                (by, time.time()),
            )

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
        answers = [Answer(question_id, _from_bytes(data), by, when) for question_id, data, by, when, _ in rows]
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
            return _n_answered(connection)

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

    @staticmethod
    def _check_budget(connection: Any, question_id: str) -> None:
        row = connection.execute("SELECT value FROM status WHERE key = 'budget'").fetchone()
        budget = None if row is None else json.loads(row[0])
        if budget is None or _n_answered(connection, besides=question_id) < budget:
            return
        raise BudgetError(
            f"All {budget} answers of the budget have been given, so this one is not wanted; undo another one to "
            "replace it."
        )


def _insert(connection: Any, question_id: str, kind: str, rewards: Array, by: str) -> Answer:
    now = time.time()
    connection.execute(
        "INSERT INTO answers (question_id, kind, rewards, by, time) VALUES (?, ?, ?, ?, ?)",
        (question_id, kind, rewards.astype(_REWARDS).tobytes(), by, now),
    )
    return Answer(question_id, rewards, by, now)


def _n_answered(connection: Any, besides: str = "") -> int:
    row: Sequence[int] = connection.execute(
        "SELECT count(DISTINCT question_id) FROM standing WHERE kind = 'answer' AND question_id <> ?", (besides,)
    ).fetchone()
    return row[0]


def _from_bytes(data: bytes) -> Array:
    return np.frombuffer(data, _REWARDS).astype(np.float32)


def _numbers(rewards: ArrayLike) -> Array:
    try:
        with np.errstate(over="ignore"):
            values = np.asarray(rewards, np.float64).astype(np.float32)
    except (TypeError, ValueError) as error:
        raise MailboxError(f"Rewards must be numbers, got {rewards!r:.100}.") from error
    if np.isinf(values).any():
        raise MailboxError(
            "Rewards must be finite in float32, or NaN where nothing is said, got an infinite or too large one; scale "
            "them."
        )
    return values


def _unknown(question_id: str) -> UnknownQuestionError:
    return UnknownQuestionError(
        f"There is no question {question_id!r} in this mailbox; see whether it is the mailbox of the right run."
    )
