"""Questions that can be told apart, without an environment."""

from __future__ import annotations

import numpy as np

from sb3_isr.labels.transitions import Transitions
from sb3_isr.respondents import Question


def made_question(number: int, k: int = 3, n_pictures: int = 0) -> Question:
    """Make a question whose transitions hold its number."""
    observations = np.full((k, 2), number, np.float32)
    transitions = Transitions(observations, np.arange(k) % 3, observations + 1, np.arange(k) == k - 1)
    pictures = tuple(f"picture {position}".encode() for position in range(n_pictures))
    return Question(f"question-{number}", transitions, number % 4, 10 * number, f"reason {number}", pictures)
