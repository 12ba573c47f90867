"""Wrappers between the caregiver's reward and the ISR wrapper: what they do to the reward is noticed, or is right."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from functools import partial
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium import spaces
from gymnasium.wrappers import ClipReward, FrameStackObservation, NormalizeReward, TimeLimit, TransformReward
from stable_baselines3 import PPO
from stable_baselines3.common.atari_wrappers import ClipRewardEnv
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.vec_env import DummyVecEnv, SubprocVecEnv, VecEnv, VecEnvWrapper, VecMonitor

from sb3_isr import ISRRewardWrapper, PraiseCaregiver, SocialRewardWrapper, TaskRewardCaregiver, VecISRReward
from sb3_isr.common.batches import Array
from tests.wrappers.learners import Rewards, internalizing, tiny

BOX = spaces.Box(0, 99, (1,), np.float32)


class Praising(gym.Env[Any, Any]):
    """Gives R_e = -0.5 and R_s = 2, and tells the latter only, at every step or at every second one."""

    observation_space, action_space = BOX, spaces.Discrete(2)

    def __init__(self, every: int = 1) -> None:
        self.every = every
        self.time = 0

    def reset(self, **kwargs: Any) -> Any:
        self.time = 0
        return np.zeros(1, np.float32), {}

    def step(self, action: Any) -> Any:
        self.time += 1
        info = {"social_reward": 2.0} if self.time % self.every == 0 else {}
        reward = -0.5 + info.get("social_reward", 0.0)
        return np.full(1, self.time, np.float32), reward, self.time == 16, False, info


class Plain(Praising):
    """Gives R_e alone."""

    def step(self, action: Any) -> Any:
        observation, _, terminated, truncated, _ = super().step(action)
        return observation, -0.5, terminated, truncated, {}


class Skip(gym.Wrapper[Any, Any, Any, Any]):
    """Repeats an action, adds the rewards up, and passes on the last info."""

    n = 4

    def step(self, action: Any) -> Any:
        total = 0.0
        for _ in range(self.n):
            observation, reward, terminated, truncated, info = self.env.step(action)
            total += float(reward)
        return observation, total, terminated, truncated, info


class CarefulSkip(Skip):
    """Adds the parts up, too."""

    def step(self, action: Any) -> Any:
        parts = {"social_reward": 0.0, "environment_reward": 0.0}
        for _ in range(self.n):
            observation, reward, terminated, truncated, info = self.env.step(action)
            parts["social_reward"] += info.get("social_reward", 0.0)
            parts["environment_reward"] += float(reward) - info.get("social_reward", 0.0)
        return observation, sum(parts.values()), terminated, truncated, {**info, **parts}


class Praises(gym.Wrapper[Any, Any, Any, Any]):
    """A user's own wrapper that gives the caregiver's reward and tells it."""

    def step(self, action: Any) -> Any:
        observation, reward, terminated, truncated, info = self.env.step(action)
        return observation, float(reward) + 2.0, terminated, truncated, {**info, "social_reward": 2.0}


class VecHalf(VecEnvWrapper):
    """Scales all rewards."""

    def reset(self) -> Any:
        return self.venv.reset()

    def step_wait(self) -> Any:
        observations, rewards, dones, infos = self.venv.step_wait()
        return observations, rewards * 0.5, dones, infos


def praise(transition: Any) -> float:
    return 2.0


Wrap = Callable[[gym.Env[Any, Any]], gym.Env[Any, Any]]
CHANGES: dict[str, Wrap] = {
    "frame skip": Skip,
    "Atari clipping": ClipRewardEnv,
    "clipping": partial(ClipReward, min_reward=-1, max_reward=1),
    "scaling": partial(TransformReward, func=lambda reward: 0.1 * float(reward)),
    "normalizing": NormalizeReward,
    "skip, stacked and monitored": lambda env: Monitor(FrameStackObservation(Skip(env), 2)),
}
SOURCES: dict[str, Callable[[], gym.Env[Any, Any]]] = {
    "environment": Praising,
    "environment, seldom": lambda: Praising(every=2),
    "SocialRewardWrapper": lambda: SocialRewardWrapper(Plain(), praise),
    "own wrapper": lambda: Praises(Plain()),
    "limited": lambda: TimeLimit(Praising(), 16),
}


def utilities_in_autonomy(make_env: Callable[[], gym.Env[Any, Any]], vectorize: Callable[..., VecEnv]) -> Array:
    """Of PPO from half of its training on, with nothing in the caregiver's place."""
    callback, rewards = internalizing("leave_at_0.5", coefficient=0.0), Rewards()
    with closing(vectorize(make_env)) as venv:
        tiny(PPO, venv).learn(96, callback=[callback, rewards])
    return np.concatenate(rewards.steps)[-32:]


def vectorized(make_env: Any) -> VecEnv:
    return VecISRReward(DummyVecEnv([make_env]))


def one_by_one(make_env: Any) -> VecEnv:
    return DummyVecEnv([lambda: ISRRewardWrapper(Monitor(make_env()))])


def in_subprocesses(make_env: Any) -> VecEnv:
    return VecISRReward(SubprocVecEnv([make_env], start_method="fork"))


either = pytest.mark.parametrize("vectorize", [vectorized, one_by_one])


@either
@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("change", CHANGES)
def test_social_reward_does_not_leak_into_autonomy_through_a_wrapper_between(
    change: str, source: str, vectorize: Callable[..., VecEnv]
) -> None:
    with pytest.raises(ValueError, match=r"reward must be .* got .* in place of .*step \d+.*put it inside"):
        utilities_in_autonomy(lambda: CHANGES[change](SOURCES[source]()), vectorize)


@pytest.mark.parametrize("source", ["environment", "SocialRewardWrapper"])
def test_nor_in_another_process(source: str) -> None:
    with pytest.raises(ValueError, match="reward must be"):
        utilities_in_autonomy(lambda: Skip(SOURCES[source]()), in_subprocesses)


@pytest.mark.parametrize("source", ["environment", "SocialRewardWrapper"])
def test_nor_through_a_wrapper_around_all_environments(source: str) -> None:
    with pytest.raises(ValueError, match="reward must be"):
        utilities_in_autonomy(
            SOURCES[source], lambda make_env: VecISRReward(VecMonitor(VecHalf(DummyVecEnv([make_env]))))
        )


@either
@pytest.mark.parametrize(
    ("make_env", "right"),
    [
        (lambda: SocialRewardWrapper(Skip(Plain()), praise), -2.0),
        (lambda: SocialRewardWrapper(ClipRewardEnv(Plain()), praise), -1.0),
        (lambda: SocialRewardWrapper(ClipRewardEnv(Praising()), TaskRewardCaregiver()), 0.0),
        (lambda: Praises(ClipRewardEnv(Plain())), -1.0),
        (lambda: CarefulSkip(Praising()), -2.0),
        (lambda: CarefulSkip(SocialRewardWrapper(Plain(), praise)), -2.0),
        (lambda: Monitor(FrameStackObservation(TimeLimit(Praising(), 16), 2)), -0.5),
        (lambda: SocialRewardWrapper(FrameStackObservation(Praising(), 2), PraiseCaregiver()), -0.5),
        (lambda: SocialRewardWrapper(SocialRewardWrapper(Praising(), PraiseCaregiver()), PraiseCaregiver()), -0.5),
    ],
    ids=[
        "skip inside",
        "clipping inside",
        "clipping, where all is social",
        "clipping inside of a user's own",
        "careful skip of the environment",
        "careful skip",
        "stacked",
        "stacked inside",
        "two caregivers",
    ],
)
def test_where_the_parts_are_right_the_environments_reward_stays(
    make_env: Any, right: float, vectorize: Callable[..., VecEnv]
) -> None:
    np.testing.assert_allclose(utilities_in_autonomy(make_env, vectorize), right, atol=1e-6)


@pytest.mark.parametrize("skips", [False, True])
def test_a_caregiver_that_passes_praise_on_does_not_take_what_was_skipped_for_the_environments(skips: bool) -> None:
    """Else the leak would be laundered: the outer wrapper writes both parts anew."""
    inside = Skip(SocialRewardWrapper(Plain(), praise)) if skips else SocialRewardWrapper(Plain(), praise)
    env = SocialRewardWrapper(inside, PraiseCaregiver())
    env.reset()
    if not skips:
        assert env.step(0)[4] == {"environment_reward": -0.5, "social_reward": 2.0}
        return
    with pytest.raises(ValueError, match=r"reward must be .*That was at step 1 of <SocialRewardWrapper"):
        env.step(0)


def test_an_unconnected_wrapper_lets_any_reward_pass() -> None:
    venv = vectorized(lambda: Skip(Praising()))
    venv.reset()
    assert venv.step(np.zeros(1, int))[1].tolist() == [6.0]


def test_float32_rewards_are_not_taken_for_changed_ones() -> None:
    """DummyVecEnv rounds R_e + R_s; R_e and R_s in info are exact."""
    utilities = utilities_in_autonomy(lambda: SocialRewardWrapper(Plain(), lambda t: 1e4 / 3), vectorized)
    np.testing.assert_allclose(utilities, -0.5, atol=1e-3)
