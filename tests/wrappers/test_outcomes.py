"""What a transition led to: the true last observation at an episode's end, and whether it terminated."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gymnasium import spaces
from gymnasium.wrappers import TimeLimit
from stable_baselines3 import DQN, PPO
from stable_baselines3.common.vec_env import DummyVecEnv, VecEnv

from sb3_isr import ISRRewardWrapper, LabelStore, VecISRReward
from sb3_isr.common.batches import Array
from tests.scripted_env import ScriptedEnv, labels_by_hand, observe, scripted_vec_env
from tests.wrappers.connected import SCRIPTS, internal_reward
from tests.wrappers.learners import SCRIPTS as LABELLED
from tests.wrappers.learners import Make, either_wrapper, in_order, internalizing, stored, tiny, told_by

PARTS = spaces.Dict({"numbers": spaces.MultiDiscrete([2, 8]), "bits": spaces.MultiBinary(4)})


@either_wrapper
@pytest.mark.parametrize("algorithm", [PPO, DQN])
@pytest.mark.parametrize("space", [None, PARTS], ids=["array", "dict"])
@pytest.mark.parametrize("truncates", [False, True])
def test_the_last_observation_of_an_episode_is_labelled_stored_saved_and_loaded(
    make: Make, algorithm: Any, space: Any, truncates: bool, tmp_path: Path
) -> None:
    callback = internalizing("always")
    model = tiny(algorithm, make(LABELLED, observation_space=space, truncates=truncates))
    model.learn(48, callback=callback)
    told = [t for of_one in told_by(model) for t in of_one if t.social_reward is not None]
    assert stored(callback) == in_order(labels_by_hand(told))
    saved = callback.store
    saved.save(tmp_path / "labels.npz")
    loaded = LabelStore(saved.observation_space, saved.action_space, saved.capacity)
    loaded.load(tmp_path / "labels.npz")
    assert in_order(loaded.labels()) == in_order(labels_by_hand(told))
    # By hand: the second environment's fourth step is its last one, and has a label.
    last = observe(saved.observation_space, 1, 4)
    seen = loaded.labels().transitions
    is_last = [
        all(np.array_equal(part[i], last_part) for part, last_part in zip(*map(by_key, (seen[2], last)), strict=True))
        for i in range(len(seen.actions))
    ]
    assert sum(is_last) == 6  # of 24 steps, four to an episode
    np.testing.assert_array_equal(seen.terminated, np.array(is_last) & (not truncates))


def by_key(observations: Any) -> list[Any]:
    return [observations[key] for key in sorted(observations)] if isinstance(observations, dict) else [observations]


def rewarded(venv: VecEnv, n_steps: int) -> Array:
    """R_i of action 1 in each step."""
    venv.reset()
    if isinstance(venv, VecISRReward):
        venv.composer.connect(internal_reward, 0.0)
    else:
        venv.env_method("isr_connect", internal_reward, 0.0, 1.0, np.random.default_rng(0), False)
    return np.stack([venv.step(np.ones(venv.num_envs, int))[1] for _ in range(n_steps)])


@pytest.mark.parametrize(("truncates", "paid"), [(False, 10_000), (True, 0)])
def test_a_truncated_episode_has_not_terminated(truncates: bool, paid: int) -> None:
    """R_i is 10 times the step, 1000 times the next one and, where an episode terminates, 10,000 more."""
    script = [SCRIPTS[0]]
    by_hand = np.array([[-0.25 + 1001], [-0.25 + 2011 + paid]] * 2)
    vectorized = VecISRReward(scripted_vec_env(script, truncates=truncates))
    one_by_one = scripted_vec_env(script, wrapper=ISRRewardWrapper, truncates=truncates)
    for venv in (vectorized, one_by_one):
        np.testing.assert_array_equal(rewarded(venv, 4), by_hand)


def test_a_time_limit_truncates_unless_the_episode_terminates_in_the_same_step() -> None:
    for limit, expected in ((1, [[-0.25 + 1001]] * 2), (2, [[-0.25 + 1001], [-0.25 + 12_011]])):
        inside = DummyVecEnv([lambda n=limit: TimeLimit(ScriptedEnv(SCRIPTS[0]), n)])  # type: ignore[misc]
        outside = DummyVecEnv([lambda n=limit: ISRRewardWrapper(TimeLimit(ScriptedEnv(SCRIPTS[0]), n))])  # type: ignore[misc]
        np.testing.assert_array_equal(rewarded(VecISRReward(inside), 2), expected)
        np.testing.assert_array_equal(rewarded(outside, 2), expected)
