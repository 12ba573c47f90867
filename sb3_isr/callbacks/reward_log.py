"""The reward log: means of rewards in Stable-Baselines3's logger."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np
from stable_baselines3.common.logger import Logger

from sb3_isr.isr.training import TrainingMetrics
from sb3_isr.wrappers.reward_statistics import RewardStatistics

#: After so many attended steps without a label something is wrong, also where no episode ends.
MAX_SILENCE = 1000


def logs_after_this_step(model: Any, local_variables: Mapping[str, Any]) -> bool:
    """
    Tell whether an off-policy algorithm writes its log right after this step, as it does at some episode's end.

    :param model: The learner.
    :param local_variables: Those of its ``collect_rollouts``.
    :return: Whether it does, as far as is known.
    """
    n_ended = int(np.count_nonzero(local_variables["dones"]))
    interval = local_variables.get("log_interval", 1)
    if not n_ended or interval is None:
        return False
    n_before: int = getattr(model, "_episode_num", 0)
    return bool((n_before + n_ended) // interval > n_before // interval)


class RewardLog:
    """Adds up reward statistics until they are logged under ``isr/``."""

    def __init__(self) -> None:
        self._statistics = RewardStatistics()
        self._attended = 0.0
        self._has_labels = False
        self._has_warned = False

    def add(self, statistics: RewardStatistics, has_labels: bool) -> None:
        """
        Add the statistics of some transitions.

        :param statistics: Their statistics.
        :param has_labels: Whether the caregiver gave a label for any of them.
        """
        self._statistics = self._statistics.merge(statistics)
        self._has_labels = self._has_labels or has_labels

    def write(self, logger: Logger, counts: Mapping[str, int]) -> None:
        """
        Log the means over the transitions (and episodes) since the last call.

        :param logger: The logger.
        :param counts: What was learned from so far, by its name.
        """
        statistics, self._statistics = self._statistics, RewardStatistics()
        if not statistics.transitions:
            return
        for name, n in counts.items():
            logger.record(f"isr/{name}", n)
        for name in ("utility", "environment_reward", "social_reward", "presence"):
            logger.record_mean(f"isr/{name}", getattr(statistics, name) / statistics.transitions)
        absences = statistics.transitions - statistics.presence
        if absences:
            logger.record_mean("isr/internal_reward", statistics.internal_reward / absences)
        if statistics.episodes:
            logger.record_mean("isr/social_return", statistics.social_return / statistics.episodes)
        self._warn_if_there_are_no_labels(statistics)

    def write_training(self, logger: Logger, metrics: TrainingMetrics, step: int | None) -> None:
        """
        Log how well a training of the ISR went.

        :param logger: The logger.
        :param metrics: The results.
        :param step: The step, to print them too; None not to.
        """
        logger.record("isr/train_loss", metrics.train_loss)
        for name, value in metrics.held_out._asdict().items():
            logger.record(f"isr/held_out_{name}", value)
        if step is not None:
            print(f"ISR trained at step {step} on {metrics.summary()}")

    def _warn_if_there_are_no_labels(self, statistics: RewardStatistics) -> None:
        self._attended += statistics.presence
        is_long = statistics.episodes or self._attended >= MAX_SILENCE
        if statistics.presence and is_long and not self._has_labels and not self._has_warned:
            self._has_warned = True
            warnings.warn(
                f'The caregiver attended {self._attended:.0f} steps and gave no label: no info had "social_reward". '
                "Wrap the environments in SocialRewardWrapper, or let them write the key.",
                stacklevel=2,
            )
