"""Transitions that can be told apart, and an ISR whose rewards and members' predictions are planted."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from gymnasium import spaces

from sb3_isr import InternalSocialReward, LabelBatch
from sb3_isr.common.batches import Array
from tests.labels.made_labels import labelled

BOX, DISCRETE = spaces.Box(0, 1000, (2,), np.float32), spaces.Discrete(3)


def transitions(*numbers: float) -> LabelBatch:
    """Make transitions that differ by the observation's first number, which is also the caregiver's label."""
    labels = np.array(numbers, np.float32)
    return labelled(np.stack([labels, labels], axis=1), np.zeros(len(labels), int), labels)


class PlantedISR(InternalSocialReward):
    """
    Predicts functions of the observation's first number.

    :param reward: ``R_i``.
    :param members: The prediction of each member.
    """

    def __init__(
        self, reward: Callable[[Array], Array] | None = None, *members: Callable[[Array], Array], **kwargs: Any
    ) -> None:
        super().__init__(BOX, DISCRETE, net_arch=(4,), n_members=2, device="cpu", **kwargs)
        self._reward = reward or (lambda number: 0 * number)
        # By default the members disagree the more, the greater the number.
        self._members = members or (lambda number: number, lambda number: -number)

    def predict(self, observations: Any, *others: Any) -> Array:
        return self._reward(observations[:, 0])

    def predict_members(self, observations: Any, *others: Any) -> Array:
        return np.stack([member(observations[:, 0]) for member in self._members])
