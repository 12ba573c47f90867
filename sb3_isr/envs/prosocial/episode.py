"""Episodes of a single prosocial game, shared by the Gymnasium and the PettingZoo environment."""

from __future__ import annotations

from typing import Any

import numpy as np

from sb3_isr.envs.prosocial.world import CAREGIVER, PRAISE, ProsocialWorld

#: Environment plus social rewards of learner and caregiver, whether the episode is over, and the info.
Outcome = tuple[tuple[float, float], bool, dict[str, Any]]


class Episode:
    """
    A single prosocial game with its step and goal counts.

    :param max_steps: Length of an episode in steps
    :raises ValueError: If ``max_steps`` is less than 1
    """

    def __init__(self, max_steps: int) -> None:
        self.world = ProsocialWorld(1, max_steps)

    def begin(self, generator: np.random.Generator) -> None:
        """
        Start an episode.

        :param generator: Draws the layouts and which agent acts first, until the episode ends
        """
        self._generator = generator
        self._step_count = self._goals_reached = 0
        self.world.generate_layouts([0], [generator])

    def step(self, learner_action: int | np.integer[Any], caregiver_action: int | np.integer[Any]) -> Outcome:
        """
        Perform an action of each agent.

        :param learner_action: The learner's action
        :param caregiver_action: The caregiver's action
        :return: The environment plus social rewards of the two, whether the episode is over, and the info
        :raises ValueError: If there is no such action
        """
        both = np.array([learner_action, caregiver_action])
        self.world.check_actions(both)
        environment_rewards, reached = self.world.step(both[None], [self._generator])
        social_reward = PRAISE * bool(reached[0])
        self._step_count += 1
        self._goals_reached += int(reached[0])
        is_over = self._step_count >= self.world.max_steps
        info = {"social_reward": social_reward, "caregiver_action": int(both[CAREGIVER]), "isr_action": both}
        if is_over:
            info["goals_reached"] = self._goals_reached
        learners, caregivers = (environment_rewards[0] + social_reward).tolist()
        return (learners, caregivers), is_over, info
