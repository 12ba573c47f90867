"""An environment may give the ISR more than the learner's own action."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium import spaces
from stable_baselines3 import DQN, PPO, SAC
from stable_baselines3.common.vec_env import DummyVecEnv, SubprocVecEnv, VecEnv

from sb3_isr import InternalSocialReward, ISRCallback, ISRCheckpoint, ISRRewardWrapper, VecISRReward
from sb3_isr.common.batches import Array, Observations
from sb3_isr.envs import ProsocialEnv, ProsocialVecEnv
from sb3_isr.evaluation.networks import PROSOCIAL_ONE_HOT
from sb3_isr.wrappers.recorder import Record
from tests.scripted_env import Script, ScriptedEnv, labels_by_hand, scripted_vec_env
from tests.wrappers.learners import in_order, internalizing, stored, tiny, told_by

ISR_SPACE = spaces.MultiDiscrete([3, 8])
SCRIPTS: list[Script] = [[(0.5, 1.0), (-0.25, 0.0), (0.0, 2.0)], [(0.25, 0.5), (0.0, None)]]


class ProvidingEnv(ScriptedEnv):
    """Gives the ISR action and step."""

    isr_action_space = ISR_SPACE

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """As usual, and the key."""
        isr_action = np.array([action, self.step_count])
        *result, info = super().step(action)
        return *result, {**info, "isr_action": isr_action}


class ForgetfulEnv(ProvidingEnv):
    """Leaves the key out at its second step."""

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """As usual, now and then without the key."""
        *result, info = super().step(action)
        if self.step_count == 2:
            del info["isr_action"]
        return *result, info


class UndeclaringEnv(ScriptedEnv):
    """Writes the key, but has no space for it."""

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """As usual, and the key."""
        *result, info = super().step(action)
        return *result, {**info, "isr_action": np.array([action, 0])}


def internal_reward(observations: Observations, actions: Array, *outcome: Any) -> Array:
    """10 times the learner's action, and the step."""
    return np.asarray(10 * actions[:, 0] + actions[:, 1])


def vectorized(env_cls: Any = ProvidingEnv, vec_env_cls: Any = DummyVecEnv) -> VecEnv:
    return VecISRReward(scripted_vec_env(SCRIPTS, vec_env_cls, env_cls=env_cls))


def one_by_one(env_cls: Any = ProvidingEnv, vec_env_cls: Any = DummyVecEnv) -> VecEnv:
    return scripted_vec_env(SCRIPTS, vec_env_cls, ISRRewardWrapper, env_cls)


def connect(venv: VecEnv, probability: float) -> None:
    if isinstance(venv, VecISRReward):
        venv.composer.connect(internal_reward, probability)
    else:
        venv.env_method("isr_connect", internal_reward, probability, 1.0, np.random.default_rng(0), False)


def collect(venv: VecEnv) -> list[Record]:
    return [venv.composer.collect()] if isinstance(venv, VecISRReward) else venv.env_method("isr_collect")


@pytest.mark.parametrize("make", [vectorized, one_by_one])
@pytest.mark.parametrize("vec_env_cls", [DummyVecEnv, partial(SubprocVecEnv, start_method="fork")], ids=["one", "many"])
def test_internal_rewards_and_labels_are_of_the_actions_that_the_isr_is_given(make: Any, vec_env_cls: Any) -> None:
    venv = make(vec_env_cls=vec_env_cls)
    venv.reset()
    connect(venv, 0.0)
    utilities = np.stack([venv.step(np.array([2, 1]))[1] for _ in range(2)])
    np.testing.assert_array_equal(utilities, [[0.5 + 20, 0.25 + 10], [-0.25 + 21, 0.0 + 11]])

    venv.reset()
    connect(venv, 1.0)
    for _ in range(2):
        venv.step(np.array([2, 1]))
    labels = [record.labels for record in collect(venv) if record.labels is not None]
    isr_actions = np.concatenate([batch.transitions.actions for batch in labels]).tolist()
    assert sorted(isr_actions) == [[1, 0], [2, 0], [2, 1]]
    venv.close()


@pytest.mark.parametrize("make", [vectorized, one_by_one])
def test_the_learner_keeps_its_own_action_space(make: Any, tmp_path: Path) -> None:
    model = DQN("MlpPolicy", make(), learning_starts=4, buffer_size=100, seed=0)
    callback = ISRCallback("leave_at_0.5", trainer_kwargs={"gradient_steps": 5})
    model.learn(60, callback=callback)
    assert model.action_space == spaces.Discrete(3)
    assert callback.isr.action_space == callback.store.action_space == ISR_SPACE
    # The values can be handed on to such an environment, and to no other.
    callback.isr.save(tmp_path / "isr.safetensors")
    isr = InternalSocialReward.load(tmp_path / "isr.safetensors")
    venv = VecISRReward(scripted_vec_env(SCRIPTS, env_cls=ProvidingEnv), isr=isr)
    venv.reset()
    seen = np.array([[0, 0], [1, 0]], np.float32), np.array([[2, 0], [1, 0]])
    expected = np.array([0.5, 0.25]) + isr.predict(*seen, np.array([[0, 1], [1, 1]], np.float32), np.zeros(2, bool))
    np.testing.assert_allclose(venv.step(np.array([2, 1]))[1], expected, rtol=1e-6)
    with pytest.raises(ValueError, match=r"MultiDiscrete.*got .*Discrete\(3\)"):
        VecISRReward(scripted_vec_env(SCRIPTS), isr=isr)


def test_a_resumed_run_continues_with_the_actions_of_the_isr(tmp_path: Path) -> None:
    def run(steps: int) -> ISRCallback:
        checkpoint = ISRCheckpoint(tmp_path, every=32)
        callback = ISRCallback("visits_0.3_0.2_0.1", trainer_kwargs={"gradient_steps": 5}, callback=checkpoint)
        venv = VecISRReward(ProsocialVecEnv(4, max_steps=10))
        if checkpoint.can_resume():
            model = checkpoint.resume(PPO, venv)
        else:
            model = PPO("MlpPolicy", venv, n_steps=8, batch_size=16, n_epochs=1, seed=0, device="cpu")
        model._total_timesteps = 320
        model.learn(steps - model.num_timesteps, callback=callback, reset_num_timesteps=False)
        return callback

    run(160)
    labels = run(320).store
    assert labels.n_added > 96
    for batch in labels.held_out_batches():
        assert batch.transitions.actions.shape[1:] == (2,)
        assert batch.transitions.actions.any(axis=0).all(), "both have done something"


def test_relabelling_is_refused_since_the_buffer_holds_the_learners_actions() -> None:
    model = DQN("MlpPolicy", vectorized(), buffer_size=100)
    with pytest.raises(ValueError, match=r"relabel=True .*MultiDiscrete\(\[3 8\]\).*own, Discrete\(3\)"):
        model.learn(10, callback=ISRCallback(relabel=True))


def step_twice(venv: VecEnv) -> None:
    for _ in range(2):
        venv.step(np.zeros(2, int))


@pytest.mark.parametrize("make", [vectorized, one_by_one])
@pytest.mark.parametrize(("env_cls", "got"), [(ForgetfulEnv, "that attribute"), (UndeclaringEnv, "that key")])
def test_a_key_without_a_space_or_a_space_without_a_key_is_refused(make: Any, env_cls: Any, got: str) -> None:
    venv = make(env_cls)
    venv.reset()
    step_twice(venv)  # unconnected, it is not checked
    connect(venv, 1.0)
    venv.reset()
    with pytest.raises(ValueError, match=rf"attribute isr_action_space, got only {got}; provide both, or neither"):
        step_twice(venv)


@pytest.mark.parametrize("algorithm", [PPO, DQN])
def test_learners_of_the_prosocial_game_internalize(algorithm: Any) -> None:
    """In the game itself: the caregiver's actions make a difference to the ISR."""
    network = PROSOCIAL_ONE_HOT
    env = gym.make("sb3_isr/Prosocial-v0", max_steps=20).unwrapped
    assert isinstance(env, ProsocialEnv)
    venv = VecISRReward(DummyVecEnv([lambda: gym.make("sb3_isr/Prosocial-v0", max_steps=20)] * 2))
    short: dict[str, Any] = (
        {"n_steps": 32, "batch_size": 32, "n_epochs": 1} if algorithm is PPO else {"buffer_size": 200}
    )
    model = algorithm("MlpPolicy", venv, policy_kwargs=network, seed=0, device="cpu", **short)
    # Such a short training hardly sees any praise: what the ISR predicts is left as it is.
    unlimited: dict[str, Any] = {"isr_kwargs": {**network, "limit_to_labels": "no"}, "store_kwargs": {"held_out": 0.0}}
    callback = ISRCallback("leave_at_0.5", **unlimited, trainer_kwargs={"gradient_steps": 10})
    model.learn(256, callback=callback)
    assert callback.isr.action_space == env.isr_action_space
    assert 100 <= callback.store.n_added <= 160
    observations, _ = env.reset(seed=0)
    seen = np.repeat(observations[None], 6, 0)
    by_caregiver = callback.isr.predict(seen, np.array([[0, a] for a in range(6)]), seen, np.zeros(6, bool))
    assert len(set(by_caregiver)) == 6


BOXES = [
    spaces.Box(-10, 10, (2,), np.int64),
    spaces.Box(-3, 3, (2,), np.int8),
    spaces.Box(0, 255, (2,), np.uint8),
    spaces.Box(-1, 1, (2,), np.float16),
    spaces.Box(-1, 1, (2,), np.float64),
    spaces.Box(-1, 1, (2,), np.float32),
]


@pytest.mark.parametrize("box", BOXES, ids=str)
@pytest.mark.parametrize("algorithm", [PPO, SAC])
@pytest.mark.parametrize("wrapper", [VecISRReward, None], ids=["vectorized", "one_by_one"])
def test_actions_are_stored_as_environments_were_told_whatever_the_box_holds(
    box: Any, algorithm: Any, wrapper: Any, tmp_path: Path
) -> None:
    """SB3 tells fractions to a Box of integers."""
    venv = scripted_vec_env(SCRIPTS, wrapper=None if wrapper else ISRRewardWrapper, action_space=box)
    callback = internalizing("always")
    model = tiny(algorithm, wrapper(venv) if wrapper else venv)
    model.learn(60, callback=callback)
    labelled = [t for of_one in told_by(model) for t in of_one if t.social_reward is not None]
    assert stored(callback) == in_order(labels_by_hand(labelled))
    told = np.array([t.action for t in labelled])
    assert algorithm is SAC or (told != np.round(told)).any()
    callback.train()
    callback.isr.save(tmp_path / "isr.safetensors")
    VecISRReward(
        scripted_vec_env(SCRIPTS, action_space=box), isr=InternalSocialReward.load(tmp_path / "isr.safetensors")
    )


def test_an_action_for_the_isr_that_its_space_cannot_hold_is_refused() -> None:
    class Fractions(ProvidingEnv):
        def step(self, action: Any) -> Any:
            *result, info = super().step(action)
            return *result, {**info, "isr_action": info["isr_action"] + 0.25}

    venv = vectorized(Fractions)
    venv.reset()
    connect(venv, 1.0)
    with pytest.raises(
        ValueError, match=r"element of isr_action_space, MultiDiscrete.*got \[\[0.25, 0.25.*floating dtype"
    ):
        venv.step(np.zeros(2, int))
