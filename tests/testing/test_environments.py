"""check_env: environments that keep the rules, and one that breaks each rule."""

from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium import spaces

from sb3_isr import SocialRewardWrapper, SparseCaregiver, TaskRewardCaregiver
from sb3_isr.testing import ConformanceError, check_env
from tests.scripted_env import ScriptedEnv

SCRIPT = [(-1.0, 0.5), (2.0, None), (-0.5, -0.25), (0.0, 0.0), (1.0, 4.0)]
BOX = spaces.Box(-1, 1, (3,), np.float32)


@pytest.mark.parametrize(
    "env",
    [
        gym.make("sb3_isr/CoinGame-v0"),
        gym.make("sb3_isr/Prosocial-v0"),
        ScriptedEnv(SCRIPT),
        SocialRewardWrapper(gym.make("CartPole-v1"), SparseCaregiver(TaskRewardCaregiver(), 0.5)),
    ],
    ids=str,
)
def test_environments_that_keep_the_rules(env: gym.Env[Any, Any]) -> None:
    check_env(env, n_steps=60)


class Overriding(gym.Wrapper[Any, Any, Any, Any]):
    """Overrides a part of what step returns, from some step on: Stable-Baselines3's checker tries only the first."""

    def __init__(self, first_step: int, **parts: Any) -> None:
        super().__init__(ScriptedEnv(SCRIPT))
        self.first_step, self.parts = first_step, parts
        self.steps = 0

    def step(self, action: Any) -> Any:
        names = ("observation", "reward", "terminated", "truncated", "info")
        result = dict(zip(names, self.env.step(action), strict=True))
        self.steps += 1
        return tuple((result | self.parts if self.steps > self.first_step else result).values())


class InPlace(ScriptedEnv):
    """Writes all observations into one array."""

    memory = np.zeros(2, np.float32)

    def step(self, action: Any) -> Any:
        observation, *rest = super().step(action)
        self.memory[:] = observation
        return self.memory, *rest


AT_FIRST, LATER = 0, 20


@pytest.mark.parametrize(
    ("env", "message"),
    [
        (ScriptedEnv(SCRIPT, action_space=spaces.Tuple([BOX])), "got Tuple.*wrap the environment"),
        (
            Overriding(AT_FIRST, observation=np.zeros(3)),
            r"must pass Stable-Baselines3's check_env, got AssertionError\(.*shape.* of <Overriding.*; correct the env",
        ),
        (Overriding(AT_FIRST, terminated=np.bool_(False)), r"Stable-Baselines3's check_env.*must be a boolean"),
        (Overriding(AT_FIRST, reward=float("nan")), "Stable-Baselines3's check_env, got .*found nan in rewards"),
        (Overriding(LATER, reward=np.float32(1)), r"reward must be.*np.float32\(1.0\) at step \d+; return float"),
        (Overriding(LATER, reward=float("nan")), "reward must be a finite Python number.*got nan"),
        (
            Overriding(LATER, info={"social_reward": None}),
            r'"social_reward"\] must be.*None at .*; .*leave the key out',
        ),
        (Overriding(LATER, info={"social_reward": float("inf")}), "must be a finite number, got inf"),
        (Overriding(LATER, info={"social_reward": np.zeros(1)}), "must be a finite number, got array"),
        (InPlace(SCRIPT), r"not overwrite an observation.*got \[0. 2.\] in place of \[0. 1.\]; return a copy"),
    ],
)
def test_an_environment_that_breaks_a_rule(env: gym.Env[Any, Any], message: str) -> None:
    with pytest.raises(ConformanceError, match=f"(?s){message}"):
        check_env(env, n_steps=30)


def test_too_few_steps_to_check_anything_are_refused() -> None:
    with pytest.raises(ValueError, match="at least 2 steps, got 1"):
        check_env(ScriptedEnv(SCRIPT), n_steps=1)
