"""Labels that can be told apart."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from gymnasium import spaces

from sb3_isr import LabelBatch, LabelStore

BOX = spaces.Box(0, 1000, (2,), np.float32)
DISCRETE = spaces.Discrete(3)


def make_labels(social_rewards: Sequence[float], first: int = 0) -> LabelBatch:
    """Make labels whose observation holds their number."""
    numbers = first + np.arange(len(social_rewards))
    observations = np.stack([numbers, numbers], axis=1).astype(np.float32)
    return LabelBatch(observations, numbers % 3, np.array(social_rewards, np.float32))


def numbers_in(batch: LabelBatch) -> list[int]:
    """Get the numbers of labels, in their order."""
    assert isinstance(batch.observations, np.ndarray)
    numbers: list[int] = batch.observations[:, 0].astype(int).tolist()
    return numbers


def make_store(*social_rewards: float, held_out: float = 0.0, capacity: int = 1000) -> LabelStore:
    """Make a store that holds labels."""
    store = LabelStore(BOX, DISCRETE, capacity=capacity, held_out=held_out, seed=0)
    if social_rewards:
        store.add(make_labels(social_rewards))
    return store
