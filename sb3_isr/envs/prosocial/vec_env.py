"""The batched prosocial game."""

from __future__ import annotations

from typing import Any

import numpy as np

from sb3_isr.common.batches import Array
from sb3_isr.envs.batched_games import BatchedGames
from sb3_isr.envs.prosocial.env import ProsocialEnv
from sb3_isr.envs.prosocial.picture import pictures
from sb3_isr.envs.prosocial.world import CAREGIVER, LEARNER, PRAISE, ProsocialWorld
from sb3_isr.labels.transitions import Transitions


class ProsocialVecEnv(BatchedGames):
    """
    Many prosocial games as one vectorized environment in NumPy.

    It returns exactly what ``DummyVecEnv([lambda: Monitor(ProsocialEnv(...))] * num_envs)`` returns for the same seed,
    but much faster. It cannot be rendered.

    :param num_envs: Number of games
    :param max_steps: Length of an episode in steps
    :raises ValueError: If an argument does not define a valid game
    """

    rules: ProsocialWorld

    def __init__(self, num_envs: int, max_steps: int = 100) -> None:
        super().__init__(ProsocialEnv, num_envs, ProsocialWorld(num_envs, max_steps))

    def isr_pictures(self, transitions: Transitions) -> list[Array]:
        """
        Draw what a learner did from above, on a map that does not turn with it.

        :param transitions: ``k`` transitions of one episode, as this game's learners see them
        :return: ``k + 1`` pictures, uint8 ``[height, width, 3]``
        """
        return pictures(self.rules, transitions)

    def _generate_layouts(self, games: np.ndarray) -> None:
        self.rules.generate_layouts(games, self._generators)

    def _step_games(self, actions: np.ndarray) -> tuple[np.ndarray, np.ndarray, list[dict[str, Any]]]:
        both = np.stack([actions, self.rules.scripted_actions()], axis=1)
        environment_rewards, reached = self.rules.step(both, self._generators)
        social_rewards = np.where(reached, PRAISE, 0.0)
        infos = [
            {"social_reward": social, "caregiver_action": caregiver, "isr_action": isr_action}
            for social, caregiver, isr_action in zip(
                social_rewards.tolist(), both[:, CAREGIVER].tolist(), both, strict=True
            )
        ]
        return environment_rewards[:, LEARNER] + social_rewards, reached, infos

    def _observe(self) -> np.ndarray:
        return self.rules.view(LEARNER)
