"""The answer book: which questions were put, what was answered, and which labels follow from that."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from sb3_isr.common.batches import Array
from sb3_isr.common.numbers import MAX_FLOAT
from sb3_isr.labels.batch import LabelBatch
from sb3_isr.labels.transitions import Transitions
from sb3_isr.respondents.question import Answer, Question

#: Skipped questions that are remembered, so that a skip can be undone.
MAX_SKIPPED = 100
#: Withdrawn questions whose ids are remembered, to say why a late answer is not used.
MAX_WITHDRAWN = 10_000


class Answered(NamedTuple):
    """
    Labels that follow from answers.

    :param labels: One label for each transition about which something was said.
    :param is_held_out: Whether it is held out of training, bool ``[n]``.
    """

    labels: LabelBatch
    is_held_out: Array


class Changes(NamedTuple):
    """
    What answers have changed.

    :param n: Number of answers that change what is said about a transition.
    :param n_revised: Those of them that change what the same respondent said before.
    """

    n: int
    n_revised: int


class AnswerBook:
    """
    Holds the questions that were put and the newest answer of each respondent to each of them.

    Labels are computed from it, so that an answer that is taken back leaves no trace. NaN is "nothing said", which is
    not a label of 0. Where several respondents speak about a transition, its label is the mean of what they say. An
    answer that cannot be used is refused with a warning, and the earlier ones are left as they are.

    :param budget: The largest number of answered questions. A skipped question is not answered.
    :param held_out: Fraction of the questions whose labels are held out of training, in [0, 1). Which ones depends on
        their ids alone, so that another answer changes nothing for the others.
    """

    def __init__(self, budget: int, held_out: float = 0.0) -> None:
        self.budget = budget
        self.held_out = held_out
        # The questions that are waiting, answered or skipped, in the order in which they were put.
        self._questions: dict[str, Question] = {}
        self._answers: dict[str, dict[str, Answer]] = {}
        self._withdrawn: dict[str, None] = {}

    @property
    def waiting(self) -> list[Question]:
        """The questions that nobody has answered or skipped yet."""
        return [question for question in self._questions.values() if not self._answers.get(question.id)]

    @property
    def answered(self) -> list[Question]:
        """The questions about which somebody says something."""
        return [question for question in self._questions.values() if self._is_answered(question.id)]

    @property
    def n_answered(self) -> int:
        """Number of answered questions: what counts against the budget."""
        return len(self.answered)

    @property
    def n_marked(self) -> int:
        """Number of answered questions about which somebody says something else than 0."""
        return sum(
            any(np.nan_to_num(answer.rewards).any() for answer in of_question.values())
            for of_question in self._answers.values()
        )

    def answers(self) -> list[Answer]:
        """
        Get the answers that count.

        :return: The newest one of each respondent to each question.
        """
        return [answer for of_question in self._answers.values() for answer in of_question.values()]

    def put(self, questions: Iterable[Question]) -> None:
        """
        Note questions that are put to the respondents.

        :param questions: The questions. Their pictures are not kept.
        """
        for question in questions:
            if question.id not in self._questions:
                self._questions[question.id] = replace(question, pictures=())

    def record(self, answers: Sequence[Answer]) -> Changes:
        """
        Note answers.

        :param answers: The answers, oldest first.
        :return: How many of them change something.
        """
        n = n_revised = 0
        for answer in answers:
            is_revised = self._said(answer.question_id, answer.by)
            is_change = self._record(answer)
            n, n_revised = n + is_change, n_revised + (is_change and is_revised)
        self._forget_skipped()
        return Changes(n, n_revised)

    def withdraw(self, question_ids: Iterable[str]) -> None:
        """
        Forget questions.

        :param question_ids: Ids of questions that are waiting; others are left as they are.
        """
        waiting = {question.id for question in self.waiting}
        for question_id in waiting.intersection(question_ids):
            self._forget(question_id)

    def knows(self, question_id: str) -> bool:
        """
        Look for a question.

        :param question_id: Its id.
        :return: Whether it was put, if it was withdrawn later, too.
        """
        return question_id in self._questions or question_id in self._withdrawn

    def labels(self) -> Answered | None:
        """
        Compute the labels that follow from the answers.

        :return: The labels, in the order in which the questions were put; None if nothing is said.
        """
        batches, is_held_out = [], []
        for question in self.answered:
            said = np.stack([answer.rewards for answer in self._answers[question.id].values()])
            index = np.flatnonzero(~np.isnan(said).all(axis=0))
            rewards = np.nanmean(said[:, index], axis=0).astype(np.float32)
            batches.append(LabelBatch(question.transitions.select(index), rewards))
            is_held_out.append(np.full(len(index), _share(question.id) < self.held_out))
        return Answered(LabelBatch.concatenate(batches), np.concatenate(is_held_out)) if batches else None

    def state_dict(self) -> dict[str, Any]:
        """
        Get what a checkpoint must hold.

        :return: Questions and answers.
        """
        return {name: vars(self)[name] for name in ("_questions", "_answers", "_withdrawn")}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """
        Continue from a checkpoint.

        :param state: What :meth:`state_dict` returned.
        """
        vars(self).update({name: dict(value) for name, value in state.items()})

    def _record(self, answer: Answer) -> bool:
        """Note one answer; returns whether it changes what is said."""
        question = self._questions.get(answer.question_id)
        if question is None:
            what = "withdrawn" if answer.question_id in self._withdrawn else "unknown"
            return _refuse(answer, f"the question is {what}", "it is of no use to this training")
        rewards, fault = _checked(answer.rewards, question.transitions)
        if rewards is None:
            return _refuse(answer, fault, "answer again")
        others = dict(self._answers.get(question.id, {}))
        before = others.pop(answer.by, None)
        if before is not None and answer.time < before.time:
            return False  # an older one that comes again, from a file for example
        is_new = not self._is_answered(question.id) and not np.isnan(rewards).all()
        if is_new and self.n_answered >= self.budget:
            return _refuse(answer, f"the budget of {self.budget} answers is used up", "give it a larger budget")
        for other in others.values():
            if (np.abs(other.rewards - rewards) > 0).any():
                warnings.warn(
                    f"{answer.by or 'Somebody'} and {other.by or 'somebody else'} disagree about question "
                    f"{question.id}: the mean of what they say counts. Take one of the answers back to let the other "
                    "one count.",
                    stacklevel=4,
                )
        self._answers.setdefault(question.id, {})[answer.by] = replace(answer, rewards=rewards)
        was = np.full(len(rewards), np.nan) if before is None else before.rewards
        return not np.array_equal(was, rewards, equal_nan=True)

    def _is_answered(self, question_id: str) -> bool:
        return any(self._said(question_id, by) for by in self._answers.get(question_id, {}))

    def _said(self, question_id: str, by: str) -> bool:
        """Whether a respondent says something about a question."""
        answer = self._answers.get(question_id, {}).get(by)
        return answer is not None and not np.isnan(answer.rewards).all()

    def _forget(self, question_id: str) -> None:
        del self._questions[question_id]
        self._answers.pop(question_id, None)
        self._withdrawn[question_id] = None
        if len(self._withdrawn) > MAX_WITHDRAWN:
            del self._withdrawn[next(iter(self._withdrawn))]

    def _forget_skipped(self) -> None:
        skipped = [name for name in self._questions if self._answers.get(name) and not self._is_answered(name)]
        for question_id in skipped[:-MAX_SKIPPED]:
            self._forget(question_id)


def _checked(rewards: Any, transitions: Transitions) -> tuple[Array | None, str]:
    """The rewards as float32; None, and what is wrong, if they are not one number or NaN for each transition."""
    k = len(transitions.actions)
    met = np.asarray(rewards)
    if met.dtype.kind not in "biuf":
        return None, f"its rewards must be numbers, or NaN for nothing, but are {rewards!r}"
    if met.shape != (k,):
        return None, f"it must have {k} rewards, one for each transition, but has the shape {list(met.shape)}"
    with np.errstate(over="ignore"):
        met = met.astype(np.float32)
    if (np.abs(met) > MAX_FLOAT).any():
        return None, f"its rewards must lie within +-{MAX_FLOAT:g}, but one is {met[np.abs(met) > MAX_FLOAT][0]:g}"
    return met, ""


def _refuse(answer: Answer, reason: str, remedy: str) -> bool:
    by = f" of {answer.by}" if answer.by else ""
    warnings.warn(
        f"An answer{by} to question {answer.question_id} is not used: {reason}; {remedy}. All other answers are left "
        "as they are.",
        stacklevel=5,
    )
    return False


def _share(question_id: str) -> float:
    """A number in [0, 1) that is drawn by the id."""
    return int.from_bytes(hashlib.sha256(question_id.encode()).digest()[:8], "big") / 2**64
