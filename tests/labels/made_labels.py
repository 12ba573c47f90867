"""Labels that can be told apart."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from gymnasium import spaces

from sb3_isr import AttributedLabels, LabelBatch, LabelStore, Transitions
from sb3_isr.common.batches import Array

BOX = spaces.Box(0, 1000, (2,), np.float32)
DISCRETE = spaces.Discrete(3)


def make_transitions(
    observations: Any, actions: Any, next_observations: Any = None, terminated: Array | None = None
) -> Transitions:
    """Make transitions; by default they lead nowhere, and no episode terminates."""
    if terminated is None:
        terminated = np.zeros(len(actions), bool)
    next_observations = observations if next_observations is None else next_observations
    return Transitions(observations, actions, next_observations, terminated)


def labelled(observations: Any, actions: Any, social_rewards: Any, **outcome: Any) -> LabelBatch:
    """Label transitions as made by :func:`make_transitions`."""
    return LabelBatch(make_transitions(observations, actions, **outcome), social_rewards)


def changed(labels: LabelBatch, **parts: Any) -> LabelBatch:
    """Replace parts of the transitions."""
    return labels._replace(transitions=labels.transitions._replace(**parts))


def make_labels(social_rewards: Sequence[float], first: int = 0) -> LabelBatch:
    """Make labels whose observation holds their number, of which each leads to the next; every fourth terminates."""
    numbers = first + np.arange(len(social_rewards))
    observations, next_observations = (np.stack([n, n], axis=1).astype(np.float32) for n in (numbers, numbers + 1))
    transitions = Transitions(observations, numbers % 3, next_observations, numbers % 4 == 3)
    return LabelBatch(transitions, np.array(social_rewards, np.float32))


def numbers_in(batch: LabelBatch) -> list[int]:
    """Get the numbers of labels, in their order."""
    observations = batch.transitions.observations
    assert isinstance(observations, np.ndarray)
    numbers: list[int] = observations[:, 0].astype(int).tolist()
    return numbers


def make_store(*social_rewards: float, held_out: float = 0.0, capacity: int = 1000) -> LabelStore:
    """Make a store that holds labels."""
    store = LabelStore(BOX, DISCRETE, capacity=capacity, held_out=held_out, seed=0)
    if social_rewards:
        store.add(make_labels(social_rewards))
    return store


def attributed(
    social_rewards: Sequence[float], by: str = "", question: str = "", time: float = 0.0, first: int = 0
) -> AttributedLabels:
    """Make labels as :func:`make_labels` does, of one person; if a question is named, of its steps in order."""
    n = len(social_rewards)
    questions = [f"{question}/{step}" if question else "" for step in range(n)]
    return AttributedLabels((BOX, DISCRETE), make_labels(social_rewards, first), questions, [by] * n, [time] * n)


def assert_same(labels: AttributedLabels, others: AttributedLabels) -> None:
    """Compare labels to the last bit, dtypes too."""
    assert labels.spaces == others.spaces
    for one, other in zip(_arrays(labels.labels), _arrays(others.labels), strict=True):
        assert one.dtype == other.dtype
        np.testing.assert_array_equal(one, other)
    assert (labels.questions, labels.by) == (others.questions, others.by)
    np.testing.assert_array_equal(labels.times, others.times)


def _arrays(labels: LabelBatch) -> list[Array]:
    arrays = []
    for part in (*labels.transitions, labels.social_rewards):
        arrays += [part[key] for key in sorted(part)] if isinstance(part, dict) else [part]
    return arrays
