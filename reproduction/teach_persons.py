"""Simulated persons: they follow a rule, err in ways that people do, and count their key presses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from reproduction.teach_tasks import Rule
from sb3_isr.common.batches import Array
from sb3_isr.respondents import Answer, Question


@dataclass(frozen=True)
class Habits:
    """
    In what a person differs from one who makes no mistakes and answers at once.

    :param late: Marks every step one step late.
    :param wrong: Probability that a mark is at another, random step of the episode.
    :param skipped: Probability that a question is skipped.
    :param key_presses: The person stops after so many.
    :param delay: Calls of ``take`` until an answer is there; the first of them comes when the question is put.
    """

    late: bool = False
    wrong: float = 0.0
    skipped: float = 0.0
    delay: int = 0
    key_presses: int = 60


PERFECT = Habits()


class SimulatedPerson:
    """
    A respondent who marks steps by a rule.

    A mark is one key press, "the rest is nothing" another one for each question (of a single step: either of them), and
    a skip is one, too.

    :param rule: What is praised and scolded.
    :param habits: How the person errs.
    :param seed: Seeds the errors.
    """

    def __init__(self, rule: Rule, habits: Habits, seed: int) -> None:
        self.key_presses = 0
        self._rule = rule
        self._habits = habits
        self._rng = np.random.default_rng(seed)
        self._answers: list[tuple[int, Answer]] = []
        self._now = 0

    def put(self, questions: Sequence[Question]) -> None:
        """As :class:`~sb3_isr.respondents.Respondent`'s."""
        for question in questions:
            rewards = self._answer(question)
            if self.key_presses + self._cost(rewards) > self._habits.key_presses:
                continue  # until the end
            self.key_presses += self._cost(rewards)
            self._answers.append((self._now + self._habits.delay, Answer(question.id, rewards, "person")))

    def take(self) -> list[Answer]:
        """As :class:`~sb3_isr.respondents.Respondent`'s; an answer that is late comes so many calls later."""
        due = [answer for when, answer in self._answers if when <= self._now]
        self._answers = [(when, answer) for when, answer in self._answers if when > self._now]
        self._now += 1
        return due

    def wait(self, timeout: float | None = None) -> bool:
        """As :class:`~sb3_isr.respondents.Respondent`'s."""
        return bool(self._answers)

    def withdraw(self, question_ids: Sequence[str]) -> None:
        """As :class:`~sb3_isr.respondents.Respondent`'s."""
        self._answers = [(when, answer) for when, answer in self._answers if answer.question_id not in question_ids]

    def _answer(self, question: Question) -> Array:
        rewards, k = self._rule(question.transitions).copy(), len(question.transitions.actions)
        if self._rng.random() < self._habits.skipped:
            return np.full(k, np.nan, np.float32)
        if self._habits.late:
            rewards = np.append(np.float32(0), rewards[:-1])
        for step in np.flatnonzero(rewards):
            if self._rng.random() < self._habits.wrong:
                rewards[self._rng.integers(k)], rewards[step] = rewards[step], 0.0
        return rewards

    @staticmethod
    def _cost(rewards: Array) -> int:
        """Key presses: the marks and Enter; of a single step or a skip, one."""
        return 1 if len(rewards) == 1 else int((np.nan_to_num(rewards) != 0).sum()) + 1
