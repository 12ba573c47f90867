"""FunctionRespondent: a program that answers as soon as it is asked."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from sb3_isr.caregivers.base import Caregiver, Transition, label_of
from sb3_isr.common.batches import Array, index_batch
from sb3_isr.labels.transitions import Transitions
from sb3_isr.respondents.question import Answer, Question

#: Gives the rewards ``[k]`` of the ``k`` transitions of a question, NaN where it says nothing; None to skip it.
Judge = Callable[[Transitions], Any]


class FunctionRespondent:
    """
    Answers while questions are put: a program, or a simulated caregiver.

    :param judge: A function of :class:`~sb3_isr.Transitions` that returns float ``[k]``, or None to skip; or a
        :class:`~sb3_isr.Caregiver`, which is asked about each transition. It sees what a question holds: observations,
        actions, and whether the episode terminated. The transition's reward is NaN and its info empty.
    :param by: Its name.
    """

    def __init__(self, judge: Judge | Caregiver, by: str = "program") -> None:
        self._judge = _of_each_step(judge) if hasattr(judge, "social_reward") else judge
        self._by = by
        self._answers: list[Answer] = []

    def put(self, questions: Sequence[Question]) -> None:
        """As :class:`~sb3_isr.respondents.Respondent`'s; answers the questions."""
        for question in questions:
            self._answers.append(answer_of(question, self._judge(question.transitions), self._by))

    def take(self) -> list[Answer]:
        """As :class:`~sb3_isr.respondents.Respondent`'s."""
        answers, self._answers = self._answers, []
        return answers

    def wait(self, timeout: float | None = None) -> bool:
        """As :class:`~sb3_isr.respondents.Respondent`'s; nothing is waited for."""
        return bool(self._answers)

    def withdraw(self, question_ids: Sequence[str]) -> None:
        """As :class:`~sb3_isr.respondents.Respondent`'s; all questions have been answered."""


def answer_of(question: Question, rewards: Any, by: str, time: float = 0.0) -> Answer:
    """
    Make an answer of what a function returned.

    :param question: The question.
    :param rewards: One number for each of its transitions; None to skip it.
    :param by: Who answers.
    :param time: When, in seconds since 1970.
    :return: The answer.
    """
    if rewards is None:
        rewards = np.full(len(question.transitions.actions), np.nan)
    return Answer(question.id, np.asarray(rewards, np.float32), by, time)


def _of_each_step(caregiver: Any) -> Judge:
    def judge(transitions: Transitions) -> Array:
        caregiver.reset()
        labels = []
        for i in range(len(transitions.actions)):
            parts = index_batch(transitions.observations, i), index_batch(transitions.next_observations, i)
            is_terminated = bool(transitions.terminated[i])
            label = label_of(
                caregiver,
                Transition(parts[0], transitions.actions[i], np.nan, parts[1], is_terminated, False, {}),
            )
            labels.append(np.nan if label is None else label)
        return np.array(labels, np.float32)

    return judge
