"""Records the episodes of a training: true returns, social returns, utilities."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import pairwise

import numpy as np
from stable_baselines3.common.callbacks import BaseCallback

#: Is called with the number of environment steps so far.
Progress = Callable[[int], object]


class EpisodeRecorder(BaseCallback):
    """
    Records each episode of a training when it ends.

    The columns are ``steps`` (environment steps at the end of the episode), ``true_return`` (Monitor's; NaN without a
    Monitor), ``social_return`` (the sum of ``info["social_reward"]``, whether the caregiver attends or not),
    ``info_keys``, and if it is wanted ``utility`` (the return that the learner learns from).

    :param info_keys: Keys of the last info of an episode that are recorded too.
    :param progress: Is called with the number of steps so far, at the end of each rollout.
    :param utility: Whether to record utilities, too. Then internal rewards must be computed at each step.
    """

    def __init__(self, info_keys: Sequence[str] = (), progress: Progress | None = None, utility: bool = False) -> None:
        super().__init__()
        #: Tells ISRCallback that ``locals["rewards"]`` must be complete at each step.
        self.reads_rewards = utility
        self.info_keys = tuple(info_keys)
        self.progress = progress
        names = ("steps", "true_return", "social_return", *["utility"] * utility, *self.info_keys)
        #: One number for each episode.
        self.columns: dict[str, list[float]] = {name: [] for name in names}
        self._start: int | None = None
        self._sums = np.zeros((2, 0))

    def between(self, name: str, start: float, end: float = math.inf) -> list[float]:
        """
        Get a column for a part of training.

        :param name: The column.
        :param start: Environment steps.
        :param end: Environment steps.
        :return: Its numbers for the episodes that ended after ``start`` and up to ``end``.
        """
        steps, values = self.columns["steps"], self.columns[name]
        return [value for step, value in zip(steps, values, strict=True) if start < step <= end]

    def curve(self, name: str, n_points: int = 40) -> list[float]:
        """
        Average a column over equal numbers of episodes.

        :param name: The column.
        :param n_points: Number of parts.
        :return: The mean of each part, rounded to 5 digits.
        """
        return curve_of(self.columns[name], n_points)

    def mean_over_time(self, name: str, n_parts: int = 10) -> list[float]:
        """
        Average a column over equal parts of the training time.

        :param name: The column.
        :param n_parts: Number of parts.
        :return: The mean over the episodes that ended in each part; NaN where none did.
        """
        edges = np.linspace(self._start or 0, self.num_timesteps, n_parts + 1).tolist()
        values = [self.between(name, start, end) for start, end in pairwise(edges)]
        return [float(np.mean(of_part)) if of_part else math.nan for of_part in values]

    def _on_training_start(self) -> None:
        if self._start is None:
            self._start = self.num_timesteps
            self._sums = np.zeros((2, self.training_env.num_envs))

    def _on_step(self) -> bool:
        infos = self.locals["infos"]
        self._sums[0] += [info.get("social_reward") or 0.0 for info in infos]
        self._sums[1] += self.locals["rewards"]  # lacks R_i if it is deferred
        for i in np.flatnonzero(self.locals["dones"]):
            true_return = infos[i].get("episode", {}).get("r", math.nan)
            others = [infos[i][key] for key in self.info_keys]
            sums = self._sums[: 1 + self.reads_rewards, i].tolist()
            values = (self.num_timesteps, true_return, *sums, *others)
            for column, value in zip(self.columns.values(), values, strict=True):
                column.append(value)
            self._sums[:, i] = 0.0
        return True

    def _on_rollout_end(self) -> None:
        if self.progress is not None:
            self.progress(self.num_timesteps)


def curve_of(values: Sequence[float], n_points: int = 40) -> list[float]:
    """
    Average values over equal parts.

    :param values: One for each episode, in order.
    :param n_points: Number of parts.
    :return: The mean of each part that is not empty, rounded to 5 digits.
    """
    return [round(float(part.mean()), 5) for part in np.array_split(values, n_points) if len(part)]


def mean_of_last_tenth(values: Sequence[float]) -> float:
    """
    Average the last tenth of a curve.

    :param values: The curve.
    :return: The mean over its last tenth, one value at least.
    """
    return float(np.mean(values[-max(1, len(values) // 10) :]))
