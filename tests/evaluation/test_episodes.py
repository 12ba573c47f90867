"""The episodes of environments with known rewards."""

import math
from functools import partial
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from stable_baselines3 import PPO
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.vec_env import DummyVecEnv, VecEnv

from sb3_isr import ISRCallback, VecISRReward
from sb3_isr.evaluation.episodes import EpisodeRecorder, mean_of_last_tenth

#: (R_e, R_s) of each step of an episode; the last step has no label.
SCRIPTS = [[(-0.5, 1.0), (-0.5, None)], [(0.0, 2.0), (0.0, 2.0), (0.0, 2.0), (-1.0, None)]]


class Scripted(gym.Env[Any, Any]):
    """Plays a script; the last info says how many steps it has."""

    observation_space = gym.spaces.Box(0, 10, (1,), np.float32)
    action_space = gym.spaces.Discrete(2)

    def __init__(self, script: list[tuple[float, float | None]]) -> None:
        self.script = script

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        self.n_steps = 0
        return np.zeros(1, np.float32), {}

    def step(self, action: int) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        environment_reward, social_reward = self.script[self.n_steps]
        self.n_steps += 1
        info = {"length": self.n_steps} | ({} if social_reward is None else {"social_reward": social_reward})
        is_over = self.n_steps == len(self.script)
        return np.zeros(1, np.float32), environment_reward + (social_reward or 0.0), is_over, False, info


def _scripted(script: list[tuple[float, float | None]], monitored: bool) -> gym.Env[Any, Any]:
    return Monitor(Scripted(script)) if monitored else Scripted(script)


def learn(
    presence: str, steps: int = 8, monitored: bool = True, episodes: EpisodeRecorder | None = None
) -> EpisodeRecorder:
    venv: VecEnv = DummyVecEnv([partial(_scripted, script, monitored) for script in SCRIPTS])
    model = PPO("MlpPolicy", VecISRReward(venv), n_steps=4, batch_size=8, n_epochs=1, device="cpu")
    callback = ISRCallback(presence, coefficient=0.0, trainer_kwargs={"gradient_steps": 1})
    episodes = episodes or EpisodeRecorder(["length"], utility=True)
    model.learn(steps, callback=[callback, episodes])
    return episodes


def test_true_social_and_learned_returns_of_each_episode() -> None:
    assert learn("always").columns == {
        "steps": [4, 8, 8],
        "true_return": [0.0, 0.0, 5.0],
        "social_return": [1.0, 1.0, 6.0],
        "utility": [0.0, 0.0, 5.0],
        "length": [2, 2, 4],
    }


def test_without_a_caregiver_the_true_returns_stay_and_the_utility_does_not() -> None:
    columns = learn("never").columns
    assert columns["true_return"] == [0.0, 0.0, 5.0]
    assert columns["social_return"] == [1.0, 1.0, 6.0]
    assert columns["utility"] == [-1.0, -1.0, -1.0]


def test_without_a_monitor_the_true_return_is_not_known() -> None:
    assert all(map(math.isnan, learn("always", monitored=False).columns["true_return"]))


def test_progress_is_reported_at_the_end_of_each_rollout() -> None:
    steps: list[int] = []
    learn("always", 16, episodes=EpisodeRecorder(progress=steps.append))
    assert steps == [8, 16]


def test_averages() -> None:
    episodes = EpisodeRecorder()
    episodes.columns |= {"steps": [10, 20, 90, 100], "utility": [1.0, 2.0, 4.0, 8.0]}
    episodes.num_timesteps = 100
    assert episodes.between("utility", 10, 90) == [2.0, 4.0]
    assert episodes.curve("utility", 2) == [1.5, 6.0]
    assert episodes.curve("utility", 40) == [1.0, 2.0, 4.0, 8.0]
    assert episodes.mean_over_time("utility", 2) == [1.5, 6.0]
    assert episodes.mean_over_time("utility", 4) == pytest.approx([1.5, math.nan, math.nan, 6.0], nan_ok=True)
    assert mean_of_last_tenth(list(range(20))) == 18.5
