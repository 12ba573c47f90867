"""The interface of what gives questions their pictures."""

from __future__ import annotations

from typing import Protocol

from sb3_isr.respondents.question import Question


class Illustrator(Protocol):
    """Adds pictures to questions; :class:`~sb3_isr.wrappers.illustrator.VenvIllustrator` is the one that ships."""

    def can_show(self, env: int, step: int, n_steps: int) -> bool:
        """
        Say whether a question would have pictures.

        :param env: Number of the environment.
        :param step: Steps that it had done before the first transition.
        :param n_steps: Number of transitions.
        :return: False if other questions would have some, but not this one.
        """

    def __call__(self, question: Question) -> Question:
        """
        Add pictures to a question.

        :param question: The question.
        :return: The same with pictures, or as it is if there are none.
        """
