"""A caregiver is what was given, not a copy of it; and any function is one."""

from __future__ import annotations

import collections
import functools
import gc
import pickle
import queue
import threading
import warnings
from typing import Any

import gymnasium as gym
import pytest
from stable_baselines3 import PPO
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.vec_env import SubprocVecEnv

from sb3_isr import Caregiver, DelayedCaregiver, NoisyCaregiver, SocialRewardWrapper, Transition, VecISRReward
from tests.scripted_env import ScriptedEnv
from tests.wrappers.learners import internalizing, tiny

SCRIPT = [(0.0, None)] * 4


def wrapped(caregiver: Any) -> SocialRewardWrapper:
    env = SocialRewardWrapper(ScriptedEnv(SCRIPT), caregiver)
    env.reset()
    return env


def heard(env: gym.Env[Any, Any]) -> float | None:
    label: float | None = env.step(0)[4].get("social_reward")
    return label


class Desk(Caregiver):
    """A person's desk: another thread puts labels there."""

    def __init__(self, box: Any) -> None:
        self.box = box

    def social_reward(self, transition: Transition) -> float | None:
        return self.box.popleft() if self.box else None


class Tidy(Desk):
    """Clears the desk before each episode."""

    def reset(self, seed: int | None = None) -> None:
        self.box.clear()


class Locked(Caregiver):
    """Holds what cannot be copied."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.labels: queue.Queue[float] = queue.Queue()
        self.numbers = (float(n) for n in range(100))
        self.ask = self.social_reward  # refers to itself

    def social_reward(self, transition: Transition) -> float:
        with self.lock:
            return self.labels.get() if not self.labels.empty() else next(self.numbers)


class RememberingLocked(Locked):
    def reset(self, seed: int | None = None) -> None:
        pass


class Person:
    mood = 0.0

    def judge(self, transition: Transition) -> float:
        return self.mood

    def __call__(self, transition: Transition) -> float:
        return self.mood


@pytest.mark.parametrize("kind", [Desk, Tidy, lambda box: NoisyCaregiver(Tidy(box), 0.0)])
def test_what_another_thread_tells_a_caregiver_is_heard(kind: Any) -> None:
    box: collections.deque[float] = collections.deque()
    env = wrapped(kind(box))
    thread = threading.Thread(target=box.append, args=(1.0,))
    thread.start()
    thread.join()
    assert [heard(env), heard(env)] == [1.0, None]


@pytest.mark.parametrize(
    "use", [lambda p: p.judge, lambda p: p, lambda p: lambda t: p.mood, lambda p: NoisyCaregiver(p.judge, 0)]
)
def test_a_person_who_changes_their_mind_is_heard(use: Any) -> None:
    person = Person()
    env = wrapped(use(person))
    person.mood = 1.0
    assert heard(env) == 1.0


def praise(transition: Transition, amount: float = 1.0) -> float:
    return amount


@pytest.mark.parametrize(
    "function", [praise, lambda transition: 1.0, functools.partial(praise, amount=1.0), Person().judge]
)
def test_a_plain_function_is_a_caregiver(function: Any) -> None:
    assert heard(wrapped(function)) in (0.0, 1.0)


def test_locks_queues_and_generators_are_no_trouble_in_one_process() -> None:
    caregiver = Locked()
    venv = VecISRReward(make_vec_env(lambda: SocialRewardWrapper(ScriptedEnv(SCRIPT), caregiver), n_envs=2))
    caregiver.labels.put(7.0)
    callback = internalizing("always")
    tiny(PPO, venv).learn(24, callback=callback)
    assert sorted(callback.store.labels().social_rewards.tolist()) == sorted([7.0, *map(float, range(23))])


def test_a_caregiver_that_remembers_an_episode_serves_one_environment() -> None:
    """A second one has a copy, and that is said: else both would mix their memories, or the copy be deaf."""
    caregiver = DelayedCaregiver(lambda t: float(t.observation[1]), 1)
    one = wrapped(caregiver)
    with pytest.warns(UserWarning, match=r"remembers an episode.*for several.*hears nothing.*for each"):
        other = wrapped(caregiver)
    assert [heard(one), heard(one), heard(other), heard(one), heard(other)] == [None, 0.0, None, 1.0, 0.0]
    assert one.caregiver is caregiver
    with pytest.warns(UserWarning, match="remembers an episode"):
        wrapped(NoisyCaregiver(caregiver, 0.1))  # also where it is inside another one


def test_one_that_remembers_and_cannot_be_copied_is_refused_for_two_environments() -> None:
    caregiver = RememberingLocked()
    first = wrapped(caregiver)
    with (
        pytest.warns(UserWarning, match="for several"),
        pytest.raises(TypeError, match=r"can be copied.*RememberingL.*lock"),
    ):
        wrapped(caregiver)
    assert heard(first) == 0.0


@pytest.mark.parametrize("leave", ["closed", "gone"])
def test_when_its_environment_is_closed_or_gone_it_may_serve_another_one(leave: str) -> None:
    caregiver = Tidy(collections.deque())
    env: Any = wrapped(caregiver)
    env.close()
    if leave == "gone":
        env = None
        gc.collect()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert wrapped(caregiver).caregiver is caregiver


@pytest.mark.parametrize(
    "caregiver", [Locked(), NoisyCaregiver(Locked(), 0.1), NoisyCaregiver(Locked().social_reward, 0.1)]
)
def test_one_that_cannot_travel_says_what_to_do(caregiver: Any) -> None:
    message = (
        r"sent to another process.*got .*(Locked|Noisy).*cannot pickle.*DummyVecEnv.*inside the function that makes"
    )
    with pytest.raises(TypeError, match=message):
        SubprocVecEnv([lambda: SocialRewardWrapper(ScriptedEnv(SCRIPT), caregiver)], start_method="forkserver")
    with pytest.raises(TypeError, match=message):
        pickle.dumps(caregiver)


def test_one_that_can_travel_does() -> None:
    caregiver = pickle.loads(pickle.dumps(NoisyCaregiver(DelayedCaregiver("sb3_isr.TaskRewardCaregiver", 1), 0.5)))
    assert (caregiver.std, caregiver.caregiver.steps) == (0.5, 1)


class OnlyLabels:
    def social_reward(self, transition: Transition) -> float:
        return 1.0


@pytest.mark.parametrize(
    ("caregiver", "message"),
    [
        (OnlyLabels(), "without reset and environment_reward: <.*OnlyLabels"),
        (Desk, "got the class itself: .*Desk.*give an object"),
        (3.0, "without reset and social_reward and environment_reward: 3.0"),
        (None, "inherit from sb3_isr.Caregiver"),
        (lambda observation, action: 1.0, "one argument, a Transition, got <function"),
        (lambda: 1.0, "one argument, a Transition"),
    ],
)
@pytest.mark.parametrize("give", [wrapped, lambda caregiver: NoisyCaregiver(caregiver, 0.1)])
def test_what_is_no_caregiver_is_refused_at_once(give: Any, caregiver: Any, message: str) -> None:
    with pytest.raises(TypeError, match=message):
        give(caregiver)
