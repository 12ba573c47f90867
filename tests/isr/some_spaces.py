"""Spaces of all kinds, and batches of their elements."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium import spaces

from sb3_isr import Transitions

BOX = spaces.Box(-1, 1, (3,), np.float32)
GRID = spaces.Box(0, 255, (9, 9, 4), np.uint8)
MINIGRID = spaces.Dict({"image": spaces.Box(0, 255, (7, 7, 3), np.uint8), "direction": spaces.Discrete(4)})
OBSERVATIONS: list[gym.Space[Any]] = [
    BOX,
    GRID,
    spaces.Box(0, 255, (3, 3, 3), np.uint8),
    spaces.Box(0, 255, (36, 40, 3), np.uint8),
    spaces.Box(0, 255, (1, 40, 36), np.uint8),
    spaces.Box(-1, 1, (2, 2), np.float64),
    spaces.Box(0, 1, (4,), dtype=np.bool_),
    spaces.Box(0, 2**16 - 1, (4,), np.uint16),
    spaces.Discrete(5),
    spaces.MultiDiscrete([3, 4]),
    spaces.MultiBinary(4),
    spaces.MultiBinary((2, 2)),
    spaces.Dict({"a": BOX, "b": spaces.Discrete(3)}),
    MINIGRID,
    spaces.Dict({"camera": spaces.Box(0, 255, (36, 36, 1), np.uint8), "keys": spaces.MultiBinary(2), "a.b": BOX}),
]
DISCRETE = spaces.Discrete(3)
UNBOUNDED = spaces.Box(-np.inf, np.inf, (2,), np.float32)
ACTIONS: list[gym.Space[Any]] = [
    DISCRETE,
    spaces.Discrete(3, start=1),
    spaces.MultiDiscrete([2, 3]),
    spaces.MultiDiscrete([2, 3], start=[1, -1]),
    spaces.MultiBinary(2),
    spaces.Box(-2, 2, (2,), np.float32),
    UNBOUNDED,
]


def transitions_of(observation_space: gym.Space[Any], action_space: gym.Space[Any], n: int) -> Transitions:
    """Draw transitions, of which every other one terminates."""
    observations, next_observations = batch(observation_space, n), batch(observation_space, n, seed=1)
    return Transitions(observations, batch(action_space, n), next_observations, np.arange(n) % 2 == 1)


def batch(space: gym.Space[Any], n: int, seed: int = 0) -> Any:
    """Draw a batch of elements of a space."""
    space.seed(seed)
    samples = [space.sample() for _ in range(n)]
    if isinstance(space, spaces.Dict):
        return {key: np.array([sample[key] for sample in samples]) for key in space.spaces}
    return np.array(samples)
