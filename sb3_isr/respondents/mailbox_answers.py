"""What those who answer do in a mailbox: answer, skip, take back, and say that they answer later."""

from __future__ import annotations

import sqlite3
import time

import numpy as np
from numpy.typing import ArrayLike

from sb3_isr.common.batches import Array
from sb3_isr.respondents.mailbox_file import MailboxError
from sb3_isr.respondents.mailbox_reader import MailboxReader, UnknownQuestionError, budget_left, n_answered
from sb3_isr.respondents.question import Answer
from sb3_isr.respondents.reward_bytes import checked_rewards, rewards_from_bytes, rewards_to_bytes


class WithdrawnQuestionError(MailboxError):
    """Says that a question is not asked any more."""


class BudgetError(MailboxError):
    """Says that all answers that were wanted have been given."""


class MailboxAnswers(MailboxReader):
    """
    A mailbox as those see it who answer.

    :param path: The file.
    :param must_exist: Whether it must exist.
    :raises MailboxError: If it is not a mailbox.
    """

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
        values = checked_rewards(rewards)
        kind = "skip" if np.isnan(values).all() else "answer"
        with self.file.writing() as connection:
            row = connection.execute(
                "SELECT n_steps, id IN (SELECT question_id FROM withdrawals) FROM questions WHERE id = ?",
                (question_id,),
            ).fetchone()
            if row is None:
                raise UnknownQuestionError(question_id)
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
                _check_budget(connection, question_id)
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
            rewards = rewards_from_bytes(row[1])
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


def _check_budget(connection: sqlite3.Connection, question_id: str) -> None:
    if budget_left(connection, besides=question_id) <= 0:
        raise BudgetError(
            f"All {n_answered(connection)} answers of the budget have been given, so this one is not wanted; undo "
            "another one to replace it."
        )


def _insert(connection: sqlite3.Connection, question_id: str, kind: str, rewards: Array, by: str) -> Answer:
    now = time.time()
    connection.execute(
        "INSERT INTO answers (question_id, kind, rewards, by, time) VALUES (?, ?, ?, ?, ?)",
        (question_id, kind, rewards_to_bytes(rewards), by, now),
    )
    return Answer(question_id, rewards, by, now)
