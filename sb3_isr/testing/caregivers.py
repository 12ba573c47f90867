"""Checks a caregiver."""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from numbers import Real
from typing import Any

import gymnasium as gym

from sb3_isr.caregivers import Caregiver, Transition
from sb3_isr.testing.conformance import deep_copy, equal, global_generators_unchanged, require
from sb3_isr.testing.environments import check_env, random_transitions
from sb3_isr.wrappers import SocialRewardWrapper

#: ``R_s`` (or None) and ``R_e`` of a transition.
Answer = tuple[float | None, float]


def check_caregiver(caregiver: Caregiver, env: gym.Env[Any, Any], n_steps: int = 200, seed: int = 0) -> None:
    """
    Check that a caregiver answers as :class:`~sb3_isr.SocialRewardWrapper` needs it.

    Its rewards must be finite numbers (or None) and repeat at the same seed. It must not modify the transitions, and
    its copies must not depend on each other. The environment around which it is wrapped is checked too.

    :param caregiver: The caregiver; only copies of it are used.
    :param env: An environment that suits it, played with random actions. To have at least two episodes, the one that
        runs after half of the steps is cut there.
    :param n_steps: Number of steps, at least 2.
    :param seed: Seeds environment, actions and caregiver.
    :raises ConformanceError: If a rule is broken.
    """
    episodes = _play(env, n_steps, seed)
    with global_generators_unchanged("A caregiver"):
        copied = deep_copy(caregiver)
        (first,), (second,) = _answers([copied], episodes, seed), _answers([copied], episodes, seed)
        require(
            first == second,
            "A caregiver must start again when it is reset with a seed, and give the same rewards at the same seed",
            _first_difference(first, second),
            "draw from a generator of its own that reset(seed) seeds, and reset its memory there",
        )
        for of_copy in _answers([deep_copy(caregiver), deep_copy(caregiver)], episodes, seed):
            require(
                first == of_copy,
                "Copies of a caregiver, one for each environment, must not share memory",
                _first_difference(first, of_copy),
                "keep its memory in instance attributes, and let copy.deepcopy copy them",
            )
    check_env(SocialRewardWrapper(env, deep_copy(caregiver)), n_steps, seed)


def _play(env: gym.Env[Any, Any], n_steps: int, seed: int) -> list[list[Transition]]:
    """Return at least two episodes, with rewards as float, as SocialRewardWrapper passes them to a caregiver."""
    episodes: list[list[Transition]] = [[]]
    for step, transition in enumerate(random_transitions(env, n_steps, seed)):
        episodes[-1].append(transition._replace(reward=float(transition.reward)))
        if transition.terminated or transition.truncated or step + 1 == n_steps // 2:
            episodes.append([])
    return [episode for episode in episodes if episode]


def _answers(
    caregivers: Sequence[Caregiver], episodes: Sequence[Sequence[Transition]], seed: int
) -> list[list[Answer]]:
    """Return each caregiver's answers to all transitions, asked in turn as if they were in several environments."""
    answers: list[list[Answer]] = [[] for _ in caregivers]
    for number, episode in enumerate(episodes):
        for caregiver in caregivers:
            caregiver.reset(None if number else seed)
        for transition in episode:
            for caregiver, of_caregiver in zip(caregivers, answers, strict=True):
                of_caregiver.append(_answer(caregiver, transition))
    return answers


def _answer(caregiver: Caregiver, transition: Transition) -> Answer:
    before = copy.deepcopy(transition)
    is_comparable = equal(before, transition)
    social_reward, environment_reward = caregiver.social_reward(transition), caregiver.environment_reward(transition)
    require(
        social_reward is None or (isinstance(social_reward, Real) and math.isfinite(social_reward)),
        "A caregiver's social_reward must be a finite number, or None for no label",
        repr(social_reward),
        "return float(reward) or None",
    )
    require(
        isinstance(environment_reward, int | float) and math.isfinite(environment_reward),
        "A caregiver's environment_reward must be a finite Python number (np.float32 is not one)",
        repr(environment_reward),
        "return float(reward), or 0.0 if the whole reward is social",
    )
    require(
        not is_comparable or equal(before, transition),
        "A caregiver must not modify a transition",
        f"{transition} in place of {before}",
        "modify a copy, because the learner uses the same observation",
    )
    return social_reward, environment_reward


def _first_difference(first: Sequence[Answer], second: Sequence[Answer]) -> str:
    differences = [(i, *pair) for i, pair in enumerate(zip(first, second, strict=True)) if pair[0] != pair[1]]
    return "(R_s, R_e) = {1} and then {2} at step {0}".format(*differences[0]) if differences else "no difference"
