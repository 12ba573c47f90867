"""Merges the labels of several people, and finds where they disagree."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from sb3_isr.common.batches import Array
from sb3_isr.common.hashing import hash_rows
from sb3_isr.labels.attributed import AttributedLabels


def merge_labels(parts: Sequence[AttributedLabels]) -> AttributedLabels:
    """
    Merge labels, of people who may have answered the same questions.

    Of several answers of one person to the same question only the newest is kept; of answers of the same time, that of
    the later part. What different people say is kept, and so is everything of which the question is not known.

    :param parts: At least one, all of the same spaces.
    :return: The labels, in order.
    :raises ValueError: If spaces are not the same.
    """
    labels = AttributedLabels.concatenate(parts)
    newest: dict[tuple[str, str], int] = {}
    for i in np.argsort(labels.times, kind="stable").tolist():
        if labels.questions[i]:
            newest[labels.questions[i], labels.by[i]] = i
    kept = {*newest.values()}
    return labels.select(
        np.array([i for i in range(len(labels)) if i in kept or not labels.questions[i]], int)  # in order
    )


class Disagreement(NamedTuple):
    """
    A transition to which people gave different rewards.

    :param rewards: What each of them gave, by their names; the mean of what they gave where they saw it several times.
    :param question: The question about it; empty if it is not known.
    """

    rewards: dict[str, float]
    question: str

    @property
    def difference(self) -> float:
        """The greatest reward less the smallest."""
        return max(self.rewards.values()) - min(self.rewards.values())


def disagreements(labels: AttributedLabels) -> tuple[list[Disagreement], int]:
    """
    Compare what people say about the same transitions.

    :param labels: The labels of several people.
    :return: Where they disagree, the greatest difference first; and the number of transitions that several people
        labelled.
    """
    found, n_shared = [], 0
    for index in _equal_transitions(labels):
        by: dict[str, list[float]] = defaultdict(list)
        for i in index.tolist():
            by[labels.by[i]].append(float(labels.labels.social_rewards[i]))
        if len(by) > 1:
            n_shared += 1
            rewards = {name: float(np.float32(np.mean(given))) for name, given in by.items()}
            question = next((labels.questions[i] for i in index.tolist() if labels.questions[i]), "")
            disagreement = Disagreement(rewards, question)
            if disagreement.difference > 0:
                found.append(disagreement)
    return sorted(found, key=lambda each: -each.difference), n_shared


def _equal_transitions(labels: AttributedLabels) -> Iterator[Array]:
    """The numbers of labels of the same transition, for each with several labels, in order."""
    arrays = []
    for part in labels.labels.transitions:
        arrays += list(part.values()) if isinstance(part, dict) else [part]
    hashes = hash_rows(arrays)
    order = np.argsort(hashes, kind="stable")
    for index in np.split(order, np.flatnonzero(np.diff(hashes[order])) + 1):
        if len(index) > 1:
            yield index
