"""Whatever users and callbacks do with a replay buffer, labels stay and internal rewards are those of today."""

from __future__ import annotations

import warnings
from contextlib import suppress
from copy import deepcopy
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from stable_baselines3.common.callbacks import BaseCallback

from sb3_isr import ISRCallback
from tests.callbacks.relabelled import N_ROWS, SCRIPTS, Act, dqn, relabelling


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

    def forget(self) -> None:
        """Nothing in the buffer counts any more."""
        self.is_internal[:] = False
        self.given[:] = np.nan

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


ACTIONS = st.one_of(
    st.tuples(st.just("learn"), st.integers(1, 30)),
    st.tuples(st.just("stop"), st.integers(1, 20)),
    st.tuples(st.just("interrupt"), st.integers(1, 20)),
    st.tuples(st.just("add"), st.integers(1, 2 * N_ROWS + 1)),
    st.tuples(st.just("add in a callback, before"), st.integers(1, 6)),
    st.tuples(st.just("add in a callback, after"), st.integers(1, 6)),
    st.tuples(st.just("train"), st.just(0)),
    st.tuples(st.just("copy"), st.just(0)),
    st.tuples(st.just("reset"), st.just(0)),
)


MEMORY = {"optimize_memory_usage": True, "replay_buffer_kwargs": {"handle_timeout_termination": False}}


@pytest.mark.slow
@pytest.mark.parametrize(
    "kwargs", [{}, {"train_freq": 7}, {"n_steps": 3}, MEMORY], ids=["each", "rollouts", "n-step", "memory"]
)
@settings(max_examples=max(1, settings().max_examples // 3))
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
    elif action == "reset":
        model.replay_buffer.reset()
        truth.forget()
    else:
        before = action.endswith("before")
        with suppress(KeyboardInterrupt):
            model.learn(60, callback=[other, callback, follow] if before else [callback, follow, other])
    return truth
