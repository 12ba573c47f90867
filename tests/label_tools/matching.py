"""A task in which the caregiver praises the action that has the number of the observation, and its labels."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium import spaces

from sb3_isr import AttributedLabels, LabelBatch, Transitions

FOUR = spaces.Discrete(4)
LENGTH = 8
ID = "sb3_isr_tests/Matching-v0"


class Matching(gym.Env[Any, Any]):
    """Shows random numbers; R_e is 0, and R_s is 1 for the action of the same number. Episodes are truncated."""

    metadata = {"render_modes": ["rgb_array"]}  # noqa: RUF012, as Gymnasium has it; make_vec_env asks for one
    observation_space = FOUR
    action_space = FOUR

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        self.n_steps = 0
        self.shown = int(self.np_random.integers(4))
        return self.shown, {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        reward = float(action == self.shown)
        self.shown = int(self.np_random.integers(4))
        self.n_steps += 1
        return self.shown, reward, False, self.n_steps == LENGTH, {"social_reward": reward}


gym.register(ID, lambda **kwargs: Matching(**kwargs))


def matching_labels(n: int = 400, names: tuple[str, ...] = ("Ann", "Bo"), seed: int = 0) -> AttributedLabels:
    """Labels of random transitions, as many of each person; none of them ran the environment."""
    rng = np.random.default_rng(seed)
    observations, actions, next_observations = rng.integers(4, size=(3, n))
    transitions = Transitions(observations, actions, next_observations, np.zeros(n, bool))
    by = [name for name in names for _ in range(n // len(names))]
    return AttributedLabels(
        (FOUR, FOUR), LabelBatch(transitions, (observations == actions) * 1.0), None, by, np.full(n, 1795822497.5)
    )
