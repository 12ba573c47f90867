"""A learner learns, and what happens in its episodes is kept: curves, and the last and the best checkpoint."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.callbacks import BaseCallback

from sb3_isr.envs.coin_game.rules import PRAISE

#: Called with the environment steps made so far.
Progress = Callable[[int], object]
Curves = dict[str, list[float]]

#: Episodes whose mean return picks the best checkpoint, as in Stable-Baselines3's ``ep_info_buffer``.
WINDOW = 100


class GoalEpisodes(BaseCallback):
    """
    Keeps what each episode of a game with goals brought, from what the environments say.

    :param progress: Is told how many steps were made, once a rollout.
    :param best: Where to save the learner whenever the return it learns from (U, summed over an episode) is the highest
        so far; None for nowhere.
    """

    def __init__(self, progress: Progress | None = None, best: Path | None = None) -> None:
        super().__init__()
        self.progress = progress
        self.best = best
        self.best_return = -np.inf
        self.steps: list[int] = []
        self.goals: list[float] = []
        self.utility: list[float] = []
        self.environment: list[float] = []

    def curves(self, n_points: int = 40) -> Curves:
        """
        :param n_points: Into how many equal parts the episodes are put.
        :return: Means over the episodes of each part: ``steps`` made when they ended, ``goals`` reached, and the
            episode's sums of U (``utility``) and R_e (``environment``).
        """
        columns = ("steps", "goals", "utility", "environment")
        return {name: _means(getattr(self, name), n_points) for name in columns}

    def _on_training_start(self) -> None:
        self._utilities = np.zeros(self.training_env.num_envs)

    def _on_step(self) -> bool:
        self._utilities += self.locals["rewards"]
        for i in np.flatnonzero(self.locals["dones"]):
            info = self.locals["infos"][i]
            self.steps.append(self.num_timesteps)
            self.goals.append(info["goals_reached"])
            self.utility.append(self._utilities[i])
            self.environment.append(info["episode"]["r"] - PRAISE * info["goals_reached"])
            self._utilities[i] = 0.0
        return True

    def _on_training_end(self) -> None:
        if self.best is not None and self.best_return == -np.inf:  # too short to tell
            self.model.save(self.best)

    def _on_rollout_end(self) -> None:
        if self.progress is not None:
            self.progress(self.num_timesteps)
        if self.best is None or len(self.utility) < WINDOW:
            return
        training_return = float(np.mean(self.utility[-WINDOW:]))
        if training_return > self.best_return:
            self.best_return = training_return
            self.model.save(self.best)


def learn(model: BaseAlgorithm, steps: int, callback: BaseCallback, episodes: GoalEpisodes) -> Curves:
    """
    :param model: The learner.
    :param steps: How many environment steps, at least.
    :param callback: What internalizes.
    :param episodes: What watches.
    :return: The curves of all episodes.
    """
    model.learn(steps, callback=[callback, episodes])
    return episodes.curves()


def mean_of_last_tenth(values: Sequence[float]) -> float:
    """
    :param values: A curve's.
    :return: The mean over its last tenth.
    """
    return float(np.mean(values[-max(1, len(values) // 10) :]))


def _means(values: Sequence[float], n_points: int) -> list[float]:
    return [round(float(part.mean()), 5) for part in np.array_split(values, n_points) if len(part)]
