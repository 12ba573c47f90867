"""In however many pieces and environments a learner learns, and whenever the caregiver comes back."""

from __future__ import annotations

import copy
from contextlib import closing
from functools import cache
from typing import Any

import numpy as np
import pytest
from stable_baselines3 import DQN, PPO
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.callbacks import StopTrainingOnMaxEpisodes
from stable_baselines3.common.vec_env import DummyVecEnv

from sb3_isr import InternalSocialReward, ISRCallback
from sb3_isr.common.batches import Array
from sb3_isr.wrappers.composer import InternalReward
from tests.scripted_env import Script, labels_by_hand, utilities_by_hand
from tests.wrappers.learners import (
    FOUR,
    SCRIPTS,
    UNCHANGING,
    Make,
    Rewards,
    either_wrapper,
    here_or_forked,
    in_order,
    internalizing,
    stored,
    tiny,
    told_by,
    vectorized,
    weights,
)


@either_wrapper
@pytest.mark.parametrize("algorithm", [PPO, DQN])
def test_learning_in_pieces_is_learning_at_once(make: Make, algorithm: type[BaseAlgorithm]) -> None:
    """Each piece ends in mid-episode. A caregiver attends every other episode or so, whatever the progress."""

    def learn(pieces: list[int]) -> tuple[Any, ...]:
        venv = make(SCRIPTS)
        isr = InternalSocialReward(venv.observation_space, venv.action_space, net_arch=(16,))
        callback, rewards = internalizing(lambda progress_remaining: 0.5, isr=isr, train_every=22), Rewards()
        constant = {} if algorithm is PPO else {"exploration_initial_eps": 0.3, "exploration_final_eps": 0.3}
        model = tiny(algorithm, venv, **({"n_steps": 4, "batch_size": 8} if algorithm is PPO else constant))
        for i, steps in enumerate(pieces):
            model.learn(steps, callback=[callback, rewards], reset_num_timesteps=i == 0)
        return np.array(rewards.steps).tolist(), stored(callback), weights(model.policy), weights(isr)

    at_once = learn([96])
    assert learn([40, 40, 16]) == at_once
    assert 0 < len(at_once[1]) < 96


@here_or_forked
def test_presence_continues_in_mid_episode_from_one_piece_to_the_next(make: Make, vec_env_cls: Any) -> None:
    with closing(make(FOUR, vec_env_cls=vec_env_cls)) as venv:
        callback, rewards = internalizing("leave_at_0.7", learning_rate=UNCHANGING), Rewards()
        model = tiny(DQN, venv)
        # It leaves after 7 of 10 steps, and stays for the episode's last one: the third episode starts without it.
        model.learn(10, callback=[callback, rewards])
        # Now 10 of 20 steps are over, so it is back, but not in the third episode; it leaves after 14 and stays to 16.
        model.learn(10, callback=[callback, rewards], reset_num_timesteps=False)
        (told,) = told_by(model)
    present = [True] * 8 + [False] * 4 + [True] * 4 + [False] * 4
    by_hand = utilities_by_hand(told, present, callback.isr.predict)
    np.testing.assert_allclose(np.ravel(rewards.steps), by_hand, atol=1e-6)
    assert stored(callback) == in_order(labels_by_hand(told[:8] + told[12:16]))


@here_or_forked
def test_training_that_is_stopped_in_mid_rollout_keeps_all_labels(make: Make, vec_env_cls: Any) -> None:
    with closing(make(FOUR, vec_env_cls=vec_env_cls)) as venv:
        callback, model = internalizing("always"), tiny(PPO, venv)
        model.learn(96, callback=[callback, StopTrainingOnMaxEpisodes(4)])
        (told,) = told_by(model)
    assert len(told) == 16  # four steps into the second rollout of twelve
    assert stored(callback) == in_order(labels_by_hand(told))


@here_or_forked
@pytest.mark.parametrize(("reset_num_timesteps", "present"), [(False, 0), (True, 12)])
def test_another_environment_between_two_pieces(
    make: Make, vec_env_cls: Any, reset_num_timesteps: bool, present: int
) -> None:
    """The caregiver left after 12 steps of 24: it is still absent, or comes again as the count of steps starts at 0."""
    mirrored: list[Script] = [[(-e, None if s is None else -s) for e, s in script] for script in FOUR]
    with (
        closing(make(FOUR, vec_env_cls=vec_env_cls)) as first,
        closing(make(mirrored, vec_env_cls=vec_env_cls)) as other,
    ):
        callback, rewards = internalizing(learning_rate=UNCHANGING), Rewards()
        model = tiny(DQN, first)
        model.learn(24, callback=[callback, rewards])
        told_first = told_by(model)[0]
        model.set_env(other)
        model.learn(24, callback=[callback, rewards], reset_num_timesteps=reset_num_timesteps)
        told_other = told_by(model)[0]
        first.reset()
        unconnected = [first.step(np.array([0]))[1].item() for _ in range(4)]
    here = [True] * 12 + [False] * 12 + [True] * present + [False] * (24 - present)
    by_hand = utilities_by_hand(told_first + told_other, here, callback.isr.predict)
    np.testing.assert_allclose(rewards.learned_from().ravel(), by_hand, atol=1e-6)
    assert stored(callback) == in_order(labels_by_hand(told_first[:12] + told_other[:present]))
    assert unconnected == [-0.5, 1.25, -0.5, 0.5]  # the first one is not connected any more


@cache
def draws_over_two_environments(make: Make, vec_env_cls: Any) -> Array:
    """Utilities of 32 steps in each; the caregiver attends every other episode or so."""
    with closing(make(FOUR, vec_env_cls=vec_env_cls)) as first, closing(make(FOUR, vec_env_cls=vec_env_cls)) as other:
        isr = InternalSocialReward(first.observation_space, first.action_space, net_arch=(16,))
        callback, rewards = internalizing(lambda progress_remaining: 0.5, isr=isr), Rewards()
        model = tiny(DQN, first)
        model.learn(32, callback=[callback, rewards])
        model.set_env(other)
        model.learn(32, callback=[callback, rewards], reset_num_timesteps=False)
    return np.array(rewards.steps)


@here_or_forked
def test_presence_is_not_drawn_again_from_the_start_in_another_environment(make: Make, vec_env_cls: Any) -> None:
    """In a subprocess the generators advance there; their state must be known here for the next environment."""
    expected = draws_over_two_environments(vectorized, DummyVecEnv)
    np.testing.assert_allclose(draws_over_two_environments(make, vec_env_cls), expected, atol=1e-6)
    assert not np.array_equal(expected[:32], expected[32:])


class Trainings(ISRCallback):
    """Keeps the ISR as it was after each training, and the step."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.trained: list[InternalReward] = []
        self.steps: list[int] = []

    def train(self) -> Any:
        metrics = super().train()
        self.trained.append(copy.deepcopy(self.isr).predict)
        self.steps.append(self.num_timesteps)
        return metrics


@here_or_forked
def test_a_caregiver_who_returns_gives_more_labels_and_the_isr_is_trained_at_each_departure(
    make: Make, vec_env_cls: Any
) -> None:
    """Of 64 steps it is there for 32, gone for 8, back for 8, gone for 8, back for 8."""
    callback = Trainings(
        "visits_0.5_0.25_0.125",
        isr_kwargs={"net_arch": (16,), "limit_to_labels": "no"},
        trainer_kwargs={"gradient_steps": 5, "learning_rate": 1e-2},
        store_kwargs={"held_out": 0.0},
    )
    with closing(make(FOUR, vec_env_cls=vec_env_cls)) as venv:
        rewards, model = Rewards(), tiny(DQN, venv)
        model.learn(64, callback=[callback, rewards])
        (told,) = told_by(model)
    assert callback.steps == [32, 48, 64]
    present = [True] * 32 + [False] * 8 + [True] * 8 + [False] * 8 + [True] * 8
    first, second = (utilities_by_hand(told, present, isr) for isr in callback.trained[:2])
    np.testing.assert_allclose(np.ravel(rewards.steps), [*first[:48], *second[48:]], atol=1e-6)
    assert np.abs(first - second)[48:56].min() > 1e-3  # it had learned more
    assert stored(callback) == in_order(labels_by_hand([t for t, here in zip(told, present, strict=True) if here]))
