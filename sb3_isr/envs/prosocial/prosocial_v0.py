"""The prosocial game for PettingZoo: both agents act, and either or both may learn."""

from __future__ import annotations

import copy
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.utils.seeding import np_random
from pettingzoo import ParallelEnv

from sb3_isr.envs.prosocial.episode import Episode
from sb3_isr.envs.prosocial.picture import picture
from sb3_isr.envs.prosocial.world import CAREGIVER, LEARNER

Space = gym.Space[Any]


class parallel_env(ParallelEnv):  # type: ignore[misc]  # noqa: N801, as PettingZoo names them
    """
    The prosocial game with two agents, ``learner`` and ``caregiver``.

    Each agent sees the maze from its own cell, pays ``0.9 / max_steps`` for each of its forward actions, and receives a
    social reward of 0.4 when the caregiver reaches its goal. Then a new layout starts within the episode, which is
    truncated after ``max_steps``. Each agent's info is that of :class:`~sb3_isr.envs.prosocial.env.ProsocialEnv`, in
    which the caregiver is scripted; ``info["isr_action"]`` is the same for both, the learner's action first.

    :param max_steps: Length of an episode in steps
    :param render_mode: "rgb_array" or None
    :raises ValueError: If ``max_steps`` is less than 1
    """

    metadata = {"name": "prosocial_v0", "render_modes": ["rgb_array"], "render_fps": 8}  # noqa: RUF012, as it has it

    def __init__(self, max_steps: int = 100, render_mode: str | None = None) -> None:
        self._episode = Episode(max_steps)
        self.world = self._episode.world
        self.possible_agents = ["learner", "caregiver"]
        self.agents: list[str] = []
        self.observation_spaces: dict[str, Space] = dict.fromkeys(self.possible_agents, self.world.observation_space)
        self.action_spaces: dict[str, Space] = dict.fromkeys(self.possible_agents, self.world.action_space)
        self.isr_action_space = self.world.isr_action_space
        self.render_mode = render_mode
        self._generator = np_random()[0]

    def observation_space(self, agent: str) -> Space:
        """
        Return the observation space of an agent.

        :param agent: "learner" or "caregiver"
        """
        return self.observation_spaces[agent]

    def action_space(self, agent: str) -> Space:
        """
        Return the action space of an agent.

        :param agent: "learner" or "caregiver"
        """
        return self.action_spaces[agent]

    def reset(
        self, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[str, np.ndarray], dict[str, dict[str, Any]]]:
        """
        Start an episode.

        :param seed: Seed of the layouts and of which agent acts first
        :param options: Not used
        :return: Each agent's first observation, and empty infos
        """
        if seed is not None:
            self._generator = np_random(seed)[0]
        self.agents = list(self.possible_agents)
        self._episode.begin(self._generator)
        return self._observe(), {agent: {} for agent in self.agents}

    def step(
        self, actions: dict[str, int]
    ) -> tuple[dict[str, np.ndarray], dict[str, float], dict[str, bool], dict[str, bool], dict[str, dict[str, Any]]]:
        """
        Perform an action of each agent.

        :param actions: Each agent's action
        :return: Observations, environment plus social rewards, terminated (always False), truncated and infos, by agent
        :raises ValueError: If there is no such action
        """
        rewards, truncated, info = self._episode.step(*(actions[agent] for agent in self.possible_agents))
        if truncated:
            self.agents = []
        return (
            self._observe(),
            dict(zip(self.possible_agents, rewards, strict=True)),
            dict.fromkeys(self.possible_agents, False),
            dict.fromkeys(self.possible_agents, truncated),
            {agent: copy.deepcopy(info) for agent in self.possible_agents},
        )

    def scripted_action(self) -> int:
        """Return the action that the scripted caregiver would choose now."""
        return int(self.world.scripted_actions()[0])

    def render(self) -> np.ndarray | None:
        """
        Render the maze from above.

        :return: uint8 ``[height, width, 3]``; None without a render mode
        """
        return None if self.render_mode is None else picture(self.world)

    def _observe(self) -> dict[str, np.ndarray]:
        return {"learner": self.world.view(LEARNER)[0], "caregiver": self.world.view(CAREGIVER)[0]}
