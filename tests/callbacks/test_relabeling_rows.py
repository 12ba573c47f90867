"""Which rows of a replay buffer are relabelled: those that the learner stored, and only as long as they are there."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium import spaces
from stable_baselines3 import DQN, SAC
from stable_baselines3.common.vec_env import DummyVecEnv, VecNormalize

from sb3_isr import ISRCallback, ISRRewardWrapper, VecISRReward
from tests.callbacks.relabelled import N_ROWS, SCRIPTS, Act, Rewards, dqn, relabelling
from tests.scripted_env import Script, ScriptedEnv, scripted_vec_env


def test_the_step_at_which_another_callback_stops_is_not_stored() -> None:
    callback = relabelling("leave_at_0.5")
    model = DQN(
        "MlpPolicy",
        VecISRReward(scripted_vec_env(SCRIPTS[:1])),
        buffer_size=50,
        learning_starts=10**6,
        seed=0,
        device="cpu",
    )
    model.learn(160, callback=[callback, Act(lambda other: other.num_timesteps < 85)])
    buffer = model.replay_buffer
    assert buffer is not None
    assert buffer.pos == 84 % 50
    given = buffer.rewards[34:50].copy()  # by the caregiver, in steps 34 to 49
    callback.train()
    callback.train()
    np.testing.assert_array_equal(buffer.rewards[34:50], given)
    np.testing.assert_array_equal(np.unique(given), [0.0, 1.0])


def predicted(callback: ISRCallback, buffer: Any, rows: slice) -> Any:
    """R_i of all environments' transitions in some rows of a buffer, as the buffer itself holds them."""
    observations, next_observations = (
        each[rows].reshape(-1, 2) for each in (buffer.observations, buffer.next_observations)
    )
    terminated = (buffer.dones[rows] * (1 - buffer.timeouts[rows])).reshape(-1).astype(bool)
    actions = buffer.actions[rows].reshape(-1)
    return callback.isr.predict(observations, actions, next_observations, terminated).reshape(-1, buffer.n_envs)


def test_another_buffer_that_is_loaded_is_left_alone_and_ones_own_is_not(tmp_path: Path) -> None:
    callback, model = relabelling(), dqn()
    model.learn(48, callback=callback)
    model.save_replay_buffer(tmp_path / "own.pkl")
    other = dqn()
    other.learn(48)
    other.save_replay_buffer(tmp_path / "other.pkl")
    model.load_replay_buffer(tmp_path / "other.pkl")
    callback.train()
    np.testing.assert_array_equal(model.replay_buffer.rewards, other.replay_buffer.rewards)
    callback, model = relabelling(), dqn()
    model.learn(48, callback=callback)
    model.load_replay_buffer(tmp_path / "own.pkl")
    before = model.replay_buffer.rewards.copy()
    callback.train()
    assert (model.replay_buffer.rewards != before).sum() > N_ROWS


def test_a_buffer_of_another_size_or_number_of_environments_starts_anew(tmp_path: Path) -> None:
    callback, model = relabelling(), dqn()
    model.learn(48, callback=callback)
    model.save(tmp_path / "model.zip")
    larger = DQN.load(tmp_path / "model.zip", env=Rewards(scripted_vec_env([*SCRIPTS, *SCRIPTS])), device="cpu")
    larger.learn(96, callback=callback, reset_num_timesteps=False)
    buffer = larger.replay_buffer
    assert buffer is not None
    for _ in range(2):
        callback.train()
        np.testing.assert_allclose(buffer.rewards, predicted(callback, buffer, slice(None)), atol=1e-5)


def test_rewards_that_a_user_changed_are_left_alone() -> None:
    callback, model = relabelling(), dqn()
    model.learn(48, callback=callback)
    model.replay_buffer.rewards[:] = 7.0
    callback.train()
    assert (model.replay_buffer.rewards == 7.0).all()


def test_a_buffer_that_was_reset_is_filled_anew() -> None:
    callback, model = relabelling(), dqn()
    model.learn(40, callback=callback)
    model.replay_buffer.reset()
    model.learn(10, callback=callback, reset_num_timesteps=False)
    buffer = model.replay_buffer
    n = buffer.pos
    assert 0 < n < 12
    assert not buffer.full
    callback.train()
    internal = predicted(callback, buffer, slice(n))
    np.testing.assert_allclose(buffer.rewards[:n], internal, atol=1e-5)


def test_the_step_at_which_the_isr_is_trained_is_not_left_stale() -> None:
    """Its reward was computed before, and it is stored after the others were relabelled."""
    callback, model = relabelling("fade_0.05_1.0", train_every=20), dqn(buffer_size=400)
    model.learn(60, callback=callback)
    buffer, known = model.replay_buffer, callback._relabeler.known  # type: ignore[union-attr]
    n_last = callback.internalizer.state.steps_since_training // 2
    row = 30 - n_last - 1
    envs = np.flatnonzero(~np.isnan(known["internal_reward"][row]))
    assert len(envs)
    internal = predicted(callback, buffer, slice(row, row + 1))[0]
    np.testing.assert_allclose(buffer.rewards[row, envs], internal[envs], atol=1e-6)


# --- spaces


class Seen(gym.ObservationWrapper[Any, Any, Any]):
    """Shows step and number in a space."""

    def __init__(self, env: gym.Env[Any, Any], space: gym.Space[Any]) -> None:
        super().__init__(env)
        self.observation_space = space
        self.space = space

    def observation(self, observation: Any) -> Any:
        self.space.seed(int(observation[0] + 2 * observation[1]))
        return self.space.sample()


IMAGE = spaces.Box(0, 255, (36, 40, 3), np.uint8)
CODES = spaces.Box(0, 10, (5, 5, 3), np.uint8)
FIRST = spaces.Box(0, 255, (3, 36, 36), np.uint8)


@pytest.mark.slow
@pytest.mark.parametrize(
    "space",
    [
        spaces.Dict(cam=IMAGE, grid=CODES),
        spaces.Dict(cam=IMAGE, n=spaces.Discrete(3), bits=spaces.MultiBinary(4)),
        CODES,
        FIRST,
        IMAGE,
        spaces.Box(0, 1, (36, 36, 3), np.float32),
        spaces.MultiDiscrete([2, 3]),
        spaces.MultiBinary(5),
        spaces.Box(-5, 5, (2, 2), np.int16),
    ],
    ids=str,
)
def test_what_plain_training_takes_relabelling_takes(space: gym.Space[Any]) -> None:
    def make(script: Script = SCRIPTS[0]) -> gym.Env[Any, Any]:
        return ISRRewardWrapper(Seen(ScriptedEnv(script), space))

    policy = "MultiInputPolicy" if isinstance(space, spaces.Dict) else "MlpPolicy"
    model = DQN(policy, DummyVecEnv([make]), buffer_size=40, learning_starts=10**6, seed=0, device="cpu")
    callback = relabelling("leave_at_0.5")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.learn(40, callback=callback)
    buffer = model.replay_buffer
    assert buffer is not None
    before = buffer.rewards.copy()
    callback.train()
    moved = (buffer.rewards != before)[:, 0]
    assert moved[25:].mean() > 0.9
    assert not moved[:20].any()
    assert len(callback.store) == 21


def test_actions_of_a_box_of_two_dimensions_are_unscaled() -> None:
    env = VecISRReward(scripted_vec_env(SCRIPTS, action_space=spaces.Box(-3, 5, (2, 2), np.float32)))
    model = SAC("MlpPolicy", VecNormalize(env), buffer_size=80, learning_starts=10**6, seed=0, device="cpu")
    callback = relabelling("leave_at_0.5")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.learn(80, callback=callback)
    callback.train()
    buffer = model.replay_buffer
    assert buffer is not None
    observations, actions = buffer.observations[22:40].reshape(-1, 2), buffer.actions[22:40].reshape(-1, 2, 2)
    outcome = buffer.next_observations[22:40].reshape(-1, 2), buffer.dones[22:40].reshape(-1).astype(bool)
    internal = callback.isr.predict(observations, (actions + 1) / 2 * 8 - 3, *outcome)
    np.testing.assert_allclose(buffer.rewards[22:40].reshape(-1), internal, atol=1e-5)
