"""The prosocial game, many at once."""

from __future__ import annotations

from typing import Any

import numpy as np

from sb3_isr.envs.batched_games import BatchedGames
from sb3_isr.envs.prosocial.env import ProsocialEnv
from sb3_isr.envs.prosocial.world import CAREGIVER, LEARNER, PRAISE, ProsocialWorld


class ProsocialVecEnv(BatchedGames):
    """
    ``num_envs`` prosocial games, stepped together: what ``DummyVecEnv([lambda: Monitor(ProsocialEnv())] * num_envs)``
    gives, bit for bit and many times as fast. It cannot be rendered.

    :param num_envs: Number of games
    :param max_steps: Length of an episode in steps
    :raises ValueError: If an argument allows no game
    """

    rules: ProsocialWorld

    def __init__(self, num_envs: int, max_steps: int = 100) -> None:
        super().__init__(ProsocialEnv, num_envs, ProsocialWorld(num_envs, max_steps))

    def _lay_out(self, games: np.ndarray) -> None:
        self.rules.lay_out(games, self._generators)

    def _play(self, actions: np.ndarray) -> tuple[np.ndarray, np.ndarray, list[dict[str, Any]]]:
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
