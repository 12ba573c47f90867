"""Training environments and algorithms in which ISR wrappers cannot work are refused, or warned of."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium import spaces
from stable_baselines3 import SAC, HerReplayBuffer
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.vec_env import VecMonitor, VecNormalize

from sb3_isr import ISRCallback, ISRRewardWrapper, VecISRReward
from tests.callbacks.learners import QUICK, SCRIPTS, ppo, scripted
from tests.scripted_env import ScriptedEnv, scripted_vec_env


def test_an_environment_without_a_wrapper_is_refused() -> None:
    with pytest.raises(ValueError, match=r"needs a training environment with an ISR wrapper.*VecISRReward\(venv\)"):
        ppo(scripted_vec_env(SCRIPTS)).learn(64, callback=ISRCallback())


def test_two_wrappers_are_refused() -> None:
    with pytest.raises(ValueError, match=r"one ISR wrapper.*around ISRRewardWrapper.*leave ISRRewardWrapper out"):
        VecISRReward(make_vec_env(lambda: ISRRewardWrapper(ScriptedEnv(SCRIPTS[0]))))
    with pytest.raises(ValueError, match=r"one ISR wrapper.*around VecISRReward.*leave VecISRReward out"):
        VecISRReward(VecMonitor(VecISRReward(scripted_vec_env(SCRIPTS))))
    with pytest.raises(ValueError, match=r"one ISR wrapper.*around ISRRewardWrapper"):
        ISRRewardWrapper(Monitor(ISRRewardWrapper(ScriptedEnv(SCRIPTS[0]))))


class Goals(gym.Env[Any, Any]):
    """An environment with goals, as hindsight replay needs it."""

    observation_space = spaces.Dict(
        {key: spaces.Box(-1, 1, (1,)) for key in ("observation", "achieved_goal", "desired_goal")}
    )
    action_space = spaces.Box(-1, 1, (1,))

    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        super().reset(seed=seed)
        return self.observation_space.sample(), {}

    def compute_reward(self, achieved_goal: Any, desired_goal: Any, info: Any) -> Any:
        return np.zeros(len(achieved_goal))


def test_hindsight_replay_is_refused() -> None:
    model = SAC("MultiInputPolicy", VecISRReward(make_vec_env(Goals)), replay_buffer_class=HerReplayBuffer)
    with pytest.raises(ValueError, match="HerReplayBuffer recomputes rewards by the environment"):
        model.learn(10, callback=ISRCallback())


@pytest.mark.parametrize(
    ("make_env", "message"),
    [
        (lambda: VecNormalize(scripted()), "norm_reward=False"),
        (lambda: VecMonitor(scripted()), r"VecISRReward\(VecMonitor\(venv\)\)"),
        (lambda: ISRRewardWrapper(ScriptedEnv(SCRIPTS[0])), r"ISRRewardWrapper\(Monitor\(env\)\)"),
    ],
    ids=["normalized rewards", "monitor around all", "monitor around one"],
)
def test_misleading_wrappers_are_warned_of(make_env: Callable[[], Any], message: str) -> None:
    with pytest.warns(UserWarning, match=message):
        ppo(make_env()).learn(64, callback=ISRCallback("always"))


def test_normalized_observations_outside_are_fine() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ppo(VecNormalize(scripted(), norm_reward=False)).learn(64, callback=ISRCallback(**QUICK))
