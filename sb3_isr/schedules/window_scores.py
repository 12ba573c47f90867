"""Scores of windows, none of which needs a label: the ISR's uncertainty, what it pays, and how new they are."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from sb3_isr.common.batches import Array
from sb3_isr.isr.model import InternalSocialReward
from sb3_isr.labels.transitions import Transitions


def uncertainty(isr: InternalSocialReward, windows: Sequence[Transitions]) -> Array:
    """
    Compute how much the members of an ISR disagree.

    :param isr: An ISR of several members.
    :param windows: The windows, ``n`` of them.
    :return: ``[n]``: the greatest standard deviation over the members' rewards for a transition of each window.
    """
    stds = []
    for part in Transitions.concatenate(windows).parts():
        predictions = isr.predict_members(*part)
        limited = isr.limit(predictions, part.terminated)
        # First where they would give different rewards, and then where only their outputs differ.
        stds.append(limited.std(axis=0) + 1e-3 * predictions.std(axis=0))
    return _reduced(np.maximum, np.concatenate(stds), windows)


def income(isr: InternalSocialReward, windows: Sequence[Transitions]) -> Array:
    """
    Compute what the learner is paid for.

    :param isr: The ISR.
    :param windows: The windows, ``n`` of them.
    :return: ``[n]``: the sum of ``R_i`` over each window, less that of the window with the least.
    """
    rewards = np.concatenate([isr.predict(*part) for part in Transitions.concatenate(windows).parts()])
    sums = _reduced(np.add, rewards.astype(np.float64), windows)
    return np.asarray(sums - sums.min())


def novelty(isr: InternalSocialReward, windows: Sequence[Transitions], asked: Sequence[Transitions]) -> Array:
    """
    Compute how far windows are from those that were asked about.

    :param isr: The ISR, whose features are compared.
    :param windows: The windows, ``n`` of them.
    :param asked: What was asked before.
    :return: ``[n]``: the distance of each window's mean features from those of the nearest that was asked; 0 if none
        was.
    """
    if not asked:
        return np.zeros(len(windows))
    there, here = _mean_features(isr, asked), _mean_features(isr, windows)
    return np.array([np.linalg.norm(there - one, axis=1).min() for one in here])


@torch.no_grad()
def _mean_features(isr: InternalSocialReward, windows: Sequence[Transitions]) -> Array:
    """Float ``[n, n_features]``."""
    parts = []
    for part in Transitions.concatenate(windows).parts():
        inputs = isr.inputs(*isr.tensors(*part))
        parts.append((inputs if isr.scales is None else isr.scales(inputs)).cpu().numpy())
    sums = _reduced(np.add, np.concatenate(parts).astype(np.float64), windows)
    return np.asarray(sums / _lengths(windows)[:, None])


def _reduced(ufunc: np.ufunc, values: Array, windows: Sequence[Transitions]) -> Array:
    """Reduce the values of each window's transitions to one."""
    return np.asarray(ufunc.reduceat(values, np.append(0, _lengths(windows).cumsum()[:-1])))


def _lengths(windows: Sequence[Transitions]) -> Array:
    return np.array([len(window.actions) for window in windows])
