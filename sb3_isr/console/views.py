"""What the page is told: the mailbox's content in JSON's types."""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from sb3_isr.common.batches import Array, Observations
from sb3_isr.respondents.mailbox_reader import MailboxReader
from sb3_isr.respondents.question import Question
from sb3_isr.respondents.training_lock import is_training

#: The most open questions that are listed, and points of the curve.
MAX_LISTED, MAX_POINTS = 200, 400
#: The most numbers of an observation that are shown where there are no pictures.
MAX_NUMBERS = 24


def state(mailbox: MailboxReader, by: str) -> dict[str, Any]:
    """
    Describe a mailbox.

    :param mailbox: The mailbox.
    :param by: Who looks at it.
    :return: All that the page shows, but for the questions themselves.
    """
    waiting = mailbox.open_questions()
    return {
        "by": by,
        "mailbox": str(mailbox.file.path),
        "now": time.time(),
        "open": [{"id": each.id, "time": each.time} for each in waiting[:MAX_LISTED]],
        "n_open": len(waiting),
        "n_asked": mailbox.n_questions(),
        "n_answered": mailbox.n_answered(),
        "is_postponed": bool(waiting) and mailbox.is_postponed(),
        "is_training": is_training(mailbox.file.path),
        "status": mailbox.status(),
        "progress": _thinned(mailbox.progress()),
    }


def question_to_json(question: Question, status: dict[str, Any]) -> dict[str, Any]:
    """
    Describe a question.

    :param question: The question.
    :param status: What the training says about itself.
    :return: All that the page shows of it, but for its pictures.
    """
    transitions = question.transitions
    seen = [transitions.observations, transitions.next_observations]
    return {
        "id": question.id,
        "env": question.env,
        "step": question.step,
        "reason": question.reason,
        "n_steps": len(transitions.actions),
        "n_pictures": len(question.pictures),
        "actions": [_action(action, status.get("action_names")) for action in transitions.actions],
        "terminated": transitions.terminated.tolist(),
        "numbers": None if question.pictures else [_numbers(batch) for batch in seen],
    }


def media_type(image: bytes) -> str:
    """
    Tell an image's kind by its first bytes.

    :param image: An encoded image.
    :return: Its media type; one that no browser shows if it is not known.
    """
    if image.startswith(b"\x89PNG\r\n\x1a\n"):
        return "image/png"
    if image[:4] == b"RIFF" and image[8:12] == b"WEBP":
        return "image/webp"
    return "image/jpeg" if image.startswith(b"\xff\xd8\xff") else "application/octet-stream"


def _action(action: Array, names: Any) -> str:
    numbers = np.asarray(action).ravel()
    if isinstance(names, list) and numbers.dtype.kind in "iu" and all(0 <= n < len(names) for n in numbers[:1]):
        return str(names[int(numbers[0])])
    return ", ".join(f"{number:.3g}" for number in numbers[:8].tolist()) + (", ..." if len(numbers) > 8 else "")


def _numbers(batch: Observations) -> list[list[str]]:
    arrays = batch.values() if isinstance(batch, dict) else [batch]
    rows = np.concatenate([array.reshape(len(array), -1).astype(float) for array in arrays], axis=1)
    return [[f"{number:.3g}" for number in row] for row in rows[:, :MAX_NUMBERS].tolist()]


def _thinned(points: list[tuple[int, float]]) -> list[tuple[int, float]]:
    every = -(-len(points) // MAX_POINTS) or 1
    return points[::-every][::-1]
