"""In whatever process environments live, and with either wrapper, a run is the same."""

from __future__ import annotations

from contextlib import closing
from functools import cache
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from stable_baselines3 import PPO, SAC
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.vec_env import DummyVecEnv

from sb3_isr import FunctionCaregiver, ISRCallback, SocialRewardWrapper
from sb3_isr.common.batches import Array
from tests.scripted_env import Script, ScriptedEnv, Told, labels_by_hand, utilities_by_hand
from tests.wrappers.learners import (
    SCRIPTS,
    THRUST,
    UNCHANGING,
    Make,
    Rewards,
    check_by_hand,
    either_wrapper,
    here_or_forked,
    in_any_process,
    in_order,
    internalizing,
    stored,
    tiny,
    told_by,
    vectorized,
    weights,
)


class Run(NamedTuple):
    """What must not depend on where environments live."""

    utilities: list[list[float]]
    labels: list[Any]
    policy: list[float]
    isr: list[float]


def run(n_envs: int, make: Make, vec_env_cls: Any) -> Run:
    """PPO, with a caregiver who attends ever fewer episodes."""
    with closing(make((SCRIPTS * n_envs)[:n_envs], vec_env_cls=vec_env_cls)) as venv:
        # Of many environments the other wrapper gives labels in another order, which would train another ISR.
        learning_rate = 1e-2 if n_envs == 1 else UNCHANGING
        callback = internalizing("fade_0.2_0.8", learning_rate, train_every=7 * n_envs)
        rewards, model = Rewards(), tiny(PPO, venv)
        model.learn(36 * n_envs, callback=[callback, rewards])
        if learning_rate == UNCHANGING:
            check_episodes_by_hand(np.array(rewards.steps), told_by(model), callback)
        return Run(np.array(rewards.steps).tolist(), stored(callback), weights(model.policy), weights(callback.isr))


def check_episodes_by_hand(utilities: Array, told: list[list[Told]], callback: ISRCallback) -> None:
    """The caregiver attends whole episodes, and its labels in these are all that is stored."""
    attended: list[Told] = []
    for i, of_one in enumerate(told):
        if_present, if_absent = (utilities_by_hand(of_one, [p] * 36, callback.isr.predict) for p in (True, False))
        present = np.isclose(utilities[:, i], if_present, atol=1e-6)
        np.testing.assert_array_equal(np.isclose(utilities[:, i], if_absent, atol=1e-6), ~present)
        goes_on = np.array([t.step > 0 for t in of_one])
        np.testing.assert_array_equal(present[goes_on], np.roll(present, 1)[goes_on])
        attended += [t for t, here in zip(of_one, present, strict=True) if here]
    assert 0 < len(attended) < utilities.size
    assert stored(callback) == in_order(labels_by_hand(attended))


@cache
def reference(n_envs: int) -> Run:
    return run(n_envs, vectorized, DummyVecEnv)


def check_against_reference(run: Run, reference: Run) -> None:
    assert run.labels == reference.labels
    # DummyVecEnv's rewards are float32, SubprocVecEnv's are what environments return.
    for name in ("utilities", "policy", "isr"):
        np.testing.assert_allclose(getattr(run, name), getattr(reference, name), atol=1e-5)


@in_any_process
def test_one_environment_in_any_process_and_either_wrapper_is_one_run(make: Make, vec_env_cls: Any) -> None:
    check_against_reference(run(1, make, vec_env_cls), reference(1))


@pytest.mark.slow
@here_or_forked
def test_sixty_four_environments_in_any_process_and_either_wrapper_are_one_run(make: Make, vec_env_cls: Any) -> None:
    check_against_reference(run(64, make, vec_env_cls), reference(64))


class Values(BaseCallback):
    """Keeps PPO's values of the two observations after the last of three steps, before it learns from a rollout."""

    def __init__(self) -> None:
        super().__init__()
        self.values: list[Array] = []

    def _on_step(self) -> bool:
        return True

    @torch.no_grad()
    def _on_rollout_end(self) -> None:
        seen_last = torch.tensor([[0.0, 3.0], [1.0, 3.0]])
        self.values.append(self.model.policy.predict_values(seen_last).numpy().ravel())  # type: ignore[operator]


@here_or_forked
def test_timeouts_are_bootstrapped_with_fractions_although_rewards_are_ints(make: Make, vec_env_cls: Any) -> None:
    """PPO adds gamma * V(last observation) in place, and from subprocesses rewards are int64."""
    ints: list[Script] = [[(-1, 1), (0, 2), (1, 0)]] * 2
    with closing(make(ints, vec_env_cls=vec_env_cls, truncates=True)) as venv:
        callback, rewards, values = internalizing(), Rewards(), Values()
        model = tiny(PPO, venv, gamma=0.5)
        model.learn(48, callback=[callback, rewards, values])
        for i, told in enumerate(told_by(model)):
            utilities = utilities_by_hand(told, [True] * 12 + [False] * 12, callback.isr.predict)
            np.testing.assert_allclose(np.array(rewards.steps)[:, i], utilities, atol=1e-6)
            utilities[2:12:3] += 0.5 * values.values[0][i]  # the ends of four episodes in each rollout
            utilities[14::3] += 0.5 * values.values[1][i]
            np.testing.assert_allclose(rewards.learned_from()[:, i], utilities, atol=1e-6)


class Rewrites(ScriptedEnv):
    """Writes into the arrays that it gave and took. SB3 copies both, so with SB3 such environments work."""

    def reset(self, **kwargs: Any) -> Any:
        self.given, info = super().reset(**kwargs)
        return self.given, info

    def step(self, action: Any) -> Any:
        observation, *others = super().step(action)
        action[:] = 0.0
        self.given[:] = observation
        return self.given, *others


@either_wrapper
def test_an_environment_that_rewrites_its_arrays_does_not_rewrite_labels(make: Make) -> None:
    callback, rewards = internalizing(), Rewards()
    model = tiny(SAC, make(SCRIPTS, env_cls=Rewrites, action_space=THRUST))
    model.learn(48, callback=[callback, rewards])
    check_by_hand(rewards.learned_from(), told_by(model), callback)


def test_an_environment_that_rewrites_its_arrays_does_not_rewrite_what_a_caregiver_sees() -> None:
    caregiver = FunctionCaregiver(lambda t: float(t.observation[1] + 10 * t.action[0]))
    env = SocialRewardWrapper(Rewrites(SCRIPTS[0], action_space=THRUST), caregiver)
    env.reset()
    labels = [env.step(np.array([0.25, 8.0]))[4]["social_reward"] for _ in range(3)]
    assert labels == [2.5, 3.5, 4.5]
