"""The prosocial game as a Gymnasium environment: the learner acts, and a scripted caregiver is part of the world."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np

from sb3_isr.common.batches import Array
from sb3_isr.envs.prosocial.episode import Episode
from sb3_isr.envs.prosocial.picture import picture, pictures
from sb3_isr.envs.prosocial.world import LEARNER
from sb3_isr.labels.transitions import Transitions


class ProsocialEnv(gym.Env[np.ndarray, np.int64]):
    """
    The prosocial game of "Value Internalization: Learning and Generalizing from Social Reward" (arXiv 2407.14681).

    The learner is praised when the caregiver reaches a goal, and has to clear the way for it. In a maze of corridors a
    ball lies on the caregiver's way to its goal. The caregiver walks the shortest way and does not touch the ball.
    The learner's actions are still (0), left (1), right (2), forward (3), pick up (4) and drop (5); see
    :class:`~sb3_isr.envs.prosocial.world.ProsocialWorld` for the rules. A forward action costs ``0.9 / max_steps``.
    When the caregiver reaches its goal, it gives the learner a social reward of 0.4, and a new layout starts within the
    episode. An episode is truncated after ``max_steps`` and never terminates.

    The reward is the sum of environment and social reward; ``info["social_reward"]`` holds the social part,
    ``info["caregiver_action"]`` the caregiver's action, and ``info["goals_reached"]`` the number of the caregiver's
    goals at the episode's last step. The ISR receives the actions of both agents (``isr_action_space`` and
    ``info["isr_action"]``).

    The observation is the whole maze, uint8 ``[9, 9, 5]``, indexed [x, y] like MiniGrid's: the learner in the center
    and facing up, zeros outside the map. The channels are MiniGrid's object, colour and state codes, the object that
    an agent carries, and a goal flag. An agent's state is its direction relative to the learner's.

    :param max_steps: Length of an episode in steps
    :param render_mode: "rgb_array" or None
    :raises ValueError: If ``max_steps`` is less than 1
    """

    metadata = {"render_modes": ["rgb_array"], "render_fps": 8}  # noqa: RUF012, as Gymnasium has it

    def __init__(self, max_steps: int = 100, render_mode: str | None = None) -> None:
        self._episode = Episode(max_steps)
        self.world = self._episode.world
        self.action_space = self.world.action_space
        self.observation_space = self.world.observation_space
        self.isr_action_space = self.world.isr_action_space
        self.render_mode = render_mode

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """
        Start an episode.

        :param seed: Seed of the layouts and of which agent acts first
        :param options: Not used
        :return: The first observation, and an empty info
        """
        super().reset(seed=seed, options=options)
        self._episode.begin(self.np_random)
        return self.world.view(LEARNER)[0], {}

    def step(self, action: int | np.int64) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        """
        Perform an action of the learner, and the scripted one of the caregiver.

        :param action: The learner's action
        :return: Observation, environment plus social reward, terminated (always False), truncated, info
        :raises ValueError: If there is no such action
        """
        (reward, _), truncated, info = self._episode.step(action, self.world.scripted_actions()[0])
        return self.world.view(LEARNER)[0], reward, False, truncated, info

    def isr_pictures(self, transitions: Transitions) -> list[Array]:
        """
        Draw what a learner did from above, on a map that does not turn with it.

        :param transitions: ``k`` transitions of one episode, as this game's learners see them
        :return: ``k + 1`` pictures, uint8 ``[height, width, 3]``
        """
        return pictures(self.world, transitions)

    def render(self) -> np.ndarray | None:
        """
        Render the maze from above.

        :return: uint8 ``[height, width, 3]``; None without a render mode
        """
        return None if self.render_mode is None else picture(self.world)
