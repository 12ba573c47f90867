"""``sb3-isr fit``: trains an ISR on labels, without an environment."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from stable_baselines3.common.utils import get_device

from sb3_isr.callbacks.internalizer_arguments import InternalizerArguments
from sb3_isr.isr.held_out import MIN_EXPLAINED
from sb3_isr.isr.model import InternalSocialReward
from sb3_isr.isr.training import TrainingMetrics
from sb3_isr.labels.attributed import AttributedLabels


def fit(
    labels: AttributedLabels,
    seed: int = 0,
    isr_kwargs: Mapping[str, Any] | None = None,
    trainer_kwargs: Mapping[str, Any] | None = None,
) -> tuple[InternalSocialReward, TrainingMetrics]:
    """
    Train a new ISR, as :class:`~sb3_isr.ISRCallback` does with the same seed.

    :param labels: The labels; a tenth of them is held out.
    :param seed: Seeds the ISR's weights, its batches, and the choice of held-out labels.
    :param isr_kwargs: Arguments of the ISR.
    :param trainer_kwargs: Arguments of its trainer.
    :return: The ISR, and how well its training went.
    :raises ValueError: If an argument is wrong, or there is no label.
    """
    if not len(labels):
        raise ValueError("An ISR is trained on labels, got none; collect some first.")
    arguments = InternalizerArguments(
        "never", "all", None, isr_kwargs, trainer_kwargs, store_kwargs={"capacity": len(labels)}
    )
    internalizer = arguments.make(labels.spaces, seed, get_device("auto"), policy_kwargs={})
    internalizer.store.add(labels.labels)
    metrics = internalizer.train()
    return internalizer.isr, metrics


def warning_of(labels: AttributedLabels, metrics: TrainingMetrics) -> str | None:
    """
    Say why an ISR is not to be left alone with a learner.

    :param labels: What it was trained on.
    :param metrics: How well that went.
    :return: The reason and the remedy; None if there is none.
    """
    held_out, rewards = metrics.held_out, labels.labels.social_rewards
    if rewards.min() == rewards.max():
        return (
            f"all labels are {rewards[0]:g}, so that the ISR predicts the same for everything. Label also what is not "
            "praised."
        )
    if math.isnan(held_out.explained):
        return (
            "it is not known how well the ISR fits: no labels are held out, or all held-out ones are alike. Collect "
            "more labels, or try another seed."
        )
    if held_out.is_poor():
        return (
            f"the ISR explains {held_out.explained:.0%} of the variance of its held-out labels "
            f"({held_out.explained_continuing:.0%} on steps that do not terminate an episode), less than "
            f"{MIN_EXPLAINED:.0%}: a learner may unlearn what it was taught. Train for longer (--trainer-kwargs "
            """'{"gradient_steps": 5000, "max_cycles": 10}'), collect more labels, or let observations show what the """
            "caregiver goes by. If it rewards by chance, no ISR can explain more."
        )
    return None


def read_kwargs(option: str, text: str | None) -> dict[str, Any] | None:
    """
    Read keyword arguments from the command line.

    :param option: The option's name.
    :param text: What was given: a JSON object, or the path of a file that has one; None if nothing was.
    :return: The keyword arguments.
    :raises ValueError: If it is not a JSON object.
    """
    if text is None:
        return None
    try:
        content = text if text.lstrip().startswith("{") else Path(text).read_text(encoding="utf-8")
        value = json.loads(content)
    except (ValueError, OSError, RecursionError) as error:
        raise ValueError(
            f"{option} must be a JSON object or a file that has one, got {text:.100} ({error})."
        ) from error
    if not isinstance(value, dict):
        raise ValueError(f'{option} must be a JSON object, as {{"net_arch": [64, 64]}}, got {text:.100}.')
    return value
