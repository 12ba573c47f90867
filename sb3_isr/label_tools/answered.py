"""The labels in answers to questions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import gymnasium as gym
import numpy as np

from sb3_isr.labels.attributed import AttributedLabels
from sb3_isr.labels.batch import LabelBatch
from sb3_isr.respondents.question import Answer, Question


def labels_of_answers(
    answers: Sequence[Answer],
    question: Callable[[str], Question],
    spaces: tuple[gym.Space[Any], gym.Space[Any]],
) -> AttributedLabels:
    """
    Get the labels that answers give.

    :param answers: All answers, oldest first. Of several answers of one person to a question the newest counts.
    :param question: Returns the question of an id.
    :param spaces: Observation space and action space.
    :return: A label for each step of which something is said, in the order of the answers.
    """
    standing: dict[tuple[str, str], Answer] = {}
    for answer in answers:
        key = (answer.question_id, answer.by)
        standing.pop(key, None)  # so that the newest is the last
        standing[key] = answer
    parts = [_labels(answer, question, spaces) for answer in standing.values()]
    return AttributedLabels.concatenate(parts or [AttributedLabels.none(spaces)])


def _labels(
    answer: Answer, question: Callable[[str], Question], spaces: tuple[gym.Space[Any], gym.Space[Any]]
) -> AttributedLabels:
    said = np.flatnonzero(~np.isnan(answer.rewards))
    transitions = question(answer.question_id).transitions
    return AttributedLabels(
        spaces,
        LabelBatch(transitions.select(said), answer.rewards[said]),
        [f"{answer.question_id}/{step}" for step in said.tolist()],
        [answer.by] * len(said),
        np.full(len(said), answer.time),
    )
