"""check_caregiver: caregivers that keep the rules, and one that breaks each rule."""

import copy
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch

from sb3_isr import (
    Caregiver,
    DelayedCaregiver,
    FunctionCaregiver,
    NoisyCaregiver,
    PraiseCaregiver,
    SparseCaregiver,
    TaskRewardCaregiver,
    Transition,
)
from sb3_isr.testing import ConformanceError, check_caregiver
from tests.scripted_env import ScriptedEnv

SCRIPT = [(-1.0, 0.5), (2.0, None), (-0.5, -0.25), (0.0, 0.0), (1.0, 4.0)]
PRAISE = PraiseCaregiver()
NESTED = NoisyCaregiver(SparseCaregiver(DelayedCaregiver(TaskRewardCaregiver(), 3), 0.5), 0.1)


class Lifelong(Caregiver):
    """Tires from step to step, through all episodes, until it is seeded again."""

    energy = 1.0

    def reset(self, seed: int | None = None) -> None:
        self.energy = self.energy if seed is None else 1.0

    def social_reward(self, transition: Transition) -> float:
        self.energy *= 0.99
        return self.energy


@pytest.mark.parametrize(
    "caregiver",
    [
        TaskRewardCaregiver(),
        PRAISE,
        FunctionCaregiver(lambda transition: float(transition.action == 2)),
        NoisyCaregiver(PRAISE, 0.5),
        SparseCaregiver(PRAISE, 0.5),
        DelayedCaregiver(PRAISE, 2),
        Lifelong(),
    ],
)
def test_caregivers_that_keep_the_rules(caregiver: Caregiver) -> None:
    check_caregiver(caregiver, ScriptedEnv(SCRIPT), n_steps=30)


def test_a_nested_caregiver_in_the_coin_game() -> None:
    check_caregiver(NESTED, gym.make("sb3_isr/CoinGame-v0"), n_steps=60)


class Sharing(Caregiver):
    """Shares its memory with its copies."""

    steps: list[int] = []  # noqa: RUF012

    def reset(self, seed: int | None = None) -> None:
        self.steps.clear()

    def social_reward(self, transition: Transition) -> float:
        self.steps.append(0)
        return float(len(self.steps))


class Drawing(Caregiver):
    """Returns what a function returns."""

    def __init__(self, draw: Callable[[], Any]) -> None:
        self.draw = draw

    def social_reward(self, transition: Transition) -> float:
        return self.draw()  # type: ignore[no-any-return]


class Unseeded(Caregiver):
    """Seeds its generator once, and not at reset."""

    def __init__(self) -> None:
        self.rng = np.random.default_rng(0)

    def social_reward(self, transition: Transition) -> float:
        return float(self.rng.random())


class Modifying(Caregiver):
    """Modifies the transition."""

    def __init__(self, modify: Callable[[Transition], object]) -> None:
        self.modify = modify

    def social_reward(self, transition: Transition) -> None:
        self.modify(transition)


class EnvironmentReward(Caregiver):
    """Returns any environment reward."""

    def __init__(self, reward: Any) -> None:
        self.reward = reward

    def social_reward(self, transition: Transition) -> None:
        return None

    def environment_reward(self, transition: Transition) -> float:
        return self.reward  # type: ignore[no-any-return]


class HoldingAFile(Caregiver):
    """Cannot be copied."""

    def __init__(self) -> None:
        self.log = open(Path(__file__))  # noqa: SIM115

    def social_reward(self, transition: Transition) -> float:
        return 0.0


class OneEpisode(Caregiver):
    """Cannot be reset without a seed, as it is at each later episode."""

    def reset(self, seed: int | None = None) -> None:
        np.random.default_rng(int(seed))  # type: ignore[arg-type]

    def social_reward(self, transition: Transition) -> float:
        return 0.0


def add_to_observation(transition: Transition) -> None:
    transition.observation[0] += 1.0


@pytest.mark.parametrize(
    ("caregiver", "message"),
    [
        (Drawing(lambda: float("nan")), r"social_reward must be a finite number.*got nan; return"),
        (Drawing(lambda: float("inf")), r"social_reward must be a finite number.*got inf; return"),
        (Drawing(lambda: "good"), r"social_reward must be.*got 'good'; return"),
        (Drawing(lambda: np.ones(1)), r"social_reward must be.*got array"),
        (EnvironmentReward(None), r"environment_reward must be a finite Python number.*got None; return float"),
        (EnvironmentReward(np.float32(1.0)), r"environment_reward must be.*got np.float32\(1.0\)"),
        (EnvironmentReward(float("nan")), r"environment_reward must be.*got nan"),
        (Drawing(random.random), r"the same rewards at the same seed.*step 0; draw from a generator of its own"),
        (Drawing(lambda: 0.0 * random.random()), r"must not draw from the global.*draws from random; draw"),
        (Drawing(lambda: 0.0 * np.random.rand()), r"draws from numpy.random; draw"),
        (Drawing(lambda: 0.0 * float(torch.rand(1))), r"draws from torch; draw"),
        (Unseeded(), r"the same seed, got \(R_s, R_e\) = .* at step 0; .*that reset\(seed\) seeds"),
        (Sharing(), r"Copies of a caregiver.*\(2.0, .* \(3.0, .* at step 1; keep its memory"),
        (Modifying(add_to_observation), "must not modify a transition.*; modify a copy"),
        (Modifying(lambda transition: transition.info.update(seen=True)), "must not modify a transition.*; modify"),
        (HoldingAFile(), r"copy.deepcopy must support it, got TypeError.*; keep no open files"),
    ],
)
def test_a_caregiver_that_breaks_a_rule(caregiver: Caregiver, message: str) -> None:
    with pytest.raises(ConformanceError, match=message):
        check_caregiver(caregiver, ScriptedEnv(SCRIPT), n_steps=20)


def test_a_caregiver_is_reset_without_a_seed_even_if_the_environments_episodes_are_long() -> None:
    with pytest.raises(TypeError):
        check_caregiver(OneEpisode(), ScriptedEnv([(0.0, None)] * 100), n_steps=20)


def test_the_environment_with_the_caregiver_is_checked_too() -> None:
    not_a_space_of_sb3 = gym.spaces.Tuple([gym.spaces.Discrete(2)])
    with pytest.raises(ConformanceError, match="A space must be"):
        check_caregiver(PRAISE, ScriptedEnv(SCRIPT, action_space=not_a_space_of_sb3), n_steps=20)


def test_the_caregiver_itself_is_not_used() -> None:
    caregiver = DelayedCaregiver(TaskRewardCaregiver(), 2)
    before = copy.deepcopy(vars(caregiver))
    check_caregiver(caregiver, ScriptedEnv(SCRIPT), n_steps=20)
    assert {**vars(caregiver), "caregiver": None} == {**before, "caregiver": None}


def test_the_seed_decides_the_actions() -> None:
    actions: list[int] = []
    caregiver = FunctionCaregiver(lambda transition: actions.append(transition.action))
    runs = []
    for seed in (0, 0, 1):
        check_caregiver(caregiver, ScriptedEnv(SCRIPT), n_steps=20, seed=seed)
        runs.append(actions.copy())
        actions.clear()
    assert runs[0] == runs[1] != runs[2]
