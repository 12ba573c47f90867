"""ISR wrappers connected to an internal reward without a callback, as the tests of their parts need them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from sb3_isr import VecISRReward
from sb3_isr.common.batches import Array, Observations
from sb3_isr.wrappers.composer import InternalReward
from tests.scripted_env import Script, scripted_vec_env

#: R_e and R_s of two environments' episodes; only one step of the second has a label.
SCRIPTS: list[Script] = [
    [(-0.25, 0.0), (-0.25, 1.0)],
    [(0.5, None), (0.0, -2.0), (0.25, None)],
]


def internal_reward(
    observations: Observations, actions: Array, next_observations: Observations, terminated: Array
) -> Array:
    """R_i that tells transitions apart: 100 number + 10 step + action, 1000 next step and 10,000 if it terminates."""
    assert isinstance(observations, np.ndarray)
    assert isinstance(next_observations, np.ndarray)
    known = 100 * observations[:, 0] + 10 * observations[:, 1] + actions
    return np.asarray(known + 1000 * next_observations[:, 1] + 10_000 * terminated)


def constant(value: float) -> InternalReward:
    """R_i that is the same everywhere."""
    return lambda observations, actions, *outcome: np.full(len(actions), value)


def connected(
    probability: float, scripts: Sequence[Script] = SCRIPTS, reward: InternalReward = internal_reward, **kwargs: Any
) -> VecISRReward:
    """A wrapper whose environments were reset and which is connected."""
    venv = VecISRReward(scripted_vec_env(scripts))
    venv.reset()
    venv.composer.connect(reward, probability, **kwargs)
    return venv


def utilities_of(venv: VecISRReward, n_steps: int) -> Array:
    """Utilities ``[n_steps, n_envs]`` of action 1 in the first environment, 2 in the second, and so on."""
    return np.stack([venv.step(np.arange(1, venv.num_envs + 1) % 3)[1] for _ in range(n_steps)])
