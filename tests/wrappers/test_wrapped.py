"""Whatever is wrapped around the environments, inside or outside, utilities and labels are right."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from stable_baselines3 import DQN, PPO
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.callbacks import EvalCallback
from stable_baselines3.common.running_mean_std import RunningMeanStd
from stable_baselines3.common.vec_env import VecEnv, VecFrameStack, VecMonitor, VecNormalize, VecTransposeImage

from sb3_isr.common.batches import Array
from tests.scripted_env import Told, labels_by_hand, utilities_by_hand
from tests.wrappers.learners import (
    IMAGE,
    SCRIPTS,
    Make,
    Rewards,
    check_by_hand,
    either_wrapper,
    in_order,
    internalizing,
    stored,
    tiny,
    told_by,
    vectorized,
)


@either_wrapper
@pytest.mark.parametrize("algorithm", [PPO, DQN])
@pytest.mark.parametrize(
    ("outside", "observation_space"),
    [
        (lambda venv: VecNormalize(venv, norm_reward=False), None),
        (lambda venv: VecFrameStack(venv, 2), None),
        (VecTransposeImage, IMAGE),
        (lambda venv: venv, IMAGE),  # SB3 adds VecTransposeImage
        (lambda venv: VecNormalize(VecTransposeImage(VecFrameStack(venv, 2)), True, False, False), IMAGE),
    ],
    ids=["normalized", "stacked", "transposed", "transposed by SB3", "all"],
)
def test_wrappers_outside_change_what_the_learner_sees_and_neither_utilities_nor_labels(
    make: Make, algorithm: type[BaseAlgorithm], outside: Callable[[VecEnv], VecEnv], observation_space: Any
) -> None:
    callback, rewards = internalizing(), Rewards()
    model = tiny(algorithm, outside(make(SCRIPTS, observation_space=observation_space)))
    model.learn(48, callback=[callback, rewards])
    check_by_hand(rewards.learned_from(), told_by(model), callback)


def stacked(told: list[Told]) -> list[Told]:
    """As seen through VecFrameStack: before an episode's first observation there is nothing."""
    previous = [np.zeros(2) if t.step == 0 else told[i - 1].observation for i, t in enumerate(told)]
    return [
        t._replace(
            observation=np.append(before, t.observation),
            next_observation=np.append(t.observation, t.next_observation),
        )
        for before, t in zip(previous, told, strict=True)
    ]


def transposed(told: list[Told]) -> list[Told]:
    """As seen through VecTransposeImage."""
    return [
        t._replace(
            observation=t.observation.transpose(2, 0, 1),
            next_observation=t.next_observation.transpose(2, 0, 1),
        )
        for t in told
    ]


@pytest.mark.filterwarnings("ignore:The environment is already wrapped with a `Monitor`")
@pytest.mark.parametrize("algorithm", [PPO, DQN])
@pytest.mark.parametrize(
    ("inside", "observation_space", "seen"),
    [
        (VecMonitor, None, lambda told: told),
        (lambda venv: VecFrameStack(venv, 2), None, stacked),
        (VecTransposeImage, IMAGE, transposed),
    ],
    ids=["monitored", "stacked", "transposed"],
)
def test_with_wrappers_inside_the_isr_sees_what_they_show(
    algorithm: type[BaseAlgorithm], inside: Any, observation_space: Any, seen: Callable[[list[Told]], list[Told]]
) -> None:
    callback, rewards = internalizing(), Rewards()
    model = tiny(algorithm, vectorized(SCRIPTS, inside, observation_space=observation_space))
    model.learn(48, callback=[callback, rewards])
    check_by_hand(rewards.learned_from(), [seen(told) for told in told_by(model)], callback)


def normalized(utilities: Array, told: list[list[Told]]) -> Array:
    """As VecNormalize does it: over the standard deviation of the discounted returns so far."""
    statistics, returns, normalized = RunningMeanStd(shape=()), np.zeros(2), np.zeros_like(utilities)
    for step, rewards in enumerate(utilities):
        returns = 0.99 * returns + rewards
        statistics.update(returns)
        normalized[step] = np.clip(rewards / np.sqrt(statistics.var + 1e-8), -10, 10)
        returns[[of_one[step].step == len(script) - 1 for of_one, script in zip(told, SCRIPTS, strict=True)]] = 0.0
    return normalized


@either_wrapper
@pytest.mark.parametrize("algorithm", [PPO, DQN])
def test_normalized_rewards_are_utilities_and_what_is_stored_off_policy_is_not_normalized(
    make: Make, algorithm: type[BaseAlgorithm]
) -> None:
    callback, rewards = internalizing(), Rewards()
    model = tiny(algorithm, VecNormalize(make(SCRIPTS), norm_reward=True))
    with pytest.warns(UserWarning, match="norm_reward=False"):
        model.learn(48, callback=[callback, rewards])
    told = told_by(model)
    present = [True] * 12 + [False] * 12
    utilities = np.stack([utilities_by_hand(of_one, present, callback.isr.predict) for of_one in told], axis=1)
    np.testing.assert_allclose(rewards.steps, normalized(utilities, told), atol=1e-5)
    np.testing.assert_allclose(
        rewards.learned_from(), utilities if algorithm is DQN else normalized(utilities, told), atol=1e-5
    )
    assert stored(callback) == in_order(labels_by_hand(told[0][:12] + told[1][:12]))


@either_wrapper
def test_evaluation_under_vec_normalize_sees_the_true_reward_and_what_training_knows(make: Make) -> None:
    """SB3 walks through both stacks together, so the same wrappers must be in both."""
    evaluation = VecNormalize(make(SCRIPTS), training=False, norm_reward=False)
    evaluate = EvalCallback(evaluation, n_eval_episodes=2, eval_freq=20, verbose=0)
    callback, training = internalizing(), VecNormalize(make(SCRIPTS), norm_reward=False)
    tiny(PPO, training).learn(48, callback=[callback, evaluate])
    assert evaluate.last_mean_reward == (0.75 - 1.0) / 2  # the true returns, after the caregiver has left
    assert isinstance(evaluation.obs_rms, RunningMeanStd)
    assert round(evaluation.obs_rms.count) == 2 + 40  # the reset, and what training had seen by then
    assert callback.store.n_added == 8 + 9
