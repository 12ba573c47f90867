"""How well an ISR predicts labels that it was not trained on."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import torch

from sb3_isr.common.batches import Array
from sb3_isr.isr.model import InternalSocialReward
from sb3_isr.labels.store import LabelStore

#: The share of the held-out labels' variance below which a learner may not be retained: of LunarLander's, ISRs that
#: explained 81 % lost the learner, and those that explained 99 % did not.
MIN_EXPLAINED = 0.9


class HeldOut(NamedTuple):
    """
    How well an ISR predicts held-out labels; each counts the same. NaN where there are none, or all are alike.

    :param mse: Mean squared error, in units of the social reward, squared.
    :param explained: The share of the labels' variance that is explained, R²: 1 less the mean squared error over the
        variance. It is below 1 also where rewards are decided by chance.
    :param explained_continuing: The same of the steps that did not terminate an episode.
    :param explained_terminated: The same of those that did.
    """

    mse: float
    explained: float
    explained_continuing: float
    explained_terminated: float

    def is_poor(self) -> bool:
        """
        Judge whether the ISR explains too little to be left alone with a learner.

        :return: Whether it explains less than ``MIN_EXPLAINED`` of all labels' variance, or of that of the steps that
            did not terminate an episode. False where neither is known.
        """
        return self.explained < MIN_EXPLAINED or self.explained_continuing < MIN_EXPLAINED

    def to_json(self) -> dict[str, float | None]:
        """
        Write the numbers as values that JSON holds.

        :return: The numbers by their names, None in place of NaN.
        """
        return {name: None if math.isnan(value) else value for name, value in self._asdict().items()}


def evaluate(isr: InternalSocialReward, store: LabelStore) -> HeldOut:
    """
    Compare an ISR's predictions with the held-out labels.

    :param isr: The ISR.
    :param store: The labels, some of them held out.
    :return: How well they agree.
    """
    labels, predictions, terminated = held_out_predictions(isr, store)
    errors = (predictions - labels) ** 2
    explained = (_explained(labels[which], errors[which]) for which in (slice(None), ~terminated, terminated))
    return HeldOut(float(errors.mean()) if len(errors) else float("nan"), *explained)


@torch.no_grad()
def held_out_predictions(
    isr: InternalSocialReward, store: LabelStore, limited: bool = True
) -> tuple[Array, Array, Array]:
    """
    Predict the held-out labels.

    :param isr: The ISR.
    :param store: The labels, some of them held out.
    :param limited: Whether predictions are limited to the labels, as ``R_i`` is.
    :return: Labels and predictions, float64 ``[n]``, and whether the episodes terminated, bool ``[n]``.
    """
    batches = list(store.held_out_batches())
    labels = [batch.social_rewards for batch in batches]
    if limited:
        predictions = [isr.predict(*batch.transitions) for batch in batches]
    else:
        predictions = [isr(*isr.tensors(*batch.transitions)).cpu().numpy() for batch in batches]
    terminated = [batch.transitions.terminated for batch in batches]
    empty = np.zeros(0)
    return (
        np.concatenate([empty, *labels]),
        np.concatenate([empty, *predictions]),
        np.concatenate([empty.astype(bool), *terminated]),
    )


def _explained(labels: Array, errors: Array) -> float:
    variance = labels.var() if len(labels) else 0.0
    return float(1 - errors.mean() / variance) if variance else float("nan")
