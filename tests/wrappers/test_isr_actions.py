"""An environment may tell the ISR more than the learner's own action."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium import spaces
from stable_baselines3 import DQN, PPO
from stable_baselines3.common.vec_env import DummyVecEnv, SubprocVecEnv, VecEnv

from sb3_isr import InternalSocialReward, ISRCallback, ISRRewardWrapper, VecISRReward
from sb3_isr.common.spaces import Array, Observations
from sb3_isr.envs import ProsocialEnv, ProsocialVecEnv
from sb3_isr.isr.extractors import GridOneHot
from tests.scripted_env import Script, ScriptedEnv, scripted_vec_env

HEARD = spaces.MultiDiscrete([3, 8])
SCRIPTS: list[Script] = [[(0.5, 1.0), (-0.25, 0.0), (0.0, 2.0)], [(0.25, 0.5), (0.0, None)]]


class TellingEnv(ScriptedEnv):
    """Tells the ISR action and step."""

    isr_action_space = HEARD

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """As usual, and the key."""
        heard = np.array([action, self.step_count])
        *result, info = super().step(action)
        return *result, {**info, "isr_action": heard}


class ForgetfulEnv(TellingEnv):
    """Leaves the key out at its second step."""

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """As usual, now and then without the key."""
        *result, info = super().step(action)
        if self.step_count == 2:
            del info["isr_action"]
        return *result, info


class ChattyEnv(ScriptedEnv):
    """Writes the key without a space of it."""

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """As usual, and the key."""
        *result, info = super().step(action)
        return *result, {**info, "isr_action": np.array([action, 0])}


def internal_reward(observations: Observations, actions: Array) -> Array:
    """10 times the learner's action, and the step."""
    return np.asarray(10 * actions[:, 0] + actions[:, 1])


def vectorized(env_cls: Any = TellingEnv, vec_env_cls: Any = DummyVecEnv) -> VecEnv:
    return VecISRReward(scripted_vec_env(SCRIPTS, vec_env_cls, env_cls=env_cls))


def one_by_one(env_cls: Any = TellingEnv, vec_env_cls: Any = DummyVecEnv) -> VecEnv:
    return scripted_vec_env(SCRIPTS, vec_env_cls, ISRRewardWrapper, env_cls)


def call(venv: VecEnv, method: str, *args: Any) -> list[Any]:
    if isinstance(venv, VecISRReward):
        return [venv.isr_call(method, *args)]
    return venv.env_method("isr_call", method, *args)


@pytest.mark.parametrize("make", [vectorized, one_by_one])
@pytest.mark.parametrize("vec_env_cls", [DummyVecEnv, partial(SubprocVecEnv, start_method="fork")], ids=["one", "many"])
def test_the_isr_rewards_and_is_taught_what_it_hears(make: Any, vec_env_cls: Any) -> None:
    venv = make(vec_env_cls=vec_env_cls)
    venv.reset()
    call(venv, "connect", internal_reward, 0.0)
    utilities = np.stack([venv.step(np.array([2, 1]))[1] for _ in range(2)])
    np.testing.assert_array_equal(utilities, [[0.5 + 20, 0.25 + 10], [-0.25 + 21, 0.0 + 11]])

    venv.reset()
    call(venv, "connect", internal_reward, 1.0)
    for _ in range(2):
        venv.step(np.array([2, 1]))
    labels = [batch for batch in call(venv, "take_labels") if batch is not None]
    heard = np.concatenate([batch.actions for batch in labels]).tolist()
    assert sorted(heard) == [[1, 0], [2, 0], [2, 1]]
    venv.close()


@pytest.mark.parametrize("make", [vectorized, one_by_one])
def test_the_learner_acts_as_ever_while_the_isr_has_the_space_it_hears(make: Any, tmp_path: Path) -> None:
    model = DQN("MlpPolicy", make(), learning_starts=4, buffer_size=100, seed=0)
    callback = ISRCallback("leave_at_0.5", gradient_steps=5)
    model.learn(60, callback=callback)
    assert model.action_space == spaces.Discrete(3)
    assert callback.isr.action_space == callback.store.action_space == HEARD
    # The values can be handed on to such an environment, and to no other.
    callback.isr.save(tmp_path / "isr.safetensors")
    isr = InternalSocialReward.load(tmp_path / "isr.safetensors")
    venv = VecISRReward(scripted_vec_env(SCRIPTS, env_cls=TellingEnv), isr=isr)
    venv.reset()
    observation = np.array([[0, 0], [1, 0]], np.float32)
    expected = np.array([0.5, 0.25]) + isr.predict(observation, np.array([[2, 0], [1, 0]]))
    np.testing.assert_allclose(venv.step(np.array([2, 1]))[1], expected, rtol=1e-6)
    with pytest.raises(ValueError, match=r"MultiDiscrete.*got .*Discrete\(3\)"):
        VecISRReward(scripted_vec_env(SCRIPTS), isr=isr)


def test_a_resumed_run_goes_on_with_what_it_heard(tmp_path: Path) -> None:
    def run(steps: int) -> ISRCallback:
        callback = ISRCallback("visits_0.3_0.2_0.1", gradient_steps=5, checkpoint_dir=tmp_path, checkpoint_every=32)
        venv = VecISRReward(ProsocialVecEnv(4, max_steps=10))
        if ISRCallback.can_resume(tmp_path):
            model = callback.resume(PPO, venv)
        else:
            model = PPO("MlpPolicy", venv, n_steps=8, batch_size=16, n_epochs=1, seed=0, device="cpu")
        model._total_timesteps = 320
        model.learn(steps - model.num_timesteps, callback=callback, reset_num_timesteps=False)
        return callback

    run(160)
    labels = run(320).store
    assert labels.n_added > 96
    for batch in labels.held_out_batches():
        assert batch.actions.shape[1:] == (2,)
        assert batch.actions.any(axis=0).all(), "both have done something"


def test_relabelling_is_refused_since_the_buffer_has_not_heard() -> None:
    model = DQN("MlpPolicy", vectorized(), buffer_size=100)
    with pytest.raises(ValueError, match=r"relabel=True .*MultiDiscrete\(\[3 8\]\).*own actions, Discrete\(3\)"):
        model.learn(10, callback=ISRCallback(relabel=True))


def step_twice(venv: VecEnv) -> None:
    for _ in range(2):
        venv.step(np.zeros(2, int))


@pytest.mark.parametrize("make", [vectorized, one_by_one])
@pytest.mark.parametrize(("env_cls", "got"), [(ForgetfulEnv, "that space"), (ChattyEnv, "that key")])
def test_half_of_what_it_takes_is_refused(make: Any, env_cls: Any, got: str) -> None:
    venv = make(env_cls)
    venv.reset()
    step_twice(venv)  # unconnected, nothing is asked
    call(venv, "connect", internal_reward, 1.0)
    venv.reset()
    with pytest.raises(ValueError, match=rf"attribute isr_action_space, got {got} alone; give both, or neither"):
        step_twice(venv)


@pytest.mark.parametrize("algorithm", [PPO, DQN])
def test_learners_of_the_prosocial_game_internalize(algorithm: Any) -> None:
    """In the game itself, which other environments are like: the caregiver's actions make a difference to the ISR."""
    network = {"features_extractor_class": GridOneHot, "normalize_images": False}
    env = gym.make("sb3_isr/Prosocial-v0", max_steps=20).unwrapped
    assert isinstance(env, ProsocialEnv)
    venv = VecISRReward(DummyVecEnv([lambda: gym.make("sb3_isr/Prosocial-v0", max_steps=20)] * 2))
    short: dict[str, Any] = (
        {"n_steps": 32, "batch_size": 32, "n_epochs": 1} if algorithm is PPO else {"buffer_size": 200}
    )
    model = algorithm("MlpPolicy", venv, policy_kwargs=network, seed=0, device="cpu", **short)
    unlimited = {**network, "limit_to_labels": "no"}  # such a short training hardly sees any praise
    callback = ISRCallback("leave_at_0.5", isr_kwargs=unlimited, gradient_steps=10)
    model.learn(256, callback=callback)
    assert callback.isr.action_space == env.isr_action_space
    assert 100 <= callback.store.n_added <= 160
    observations, _ = env.reset(seed=0)
    by_caregiver = callback.isr.predict(np.repeat(observations[None], 6, 0), np.array([[0, a] for a in range(6)]))
    assert len(set(by_caregiver)) == 6
