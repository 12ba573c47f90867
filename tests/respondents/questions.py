"""Questions about episodes that can be told apart."""

from __future__ import annotations

from typing import Any

import numpy as np

from sb3_isr.respondents import Answer, Question
from tests.labels.made_labels import make_labels

NAN = float("nan")


def question(name: str, k: int = 3, first: int = 0) -> Question:
    """A question about k transitions, whose observations hold their numbers from ``first`` on."""
    return Question(name, make_labels([0.0] * k, first).transitions, 0, first, "chosen at random")


def answer(name: str, *rewards: Any, by: str = "ada", time: float = 0.0) -> Answer:
    """An answer."""
    return Answer(name, np.array(rewards, np.float32), by, time)
