"""Caregivers described by plain values."""

import re

import gymnasium as gym
import pytest

from sb3_isr import (
    Caregiver,
    DelayedCaregiver,
    NoisyCaregiver,
    SocialRewardWrapper,
    SparseCaregiver,
    TaskRewardCaregiver,
    Transition,
)
from sb3_isr.caregivers.plain import PlainCaregiver, plain_caregiver


def reward_the_end(transition: Transition) -> float:
    return 7.0 if transition.terminated else 0.5


def test_the_wrapper_accepts_a_name() -> None:
    env = SocialRewardWrapper(gym.make("CartPole-v1"), "sb3_isr.TaskRewardCaregiver")
    env.reset(seed=0)
    _, reward, _, _, info = env.step(0)
    assert (reward, info["social_reward"]) == (1.0, 1.0)


def test_each_environment_gets_its_own_caregiver() -> None:
    plain = {"sb3_isr.DelayedCaregiver": {"caregiver": "sb3_isr.TaskRewardCaregiver", "steps": 1}}
    one, other = (SocialRewardWrapper(gym.make("CartPole-v1"), plain) for _ in range(2))
    assert one.caregiver is not other.caregiver
    assert plain == {"sb3_isr.DelayedCaregiver": {"caregiver": "sb3_isr.TaskRewardCaregiver", "steps": 1}}


def test_a_caregiver_may_be_the_argument_of_another_one() -> None:
    sparse = {"sb3_isr.SparseCaregiver": {"caregiver": "sb3_isr.TaskRewardCaregiver", "probability": 1.0}}
    delayed = {"sb3_isr.DelayedCaregiver": {"caregiver": sparse, "steps": 2}}
    caregiver = plain_caregiver({"sb3_isr.NoisyCaregiver": {"caregiver": delayed, "std": 0.1}})
    assert isinstance(caregiver, NoisyCaregiver)
    kinds: list[type[Caregiver]] = [DelayedCaregiver, SparseCaregiver, TaskRewardCaregiver]
    inner: Caregiver = caregiver
    for kind in kinds:
        inner = inner.caregiver  # type: ignore[attr-defined]
        assert isinstance(inner, kind)


def test_a_function_is_a_caregiver() -> None:
    caregiver = plain_caregiver(f"{__name__}.reward_the_end")
    assert caregiver.social_reward(Transition(None, 0, 0.0, None, True, False, {})) == 7.0


@pytest.mark.parametrize(
    ("plain", "message"),
    [
        ("sb3_isr.Nobody", "got 'sb3_isr.Nobody'"),
        ("nowhere.Caregiver", "got 'nowhere.Caregiver'"),
        ("TaskRewardCaregiver", "package.module.Name"),
        ({"sb3_isr.TaskRewardCaregiver": {}, "std": 1}, "names one class"),
        ({"sb3_isr.NoisyCaregiver": {"caregiver": "sb3_isr.Nobody", "std": 1}}, "got 'sb3_isr.Nobody'"),
    ],
)
def test_other_values_are_refused(plain: PlainCaregiver, message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        plain_caregiver(plain)
