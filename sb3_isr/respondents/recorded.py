"""RecordedAnswers: answers that were given before, from a JSON Lines file."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from sb3_isr.common.files import write_text
from sb3_isr.common.numbers import as_number
from sb3_isr.respondents.question import Answer, Question

_KEYS = ("question_id", "rewards", "by", "time")


class RecordedAnswers:
    """
    Gives the answers of a file to the questions that they are about.

    A training that is repeated with the same seeds asks the same questions, as far as it was given the same answers.
    Each line of the file is a JSON object with the fields of :class:`~sb3_isr.respondents.Answer`: ``question_id``,
    ``rewards`` (numbers, ``null`` where nothing is said), ``by`` and ``time``. :func:`write_answers` writes one.

    :param path: The file.
    :raises ValueError: If a line is not an answer.
    :raises OSError: If the file does not exist or may not be read.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._answers: dict[str, list[Answer]] = {}
        for answer in read_answers(path):
            self._answers.setdefault(answer.question_id, []).append(answer)
        self._ready: list[Answer] = []

    def put(self, questions: Sequence[Question]) -> None:
        """As :class:`~sb3_isr.respondents.Respondent`'s; questions without a recorded answer are never answered."""
        for question in questions:
            self._ready += self._answers.pop(question.id, [])

    def take(self) -> list[Answer]:
        """As :class:`~sb3_isr.respondents.Respondent`'s."""
        ready, self._ready = self._ready, []
        return ready

    def wait(self, timeout: float | None = None) -> bool:
        """As :class:`~sb3_isr.respondents.Respondent`'s; nothing is waited for."""
        return bool(self._ready)

    def withdraw(self, question_ids: Sequence[str]) -> None:
        """As :class:`~sb3_isr.respondents.Respondent`'s; what is recorded has been answered."""


def write_answers(path: str | os.PathLike[str], answers: Iterable[Answer]) -> None:
    """
    Write answers to a JSON Lines file, completely or not at all.

    :param path: The file.
    :param answers: The answers, those of ``callback.internalizer.book.answers()`` for example.
    """
    lines = []
    for answer in answers:
        rewards = [None if math.isnan(reward) else reward for reward in np.asarray(answer.rewards, float).tolist()]
        values = (answer.question_id, rewards, answer.by, answer.time)
        lines.append(json.dumps(dict(zip(_KEYS, values, strict=True))) + "\n")
    write_text(Path(path), "".join(lines))


def read_answers(path: str | os.PathLike[str]) -> list[Answer]:
    """
    Read what :func:`write_answers` wrote.

    :param path: The file.
    :return: The answers, in the order of the file.
    :raises ValueError: If a line is not an answer.
    :raises OSError: If the file does not exist or may not be read.
    """
    answers = []
    for number, line in enumerate(Path(path).read_text().splitlines(), 1):
        if not line.strip():
            continue
        try:
            answers.append(_answer(json.loads(line)))
        except (ValueError, TypeError, KeyError) as error:
            raise ValueError(
                "A line of a file of answers must be a JSON object with question_id, rewards (numbers or null), by and "
                f"time, got line {number} of {os.fspath(path)!r} ({error!r}); mend or remove the line."
            ) from error
    return answers


def _answer(value: Any) -> Answer:
    question_id, rewards = value["question_id"], value["rewards"]
    if not isinstance(question_id, str) or not isinstance(rewards, list):
        raise TypeError("question_id must be a text, and rewards a list")
    numbers = [math.nan if reward is None else as_number(reward) for reward in rewards]
    return Answer(question_id, np.array(numbers, np.float32), str(value.get("by", "")), as_number(value.get("time", 0)))
