"""Questions about what the learner did, and their answers."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from sb3_isr.common.batches import Array
from sb3_isr.labels.transitions import Transitions


@dataclass(frozen=True)
class Question:
    """
    A piece of an episode that is shown to a respondent.

    :param id: Tells it from all other questions: a hash of run, environment and step.
    :param transitions: The ``k`` transitions of the piece, in order.
    :param env: Number of the environment.
    :param step: Steps that this environment had done before the first transition.
    :param reason: Why it is asked, in words for the respondent.
    :param pictures: An encoded image for what was seen before the first transition and after each, ``k + 1`` of them;
        empty if there are none.
    """

    id: str
    transitions: Transitions
    env: int
    step: int
    reason: str
    pictures: tuple[bytes, ...] = ()


@dataclass(frozen=True)
class Answer:
    """
    What a respondent says to a question. Of several answers of one respondent the newest counts.

    :param question_id: The question's ``id``.
    :param rewards: float32 ``[k]``: ``R_s`` of each transition; NaN where nothing is said. All NaN takes back what the
        respondent said before, or skips the question.
    :param by: Who says it.
    :param time: When, in seconds since 1970.
    """

    question_id: str
    rewards: Array = field(default_factory=lambda: np.zeros(0, np.float32))
    by: str = ""
    time: float = 0.0
