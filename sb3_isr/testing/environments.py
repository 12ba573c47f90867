"""Checks an environment that writes social rewards, and plays environments for the other checks."""

from __future__ import annotations

import copy
import math
import warnings
from collections.abc import Iterator
from numbers import Real
from typing import Any

import gymnasium as gym
from stable_baselines3.common import env_checker

from sb3_isr.caregivers import Transition
from sb3_isr.common.spaces import check_spaces
from sb3_isr.testing.conformance import ConformanceError, equal, require


def check_env(env: gym.Env[Any, Any], n_steps: int = 200, seed: int = 0) -> None:
    """
    Check that an environment follows Stable-Baselines3's rules, and returns rewards and labels as the wrappers need.

    Stable-Baselines3's own ``check_env`` is called first, without its advice and its test of rendering.

    :param env: An environment, played with random actions. It may write ``info["social_reward"]``.
    :param n_steps: Number of steps, at least 2.
    :param seed: Seeds environment and actions.
    :raises ConformanceError: If a rule is broken.
    """
    _check_as_stable_baselines3_does(env, seed)
    for step, transition in enumerate(random_transitions(env, n_steps, seed)):
        require(
            isinstance(transition.reward, int | float) and math.isfinite(transition.reward),
            "An environment's reward must be a finite Python number (np.float32 is not one)",
            f"{transition.reward!r} at step {step}",
            "return float(reward)",
        )
        label = transition.info.get("social_reward", 0.0)
        require(
            isinstance(label, Real) and math.isfinite(label),
            'info["social_reward"] must be a finite number',
            f"{label!r} at step {step}",
            "write a float, and leave the key out where there is no label",
        )


def _check_as_stable_baselines3_does(env: gym.Env[Any, Any], seed: int) -> None:
    try:
        check_spaces(env.observation_space, env.action_space)
    except ValueError as error:
        raise ConformanceError(str(error)) from error
    env.action_space.seed(seed)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("error", "found (nan|inf)")  # by itself it only warns
            env_checker.check_env(env, warn=False)
    except (AssertionError, TypeError, ValueError, UserWarning) as error:
        raise ConformanceError(
            f"An environment must pass Stable-Baselines3's check_env, got {error!r} of {env}; correct the environment "
            "until stable_baselines3.common.env_checker.check_env(env) raises no error."
        ) from error


def random_transitions(env: gym.Env[Any, Any], n_steps: int, seed: int) -> Iterator[Transition]:
    """
    Play an environment with random actions.

    :param env: The environment
    :param n_steps: Number of steps, at least 2
    :param seed: Seeds environment and actions
    :return: The transitions, in memory of their own except for ``next_observation``. Rewards are not converted to
        float, so that they can be checked.
    :raises ConformanceError: If the environment overwrites an observation that it returned earlier
    :raises ValueError: If there are fewer than 2 steps
    """
    if n_steps < 2:
        raise ValueError(f"A check must play at least 2 steps, got {n_steps}; the default is a good choice.")
    env.action_space.seed(seed)
    observation, _ = env.reset(seed=seed)
    for _ in range(n_steps):
        before, action = copy.deepcopy(observation), env.action_space.sample()
        next_observation, reward, terminated, truncated, info = env.step(action)
        require(
            equal(before, observation),
            "An environment must not overwrite an observation in its next step, since wrappers keep it until then",
            f"{observation} in place of {before}",
            "return a copy of the array that it writes to",
        )
        yield Transition(before, action, reward, next_observation, terminated, truncated, copy.deepcopy(info))  # type: ignore[arg-type]
        observation = env.reset()[0] if terminated or truncated else next_observation
