"""The spaces that an environment's labels have: those that are recorded when it is trained in."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium import spaces
from stable_baselines3.common.env_util import make_vec_env

from sb3_isr import VecISRReward
from sb3_isr.label_tools.environment_spaces import spaces_of_environment
from tests.label_tools.matching import Matching

ACTIONS = {
    "Numbered": spaces.Discrete(3, start=2),
    "Integers": spaces.Box(0, 5, (2,), np.int32),
    "Floats": spaces.Box(-1, 1, (2,), np.float32),
}


def register(name: str, **attributes: Any) -> str:
    env_id = f"sb3_isr_tests/{name}-v0"
    gym.register(env_id, lambda **kwargs: type(name, (Matching,), attributes)(**kwargs))
    return env_id


@pytest.mark.parametrize("name", ACTIONS)
def test_actions_are_as_environments_are_told_them(name: str) -> None:
    env_id = register(name, action_space=ACTIONS[name])
    venv = VecISRReward(make_vec_env(env_id))
    assert spaces_of_environment(env_id) == venv.isr_spaces()


def test_an_environment_may_give_the_isr_other_actions() -> None:
    both = spaces.MultiDiscrete([4, 4])
    assert spaces_of_environment(register("Both", isr_action_space=both)).action == both


def test_an_environment_that_cannot_be_made_is_named() -> None:
    def raising(self: Any) -> None:
        raise ImportError("it needs a simulator")

    with pytest.raises(ValueError, match=r"can be made here, got sb3_isr_tests/Missing-v0 .it needs a simulator."):
        spaces_of_environment(register("Missing", __init__=raising))
