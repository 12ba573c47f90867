"""An environment that plays a script of rewards, and what its rewards and labels must lead to, computed by hand."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any, NamedTuple

import gymnasium as gym
import numpy as np
from gymnasium import spaces
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.vec_env import DummyVecEnv, VecEnv

from sb3_isr.common.batches import Array, Observations
from sb3_isr.labels import LabelBatch, Transitions
from sb3_isr.wrappers.composer import InternalReward

Space = gym.Space[Any]
Script = Sequence[tuple[float, float | None]]


class Told(NamedTuple):
    """A transition as the environment itself recorded it."""

    step: int
    observation: Any
    action: Any
    environment_reward: float
    social_reward: float | None
    next_observation: Any
    terminated: bool


class ScriptedEnv(gym.Env[Any, Any]):
    """
    Plays a list of (R_e, R_s), once in each episode. R_s = None is a step without a label.

    The observation encodes the environment's number and the step, so that no two transitions of an episode are alike;
    in the default space it is [number, step].
    """

    def __init__(
        self,
        script: Script,
        number: int = 0,
        action_space: Space | None = None,
        truncates: bool = False,
        observation_space: Space | None = None,
    ) -> None:
        self.script = list(script)
        self.number = number
        self.truncates = truncates
        self.observation_space = observation_space or spaces.Box(0, 1000, (2,), np.float32)
        self.action_space = action_space or spaces.Discrete(3)
        self.step_count = 0
        #: All transitions so far.
        self.told: list[Told] = []

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        self.step_count = 0
        return observe(self.observation_space, self.number, 0), {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        environment_reward, social_reward = self.script[self.step_count]
        before = observe(self.observation_space, self.number, self.step_count)
        self.step_count += 1
        observation = observe(self.observation_space, self.number, self.step_count)
        ends = self.step_count == len(self.script)
        rewards = environment_reward, social_reward
        terminated = ends and not self.truncates
        self.told.append(Told(self.step_count - 1, before, np.array(action), *rewards, observation, terminated))
        info = {} if social_reward is None else {"social_reward": social_reward}
        reward = environment_reward + (social_reward or 0)
        return observation, reward, terminated, ends and self.truncates, info


def observe(space: Space, number: int, step: int) -> Any:
    """Encode number (below 2, except in flat boxes) and step (below 8) as an element of any space."""
    if isinstance(space, spaces.Dict):
        return {key: observe(sub, number, step) for key, sub in space.spaces.items()}
    if isinstance(space, spaces.Discrete):
        return space.start + 8 * number + step
    if isinstance(space, spaces.MultiBinary):
        return np.array([(8 * number + step) >> bit & 1 for bit in range(4)], space.dtype)
    brightness = 30 if space.dtype == np.uint8 else 1
    return np.resize(np.array([brightness * number, brightness * step], space.dtype), space.shape or ())


def scripted_vec_env(
    scripts: Sequence[Script],
    vec_env_cls: Callable[[list[Callable[[], Any]]], VecEnv] = DummyVecEnv,
    wrapper: Callable[[Any], Any] | None = None,
    env_cls: Callable[..., Any] = ScriptedEnv,
    **kwargs: Any,
) -> VecEnv:
    """Make one monitored environment for each script, in the order of wrappers that SB3's make_vec_env has."""
    return vec_env_cls(
        [partial(_make, wrapper, env_cls, script, number, **kwargs) for number, script in enumerate(scripts)]
    )


def _make(wrapper: Callable[[Any], Any] | None, env_cls: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    env = Monitor(env_cls(*args, **kwargs))
    return wrapper(env) if wrapper else env


# Expected results, computed from the environments' own records.


def utilities_by_hand(told: Sequence[Told], present: Iterable[bool], internal_reward: InternalReward) -> Array:
    """Compute R_e + R_s where the caregiver was present, R_e + R_i where it was absent."""
    internal = internal_reward(*transitions_by_hand(told))
    return np.array(
        [
            t.environment_reward + ((t.social_reward or 0.0) if attended else r_i)
            for t, attended, r_i in zip(told, present, internal, strict=True)
        ]
    )


def labels_by_hand(told: Iterable[Told]) -> LabelBatch:
    """Collect the labels, in the order of the transitions."""
    labelled = [t for t in told if t.social_reward is not None]
    return LabelBatch(transitions_by_hand(labelled), np.array([t.social_reward for t in labelled]))


def transitions_by_hand(told: Sequence[Told]) -> Transitions:
    """Collect the transitions, of which the last observation of an episode is its own."""
    return Transitions(
        batch_of([t.observation for t in told]),
        np.array([t.action for t in told]),
        batch_of([t.next_observation for t in told]),
        np.array([t.terminated for t in told]),
    )


def batch_of(observations: Sequence[Any]) -> Observations:
    """Stack single observations into one batch."""
    if isinstance(observations[0], dict):
        return {key: np.array([observation[key] for observation in observations]) for key in observations[0]}
    return np.array(observations)
