"""Which rows of a replay buffer are relabelled: those that the learner stored, and only as long as they are there."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from contextlib import suppress
from copy import deepcopy
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium import spaces
from hypothesis import given, settings
from hypothesis import strategies as st
from stable_baselines3 import DQN, SAC
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.vec_env import DummyVecEnv, VecNormalize

from sb3_isr import ISRCallback, ISRRewardWrapper, VecISRReward
from tests.scripted_env import Script, ScriptedEnv, scripted_vec_env

#: The environments' own rewards are 0, so that each reward in the buffer is a label or internal.
SCRIPTS: list[Script] = [[(0.0, 1.0), (0.0, 0.0), (0.0, 1.0)], [(0.0, 0.0), (0.0, 1.0)]]
N_ROWS = 12


class Act(BaseCallback):
    """Does something at each step."""

    def __init__(self, act: Callable[[BaseCallback], bool | None]) -> None:
        super().__init__()
        self.act = act

    def _on_step(self) -> bool:
        return self.act(self) is not False


class Truth:
    """Follows a replay buffer by wrapping its add: which rows hold a step of the learner, and who rewarded it."""

    def __init__(self, model: Any, callback: ISRCallback) -> None:
        self.model = model
        self.callback = callback
        #: True where the row holds an internal reward.
        self.is_internal = np.zeros((N_ROWS, 2), bool)
        self.given: np.ndarray[Any, Any] = np.full((N_ROWS, 2), np.nan)
        #: What happened then, as the environments themselves recorded it.
        self.next_observations = np.zeros((N_ROWS, 2, 2), np.float32)
        self.terminated = np.zeros((N_ROWS, 2), bool)
        self.ended = np.zeros((N_ROWS, 2), bool)
        self._internal = np.full(2, np.nan)
        store = model._store_transition

        def store_and_follow(*args: Any) -> None:
            self._stored()
            store(*args)

        model._store_transition = store_and_follow

    def step(self, _: BaseCallback) -> None:
        self._internal = self.callback._connection.last_internal_rewards().copy()

    def add(self, reward: float) -> None:
        """A user adds a transition, of rewards that the caregiver gave."""
        buffer = self.model.replay_buffer
        row = buffer.pos
        observations = self.model._last_obs
        zeros = np.zeros((2, 1), np.float32)
        buffer.add(observations, observations, zeros, np.full(2, reward, np.float32), np.zeros(2), [{}, {}])
        self.is_internal[row] = False
        self.given[row] = reward

    def _stored(self) -> None:
        row = self.model.replay_buffer.pos
        self.is_internal[row] = ~np.isnan(self._internal)
        self.given[row] = np.where(self.is_internal[row], np.nan, self.model.env.venv_rewards())
        for env, told in enumerate(self.model.env.get_attr("told")):
            self.next_observations[row, env] = told[-1].next_observation
            self.terminated[row, env] = told[-1].terminated
            self.ended[row, env] = told[-1].step + 1 == len(SCRIPTS[env])

    def _is_whole(self) -> Any:
        """
        Whether the buffer still holds the transition.

        Where it saves memory, the oldest row's observation was overwritten by the newest row's next one; and where
        learning stopped in mid-episode and went on with another one, the first observation of that one is there.
        """
        buffer = self.model.replay_buffer
        if not buffer.optimize_memory_usage:
            return np.ones((N_ROWS, 2), bool)
        following = np.roll(buffer.observations, -1, axis=0)
        is_whole = self.ended | (following == self.next_observations).all(axis=-1)
        is_whole[buffer.pos] = False
        return is_whole

    def check(self) -> None:
        buffer = self.model.replay_buffer
        rows, envs = np.nonzero(self.is_internal & self._is_whole())
        outcome = self.next_observations[rows, envs], self.terminated[rows, envs]
        actions = buffer.actions[rows, envs].reshape(-1)
        now = self.callback.isr.predict(buffer.observations[rows, envs], actions, *outcome)
        np.testing.assert_allclose(buffer.rewards[rows, envs], now, atol=1e-5)
        rows, envs = np.nonzero(~np.isnan(self.given))
        np.testing.assert_array_equal(buffer.rewards[rows, envs], self.given[rows, envs].astype(np.float32))


class Rewards(VecISRReward):
    """Keeps the last utilities."""

    last: Any = None

    def _compose(self, *results: Any) -> Any:
        results = super()._compose(*results)
        self.last = results[1].copy()
        return results

    def venv_rewards(self) -> Any:
        return self.last


class Ends(ScriptedEnv):
    """The first environment's episodes are truncated, those of the second one terminate."""

    def __init__(self, script: Script, number: int = 0, **kwargs: Any) -> None:
        super().__init__(script, number, **{"truncates": number == 0, **kwargs})


def dqn(env: Any = None, **kwargs: Any) -> Any:
    env = Rewards(scripted_vec_env(SCRIPTS, env_cls=Ends)) if env is None else env
    kwargs = {"buffer_size": 2 * N_ROWS, "learning_starts": 10**6, "policy_kwargs": {"net_arch": [4]}, **kwargs}
    return DQN("MlpPolicy", env, seed=0, device="cpu", **kwargs)


def relabelling(presence: Any = "leave_at_0.3", **kwargs: Any) -> ISRCallback:
    isr = {"net_arch": (4,), "limit_to_labels": "no"}
    trainer = {"gradient_steps": 3, "learning_rate": 0.05}
    return ISRCallback(presence, relabel=True, isr_kwargs=isr, trainer_kwargs=trainer, seed=0, **kwargs)


ACTIONS = st.one_of(
    st.tuples(st.just("learn"), st.integers(1, 30)),
    st.tuples(st.just("stop"), st.integers(1, 20)),
    st.tuples(st.just("interrupt"), st.integers(1, 20)),
    st.tuples(st.just("add"), st.integers(1, 2 * N_ROWS + 1)),
    st.tuples(st.just("add in a callback, before"), st.integers(1, 6)),
    st.tuples(st.just("add in a callback, after"), st.integers(1, 6)),
    st.tuples(st.just("train"), st.just(0)),
    st.tuples(st.just("copy"), st.just(0)),
    st.tuples(st.just("move"), st.integers(0, N_ROWS - 1)),
)


MEMORY = {"optimize_memory_usage": True, "replay_buffer_kwargs": {"handle_timeout_termination": False}}


@pytest.mark.parametrize(
    "kwargs", [{}, {"train_freq": 7}, {"n_steps": 3}, MEMORY], ids=["each", "rollouts", "n-step", "memory"]
)
@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_what_the_caregiver_gave_stays_and_internal_rewards_are_those_of_today(data: Any, kwargs: Any) -> None:
    actions = data.draw(st.lists(ACTIONS, min_size=2, max_size=6))
    if kwargs is MEMORY:  # no row but the oldest loses its next observation
        actions = [action for action in actions if action[0] != "move"]
    callback = relabelling("fade_0.1_0.9", train_every=data.draw(st.sampled_from([None, 8])))
    model = dqn(**kwargs)
    truth: Truth | None = None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for action, n in [("learn", 24), *actions]:
            truth = _do(action, n, model, callback, truth)
        callback.train()
    assert truth is not None
    truth.check()


def _do(action: str, n: int, model: Any, callback: ISRCallback, truth: Truth | None) -> Truth:
    steps = 0

    def act(other: BaseCallback) -> bool | None:
        nonlocal steps
        steps += 1
        assert truth is not None
        if action.startswith("add in") and steps == 3:
            for _ in range(n):
                truth.add(0.25)
        if action == "interrupt" and steps == n:
            raise KeyboardInterrupt
        return None if action != "stop" else steps < n

    truth = truth or Truth(model, callback)
    follow, other = Act(truth.step), Act(act)
    if action == "add":
        for _ in range(n):
            truth.add(0.5)
    elif action == "train":
        callback.train()
    elif action == "copy":
        model.replay_buffer = deepcopy(model.replay_buffer)
    elif action == "move":  # what is there stays, and is overwritten from another row on
        model.replay_buffer.pos = n
    else:
        before = action.endswith("before")
        with suppress(KeyboardInterrupt):
            model.learn(60, callback=[other, callback, follow] if before else [callback, follow, other])
    return truth


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
    assert buffer.pos == 5
    callback.train()
    np.testing.assert_allclose(buffer.rewards[:5], predicted(callback, buffer, slice(5)), atol=1e-5)


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
        spaces.Box(-1, 1, (), np.float32),
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
