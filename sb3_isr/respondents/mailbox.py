"""A mailbox: a training's questions wait in a file until a person, or whoever else, answers them."""

from __future__ import annotations

import json
import os
import time
import uuid
from collections.abc import Sequence
from typing import Any

import gymnasium as gym

from sb3_isr.common.space_json import space_from_json, space_to_json
from sb3_isr.respondents.illustrator import Illustrator
from sb3_isr.respondents.mailbox_answers import MailboxAnswers
from sb3_isr.respondents.mailbox_file import MailboxError
from sb3_isr.respondents.question import Answer, Question
from sb3_isr.respondents.training_lock import TrainingLock
from sb3_isr.respondents.transition_bytes import transitions_to_bytes

#: Seconds between two looks into the file while a training waits.
_POLL = 0.05


class Mailbox(MailboxAnswers):
    """
    The respondent of a training whose questions are answered by other processes, through a SQLite file.

    Training, console and any other program may be started in any order and killed at any moment: what they have put or
    answered is on disk before the call returns. docs/mailbox.md describes the file.

    :param path: The file; it is made if it does not exist.
    :param run: Name of the run; by default that of the file, or a random one for a new file.
    :param observation_space: The learner's observation space, to be compared with the file's; None if not known yet.
    :param action_space: The ISR's action space, likewise.
    :param must_exist: Whether the file must exist.
    :raises MailboxError: If the file is not a mailbox, or that of another run or other spaces.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        run: str | None = None,
        observation_space: gym.Space[Any] | None = None,
        action_space: gym.Space[Any] | None = None,
        must_exist: bool = False,
    ) -> None:
        super().__init__(path, must_exist)
        self._training: TrainingLock | None = None
        #: Row of the newest answer that was taken; a checkpoint keeps it, and a training that resumes sets it.
        self.seen = 0
        #: Adds pictures to a question before it is put; None for questions as they are.
        self.illustrate: Illustrator | None = None
        self.run = self._agree("run", run, new=uuid.uuid4().hex)
        if observation_space is not None and action_space is not None:
            self.check_spaces(observation_space, action_space)

    def check_spaces(self, observation_space: gym.Space[Any], action_space: gym.Space[Any]) -> None:
        """
        Check that the mailbox has these spaces; a new one gets them.

        :param observation_space: The learner's observation space.
        :param action_space: The ISR's action space.
        :raises MailboxError: If it has others.
        """
        for key, space in (("observation_space", observation_space), ("action_space", action_space)):
            self._agree(key, json.dumps(space_to_json(space)))

    def spaces(self) -> tuple[gym.Space[Any], gym.Space[Any]] | None:
        """
        Get the mailbox's spaces.

        :return: Observation space and action space; None as long as no training has named them.
        """
        with self.file.reading() as connection:
            values = dict(connection.execute("SELECT key, value FROM run"))
        if "observation_space" not in values or "action_space" not in values:
            return None
        observation_space, action_space = (
            space_from_json(json.loads(values[key])) for key in ("observation_space", "action_space")
        )
        return observation_space, action_space

    def begin_training(
        self, observation_space: gym.Space[Any] | None = None, action_space: gym.Space[Any] | None = None
    ) -> None:
        """
        Take the mailbox for this training alone, until it is closed or the process ends.

        :meth:`put` does the same if it was not done before.

        :param observation_space: The learner's observation space, checked against the file's if given.
        :param action_space: The ISR's action space, likewise.
        :raises MailboxError: If another training uses it, or it has other spaces.
        """
        if self._training is None:
            self._training = TrainingLock(self.file.path)
        if observation_space is not None and action_space is not None:
            self.check_spaces(observation_space, action_space)

    def put(self, questions: Sequence[Question]) -> None:
        """
        Ask questions; they are on disk when this returns, all of them or none.

        :param questions: The questions; one that was put before is not asked anew.
        :raises MailboxError: If another training uses the mailbox, or a question's id is that of another question.
        """
        self.begin_training()
        illustrate = self.illustrate or (lambda question: question)
        known_ids = set(self.question_ids()) if questions else set()
        illustrated = [each if each.id in known_ids else illustrate(each) for each in questions]
        rows = [(question, transitions_to_bytes(question.transitions)) for question in illustrated]
        for question, _ in rows:
            _check(question)
        with self.file.writing() as connection:
            for question, data in rows:
                known = connection.execute("SELECT transitions FROM questions WHERE id = ?", (question.id,)).fetchone()
                if known is not None:
                    if known[0] != data:
                        raise MailboxError(
                            f"A question's id must be its own, but {question.id!r} is in the mailbox with other "
                            "transitions; make ids of what is asked, not of its step alone."
                        )
                    continue
                connection.execute(
                    "INSERT INTO questions (id, env, step, n_steps, reason, transitions, time)"
                    " VALUES (?, ?, ?, ?, ?, ?, ?)",
                    (
                        question.id,
                        question.env,
                        question.step,
                        len(question.transitions.actions),
                        question.reason,
                        data,
                        time.time(),
                    ),
                )
                connection.executemany(
                    "INSERT INTO pictures VALUES (?, ?, ?)",
                    [(question.id, position, image) for position, image in enumerate(question.pictures)],
                )

    def can_show(self, env: int, step: int, n_steps: int) -> bool:
        """
        Say whether a question would have pictures, for whoever chooses what is asked.

        :param env: Number of the environment.
        :param step: Steps that it had done before the first transition.
        :param n_steps: Number of transitions.
        :return: False if other questions would have some, but not this one.
        """
        return self.illustrate is None or self.illustrate.can_show(env, step, n_steps)

    def take(self) -> list[Answer]:
        """
        Get the answers that came since the last call; at first, all that the file has.

        :return: The answers, oldest first.
        """
        answers, self.seen = self.answers_since(self.seen)
        return answers

    def wait(self, timeout: float | None = None) -> bool:
        """
        Wait until there is an answer to take, or until somebody says "later" to the questions that were put.

        It does not wait for what nobody can answer: if no question is open, or the budget is used up.

        :param timeout: Seconds to wait at most; None for no limit.
        :return: Whether there is an answer to take.
        """
        if self.has_answers(self.seen):
            return True
        end = None if timeout is None else time.monotonic() + timeout
        self.set_status(is_waiting=True)
        try:
            while not self.has_answers(self.seen):
                is_over = end is not None and time.monotonic() >= end
                if is_over or self.is_postponed() or not self.is_answerable():
                    return False
                time.sleep(_POLL)
            return True
        finally:
            self.set_status(is_waiting=False)

    def withdraw(self, question_ids: Sequence[str]) -> None:
        """
        Withdraw questions that are not worth an answer any more.

        :param question_ids: Their ids; those that have been answered, and unknown ones, are left as they are.
        """
        with self.file.writing() as connection:
            connection.executemany(
                "INSERT INTO withdrawals (question_id, time) SELECT id, ? FROM open_questions WHERE id = ?",
                [(time.time(), question_id) for question_id in question_ids],
            )

    def set_status(self, **values: Any) -> None:
        """
        Tell the console about the training.

        :param values: JSON values by their names. The console shows ``budget`` (answers that are wanted at most),
            ``steps`` (that the training has done) and ``total_steps``, ``state`` (a text), ``curve_name`` (what
            :meth:`add_progress` is told), ``action_names`` (texts), ``praise`` and ``reproach`` (the rewards of a
            mark; 1 and -1 by default).
        """
        with self.file.writing() as connection:
            connection.executemany(
                "INSERT OR REPLACE INTO status VALUES (?, ?)",
                [(key, json.dumps(value)) for key, value in {**values, "time": time.time()}.items()],
            )

    def add_progress(self, step: int, value: float) -> None:
        """
        Add a point to the learner's curve.

        :param step: Environment steps that the training has done.
        :param value: What the learner reached, as ``curve_name`` of the status says.
        """
        with self.file.writing() as connection:
            connection.execute("INSERT INTO progress (step, value) VALUES (?, ?)", (int(step), float(value)))

    def end_training(self) -> None:
        """Let another training have the mailbox."""
        if self._training is not None:
            self._training.close()
            self._training = None

    def close(self) -> None:
        """Close the file, and let another training have it."""
        self.end_training()
        self.file.close()

    def __enter__(self) -> Mailbox:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _agree(self, key: str, value: str | None, new: str | None = None) -> str:
        """Get what the file says about its run; if it says nothing, write the value or a new one."""
        with self.file.reading() as connection:
            row = connection.execute("SELECT value FROM run WHERE key = ?", (key,)).fetchone()
        if row is None:
            with self.file.writing() as connection:
                connection.execute(
                    "INSERT OR IGNORE INTO run VALUES (?, ?)", (key, value if value is not None else new)
                )
                row = connection.execute("SELECT value FROM run WHERE key = ?", (key,)).fetchone()
        met = str(row[0])
        if value is not None and met != value:
            raise MailboxError(
                f"A mailbox belongs to one run, and {os.fspath(self.file.path)!r} has the {key.replace('_', ' ')} "
                f"{met:.200}, not {value:.200}; use that run's mailbox, or a new file."
            )
        return met


def _check(question: Question) -> None:
    n_steps, n_pictures = len(question.transitions.actions), len(question.pictures)
    if not n_steps or n_pictures not in (0, n_steps + 1):
        raise MailboxError(
            f"A question needs transitions, and one picture more than these or none, got {n_steps} transitions and "
            f"{n_pictures} pictures; see Question."
        )
    if not question.id:
        raise MailboxError(f"A question needs an id, got {question.id!r}.")
