"""A learner learns, and its episodes are recorded: curves, and the best checkpoint."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.callbacks import BaseCallback

from sb3_isr.evaluation.episodes import EpisodeRecorder, Progress, curve_of

Curves = dict[str, list[float]]

#: Episodes whose mean return picks the best checkpoint, as in Stable-Baselines3's ``ep_info_buffer``.
WINDOW = 100


class GoalEpisodes(EpisodeRecorder):
    """
    Records the episodes of a game with goals, and keeps the best checkpoint.

    :param progress: Is called with the number of steps so far, at the end of each rollout.
    :param best: Where to save the learner whenever the return it learns from (U, summed over an episode) is the highest
        so far; None for nowhere.
    """

    def __init__(self, progress: Progress | None = None, best: Path | None = None) -> None:
        super().__init__(("goals_reached",), progress, utility=True)
        self.best = best
        self.best_return = -np.inf

    def curves(self, n_points: int = 40) -> Curves:
        """
        Average the episodes over equal numbers of them.

        :param n_points: Number of parts.
        :return: Means over the episodes of each part: ``steps`` made when they ended, ``goals`` reached, and the
            episode's sums of U (``utility``) and R_e (``environment``).
        """
        environment = np.subtract(self.columns["true_return"], self.columns["social_return"]).tolist()
        return {
            "steps": self.curve("steps", n_points),
            "goals": self.curve("goals_reached", n_points),
            "utility": self.curve("utility", n_points),
            "environment": curve_of(environment, n_points),
        }

    def _on_training_end(self) -> None:
        if self.best is not None and self.best_return == -np.inf:  # too short to tell
            self.model.save(self.best)

    def _on_rollout_end(self) -> None:
        super()._on_rollout_end()
        utilities = self.columns["utility"]
        if self.best is None or len(utilities) < WINDOW:
            return
        training_return = float(np.mean(utilities[-WINDOW:]))
        if training_return > self.best_return:
            self.best_return = training_return
            self.model.save(self.best)


def learn(model: BaseAlgorithm, steps: int, callback: BaseCallback, episodes: GoalEpisodes) -> Curves:
    """
    Train a learner.

    :param model: The learner.
    :param steps: How many environment steps, at least.
    :param callback: Internalizes.
    :param episodes: Records the episodes.
    :return: The curves of all episodes.
    """
    model.learn(steps, callback=[callback, episodes])
    return episodes.curves()
