"""Rewards that are sampled from any replay buffer are utilities."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from stable_baselines3 import DQN, SAC
from stable_baselines3.common.base_class import BaseAlgorithm

from sb3_isr.common.batches import Array
from tests.scripted_env import Told, labels_by_hand, utilities_by_hand
from tests.wrappers.learners import (
    FOUR,
    PARTS,
    THRUST,
    Make,
    either_wrapper,
    in_order,
    internalizing,
    stored,
    tiny,
    told_by,
)


def n_step_returns(utilities: Array, told: Sequence[Told], n_steps: int) -> list[float]:
    """From each step on, as far as n steps, the episode and the data go, each worth half as much as the one before."""
    returns = []
    for i in range(len(utilities)):
        same_episode = [k for k in range(n_steps) if i + k < len(told) and told[i + k].step == told[i].step + k]
        returns.append(sum(0.5**k * utilities[i + k] for k in same_episode))
    return returns


@either_wrapper
@pytest.mark.parametrize("buffer_size", [50, 20])
@pytest.mark.parametrize(
    ("algorithm", "kwargs", "spaces_of"),
    [
        (DQN, {}, {}),
        (DQN, {"n_steps": 3}, {}),
        (DQN, {"optimize_memory_usage": True, "replay_buffer_kwargs": {"handle_timeout_termination": False}}, {}),
        (DQN, {}, {"observation_space": PARTS}),
        (SAC, {"n_steps": 3}, {"action_space": THRUST}),
        (SAC, {}, {"observation_space": PARTS, "action_space": THRUST}),
    ],
    ids=["DQN", "DQN-3-steps", "DQN-less-memory", "DQN-dict", "SAC-3-steps", "SAC-dict"],
)
def test_rewards_that_are_sampled_from_a_replay_buffer(
    make: Make, buffer_size: int, algorithm: type[BaseAlgorithm], kwargs: dict[str, Any], spaces_of: dict[str, Any]
) -> None:
    """Of 50 steps it holds all, or the last 20: it has wrapped around twice. The caregiver leaves after 40."""
    callback = internalizing("leave_at_0.8")
    model: Any = tiny(algorithm, make(FOUR, **spaces_of), buffer_size=buffer_size, gamma=0.5, **kwargs)
    model.learn(50, callback=callback)
    (told,) = told_by(model)
    utilities = utilities_by_hand(told, [True] * 40 + [False] * 10, callback.isr.predict)
    times = np.arange(50)[-buffer_size:]
    sampled = model.replay_buffer._get_samples(times % buffer_size).rewards.numpy().ravel()
    by_hand = n_step_returns(utilities[times], [told[time] for time in times], kwargs.get("n_steps", 1))
    np.testing.assert_allclose(sampled, by_hand, atol=1e-5)
    assert stored(callback) == in_order(labels_by_hand(told[:40]))
