"""Environments that reuse their arrays and wrappers that write in place: what was observed is what is stored."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium import spaces
from stable_baselines3 import DQN, PPO
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.vec_env import DummyVecEnv, VecEnv, VecEnvWrapper, VecNormalize

from sb3_isr import ISRRewardWrapper, SocialRewardWrapper, Transition, VecISRReward
from sb3_isr.common.batches import Array
from tests.wrappers.learners import internalizing, tiny

BOX = spaces.Box(0, 99, (1,), np.float32)


class OneBuffer(VecEnv):
    """Steps through 0 to 3, and writes observations, rewards, dones and infos into what it returned before."""

    def __init__(self, observation_space: gym.Space[Any] = BOX) -> None:
        super().__init__(2, observation_space, spaces.Discrete(2))
        arrays = {key: np.zeros((2, 1), np.float32) for key in ("one", "other")}
        self.observations: Any = arrays if isinstance(observation_space, spaces.Dict) else arrays["one"]
        self.rewards, self.dones = np.zeros(2, np.float32), np.zeros(2, bool)
        self.infos: list[dict[str, Any]] = [{"social_reward": np.zeros(())} for _ in range(2)]
        self.time = 0

    def show(self) -> Any:
        shown = self.observations.values() if isinstance(self.observations, dict) else [self.observations]
        for array in shown:
            array[:] = self.time
        return self.observations

    def reset(self) -> Any:
        self.time = 0
        return self.show()

    def step_async(self, actions: Array) -> None:
        self.actions = actions

    def step_wait(self) -> Any:
        self.rewards[:] = self.time
        for info in self.infos:
            info["social_reward"][...] = self.time
        self.time = (self.time + 1) % 4
        self.dones[:] = self.time == 0
        self.actions[:] = 0  # SB3 has copied what it stores
        return self.show(), self.rewards, self.dones, self.infos

    def close(self) -> None:
        pass

    def get_attr(self, attr_name: str, indices: Any = None) -> list[Any]:
        if attr_name != "render_mode":
            raise AttributeError(attr_name)
        return [None, None]

    def set_attr(self, *args: Any, **kwargs: Any) -> None:
        pass

    def env_method(self, *args: Any, **kwargs: Any) -> list[Any]:
        raise AttributeError

    def env_is_wrapped(self, *args: Any, **kwargs: Any) -> list[bool]:
        return [False, False]


class Doubles(VecEnvWrapper):
    """Shows twice of each number, and writes it over the number."""

    def reset(self) -> Any:
        return self.doubled(self.venv.reset())

    def step_wait(self) -> Any:
        observations, *others = self.venv.step_wait()
        return self.doubled(observations), *others

    def doubled(self, observations: Any) -> Any:
        for array in observations.values() if isinstance(observations, dict) else [observations]:
            array *= 2
        return observations


@pytest.mark.parametrize("space", [BOX, spaces.Dict({"one": BOX, "other": BOX})], ids=["array", "dictionary"])
@pytest.mark.parametrize(
    "outside", [lambda venv: venv, Doubles, lambda venv: VecNormalize(venv, norm_reward=False, norm_obs=False)]
)
@pytest.mark.parametrize("algorithm", [PPO, DQN])
def test_a_label_is_not_paired_with_the_next_observation(
    algorithm: type[BaseAlgorithm], outside: Callable[[VecEnv], VecEnv], space: gym.Space[Any]
) -> None:
    callback = internalizing("always")
    tiny(algorithm, outside(VecISRReward(OneBuffer(space)))).learn(48, callback=callback)
    labels = callback.store.labels()
    seen, _, seen_next, _ = labels.transitions
    for part in seen.values() if isinstance(seen, dict) else [seen]:
        np.testing.assert_array_equal(part[:, 0], labels.social_rewards)
    for part in seen_next.values() if isinstance(seen_next, dict) else [seen_next]:
        # This environment does not tell its last observation.
        np.testing.assert_array_equal(part[:, 0], (labels.social_rewards + 1) % 4)
    assert set(labels.social_rewards) == {0.0, 1.0, 2.0, 3.0}


def test_an_action_is_stored_as_it_was_told_and_not_as_it_was_written_over() -> None:
    venv = VecISRReward(OneBuffer())
    venv.reset()
    venv.composer.connect(lambda *transitions: np.zeros(2), 1.0)
    venv.step(np.ones(2, int))
    labels = venv.composer.collect().labels
    assert labels is not None
    assert labels.transitions.actions.tolist() == [1, 1]


class InPlaceEnv(gym.Env[Any, Any]):
    """One environment that writes its observation into the array that it gave."""

    observation_space, action_space = BOX, spaces.Discrete(2)

    def __init__(self) -> None:
        self.shown, self.time = np.zeros(1, np.float32), 0

    def reset(self, **kwargs: Any) -> Any:
        self.shown[:] = self.time = 0
        return self.shown, {}

    def step(self, action: Any) -> Any:
        reward, self.time = float(self.time), self.time + 1
        self.shown[:] = self.time
        return self.shown, reward, False, False, {"social_reward": reward}


class DoublesOne(gym.ObservationWrapper[Any, Any, Any]):
    def observation(self, observation: Any) -> Any:
        observation *= 2
        return observation


def test_nor_by_a_wrapper_in_each_environment() -> None:
    callback = internalizing("always")
    tiny(PPO, DummyVecEnv([lambda: DoublesOne(ISRRewardWrapper(InPlaceEnv()))])).learn(24, callback=callback)
    (observations, _, next_observations, _), social_rewards = callback.store.labels()
    assert isinstance(observations, np.ndarray)
    assert isinstance(next_observations, np.ndarray)
    np.testing.assert_array_equal(observations[:, 0], social_rewards)
    np.testing.assert_array_equal(next_observations[:, 0], social_rewards + 1)


def test_a_caregiver_may_keep_the_transitions_that_it_sees() -> None:
    seen: list[Transition] = []
    env = SocialRewardWrapper(InPlaceEnv(), lambda transition: seen.append(transition))
    env.reset()
    for _ in range(3):
        env.step(0)
    assert [(float(t.observation[0]), float(t.next_observation[0])) for t in seen] == [(0, 1), (1, 2), (2, 3)]


def test_enjoy_prints_the_internal_return_of_what_was_observed(capsys: pytest.CaptureFixture[str]) -> None:
    enjoy = pytest.importorskip("sb3_isr.zoo.enjoy", reason="RL Zoo is an extra")
    isr = SimpleNamespace(predict=lambda observations, *others: 10 * observations[:, 0])
    venv = enjoy.RewardPrinter(OneBuffer(), isr)
    venv.reset()
    for _ in range(4):
        venv.step(np.zeros(2, int))
    assert "social: 6.00, internal: 60.00" in capsys.readouterr().out
