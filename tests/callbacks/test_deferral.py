"""Deferred internal rewards: what comes of a training is the same as step by step, and when they are not deferred."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
from gymnasium import spaces
from stable_baselines3 import A2C, DQN, PPO, SAC
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.buffers import ReplayBuffer
from stable_baselines3.common.callbacks import BaseCallback, CallbackList
from stable_baselines3.common.vec_env import (
    VecEnv,
    VecNormalize,
)

from sb3_isr import InternalSocialReward, ISRCallback, VecISRReward
from sb3_isr.common.batches import Array
from tests.algorithm_cells import CELLS, SCRIPTS, THRUST
from tests.callbacks.learners import weights_of
from tests.scripted_env import Script, scripted_vec_env

QUICK: dict[str, Any] = {
    "isr_kwargs": {"net_arch": (16,)},
    "trainer_kwargs": {"gradient_steps": 5},
    "store_kwargs": {"held_out": 0.0},
}
#: Three environments, so that rollouts and episodes end at different steps.
THREE: list[Script] = [*SCRIPTS, [(0.125, 1.0)] * 5]
N_STEPS = 240


class Kept(BaseCallback):
    """Keeps what the learner learns from: returns at each rollout's end, and the whole replay buffer at the end."""

    def __init__(self) -> None:
        super().__init__()
        self.arrays: list[Array] = []

    def _on_step(self) -> bool:
        return True

    def _on_rollout_end(self) -> None:
        if isinstance(self.model, PPO | A2C) or hasattr(self.model, "rollout_buffer"):
            buffer: Any = self.model.rollout_buffer
            self.arrays += [buffer.rewards.copy(), buffer.returns.copy()]

    def _on_training_end(self) -> None:
        if isinstance(buffer := getattr(self.model, "replay_buffer", None), ReplayBuffer):
            self.arrays.append(buffer.rewards.copy())


class Passes:
    """Counts the calls of the ISR."""

    def __init__(self, isr: InternalSocialReward) -> None:
        self.sizes: list[int] = []
        isr.register_forward_hook(lambda _, inputs, __: self.sizes.append(len(inputs[1])))


@dataclass
class Case:
    """A training in which internal rewards are deferred."""

    make: Callable[[VecEnv], BaseAlgorithm]
    presence: str = "leave_at_0.4"
    kwargs: dict[str, Any] = field(default_factory=dict)
    outside: Callable[[VecEnv], VecEnv] = lambda venv: venv
    env_kwargs: dict[str, Any] = field(default_factory=dict)
    act: Callable[[ISRCallback], None] = lambda callback: None

    def train(self, defer_rewards: bool) -> tuple[ISRCallback, list[Array], BaseAlgorithm]:
        venv = self.outside(VecISRReward(scripted_vec_env(THREE, **self.env_kwargs)))
        model, kept = self.make(venv), Kept()
        callback = ISRCallback(self.presence, **QUICK, **self.kwargs, seed=3, defer_rewards=defer_rewards)
        model.learn(N_STEPS, callback=CallbackList([Acting(callback, self.act), callback, kept]))
        return callback, kept.arrays, model


class Acting(BaseCallback):
    """Does something to another callback, in the middle of a rollout."""

    def __init__(self, other: ISRCallback, act: Callable[[ISRCallback], None]) -> None:
        super().__init__()
        self.other, self.act = other, act

    def _on_step(self) -> bool:
        if self.n_calls % 7 == 0:
            self.act(self.other)
        return True


def ppo(venv: VecEnv, **kwargs: Any) -> BaseAlgorithm:
    return PPO("MlpPolicy", venv, n_steps=16, batch_size=16, n_epochs=1, seed=0, device="cpu", **kwargs)


def a2c(venv: VecEnv) -> BaseAlgorithm:
    return A2C("MlpPolicy", venv, n_steps=5, seed=0, device="cpu")


def dqn(venv: VecEnv, **kwargs: Any) -> BaseAlgorithm:
    arguments = {"buffer_size": 600, "learning_starts": 20, "batch_size": 8, "train_freq": 5, **kwargs}
    return DQN("MlpPolicy", venv, seed=0, device="cpu", **arguments)


def sac(venv: VecEnv) -> BaseAlgorithm:
    return SAC("MlpPolicy", venv, learning_starts=20, batch_size=8, train_freq=4, seed=0, device="cpu")


def lower(callback: ISRCallback) -> None:
    callback.set_coefficient(callback.coefficient * 0.75)


def train_now(callback: ISRCallback) -> None:
    if callback.internalizer.has_new_labels():
        callback.train()


CASES = {
    "PPO": Case(ppo),
    "PPO in autonomy": Case(ppo, "leave_at_0.1"),
    "PPO, presence fades": Case(ppo, "fade_0.2_0.9"),
    "PPO, visits": Case(ppo, "visits_0.3_0.2_0.1"),
    "PPO, timeouts": Case(ppo, env_kwargs={"truncates": True}),
    "PPO, the ISR is trained in mid-rollout": Case(ppo, "fade_0.2_0.9", {"train_every": 30}),
    "PPO, another callback trains it": Case(ppo, "fade_0.2_0.9", act=train_now),
    "PPO, another callback changes the coefficient": Case(ppo, "leave_at_0.2", act=lower),
    "PPO, queries": Case(ppo, "leave_at_0.3", {"queries": "random_40"}),
    "PPO, a watch": Case(
        ppo,
        "leave_at_0.3",
        {
            "callback": {
                "sb3_isr.HackingWatch": {"remedy": "lower", "window": 20, "max_rise": 1e-6, "max_uncertainty": 1e-6}
            }
        },
    ),
    "PPO, VecNormalize": Case(ppo, outside=lambda venv: VecNormalize(venv, norm_reward=False)),
    "PPO, gSDE": Case(lambda venv: ppo(venv, use_sde=True), env_kwargs={"action_space": THRUST}),
    "A2C": Case(a2c),
    "DQN": Case(dqn),
    "DQN, presence fades": Case(dqn, "fade_0.2_0.9"),
    "DQN, a small buffer": Case(lambda venv: dqn(venv, buffer_size=36)),
    "DQN, a buffer as small as a rollout": Case(lambda venv: dqn(venv, buffer_size=12)),
    "DQN, n-step returns": Case(lambda venv: dqn(venv, n_steps=3)),
    "DQN, memory optimized": Case(
        lambda venv: dqn(venv, optimize_memory_usage=True, replay_buffer_kwargs={"handle_timeout_termination": False})
    ),
    "DQN, VecNormalize": Case(dqn, outside=lambda venv: VecNormalize(venv, norm_reward=False)),
    "DQN, the ISR is trained in mid-rollout": Case(dqn, "fade_0.2_0.9", {"train_every": 30}),
    "SAC": Case(sac, env_kwargs={"action_space": THRUST}),
}


@pytest.mark.parametrize("name", CASES)
def test_a_training_is_the_same_as_step_by_step(name: str) -> None:
    case = CASES[name]
    (deferred, rewards, model), (plain, expected, other) = case.train(True), case.train(False)
    assert len(rewards) == len(expected) > 0
    for mine, of_steps in zip(rewards, expected, strict=True):
        np.testing.assert_allclose(mine, of_steps, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(weights_of(model.policy), weights_of(other.policy), atol=1e-5)
    np.testing.assert_array_equal(weights_of(deferred.isr), weights_of(plain.isr))
    assert deferred.store.n_added == plain.store.n_added
    np.testing.assert_array_equal(deferred.store.labels().social_rewards, plain.store.labels().social_rewards)


@pytest.mark.slow
@pytest.mark.parametrize("cell", ["TRPO", "RecurrentPPO", "MaskablePPO", "QRDQN-dict", "SBX-PPO", "SBX-DQN"])
def test_other_algorithms_learn_the_same_as_step_by_step(cell: str) -> None:
    kept = {}
    for defer_rewards in (True, False):
        model, kept[defer_rewards] = CELLS[cell].model(0), Kept()
        callback = ISRCallback("leave_at_0.4", **QUICK, seed=3, defer_rewards=defer_rewards)
        model.learn(96, callback=[callback, kept[defer_rewards]])
    for mine, of_steps in zip(kept[True].arrays, kept[False].arrays, strict=True):
        np.testing.assert_allclose(mine, of_steps, rtol=1e-5, atol=2e-5)


@pytest.mark.parametrize(("make", "n_calls", "n_transitions"), [(ppo, 6, 288), (dqn, 17, 255)])
def test_the_isr_is_called_once_a_rollout(
    make: Callable[[VecEnv], BaseAlgorithm], n_calls: int, n_transitions: int
) -> None:
    venv = VecISRReward(scripted_vec_env(THREE))
    isr = InternalSocialReward(venv.observation_space, venv.action_space, net_arch=(8,))
    passes = Passes(isr)
    make(venv).learn(N_STEPS + 1, callback=ISRCallback("never", isr=isr))
    assert len(passes.sizes) == n_calls
    assert sum(passes.sizes) == n_transitions


def test_a_buffer_that_is_replaced_gets_its_rewards_too() -> None:
    class Replace(BaseCallback):
        def _on_step(self) -> bool:
            return True

        def _on_rollout_end(self) -> None:
            assert isinstance(self.model, DQN)
            self.model.replay_buffer = copy.deepcopy(self.model.replay_buffer)

    buffers = {}
    for defer_rewards in (True, False):
        venv = VecISRReward(scripted_vec_env(THREE))
        isr = InternalSocialReward(venv.observation_space, venv.action_space, net_arch=(8,))
        model = dqn(venv)
        model.learn(60, callback=[ISRCallback("never", isr=isr, defer_rewards=defer_rewards), Replace()])
        assert isinstance(model, DQN)
        assert model.replay_buffer is not None
        buffers[defer_rewards] = model.replay_buffer.rewards[:20].copy()
    np.testing.assert_allclose(buffers[True], buffers[False], atol=1e-5)
    assert np.count_nonzero(buffers[True]) > 50


def test_nothing_is_left_unpaid_by_an_interrupt() -> None:
    """What waits when the user interrupts is added before the labels are looked at or the next training starts."""

    class Interrupt(BaseCallback):
        def _on_step(self) -> bool:
            if self.n_calls == 23:
                raise KeyboardInterrupt
            return True

    buffers = {}
    for defer_rewards in (True, False):
        venv = VecISRReward(scripted_vec_env(THREE))
        isr = InternalSocialReward(venv.observation_space, venv.action_space, net_arch=(8,))
        model, callback = dqn(venv), ISRCallback("never", isr=isr, defer_rewards=defer_rewards)
        with pytest.raises(KeyboardInterrupt):
            model.learn(N_STEPS, callback=[callback, Interrupt()])
        callback.collect()
        assert isinstance(model, DQN)
        assert model.replay_buffer is not None
        buffers[defer_rewards] = model.replay_buffer.rewards[:30].copy()
    np.testing.assert_allclose(buffers[True], buffers[False], atol=1e-5)
    assert np.count_nonzero(buffers[True]) > 60


def test_a_long_rollout_is_worked_off_in_pieces() -> None:
    scripts: list[Script] = [[(0.25, 1.0)] * 4] * 40
    rewards = {}
    for defer_rewards in (True, False):
        venv = VecISRReward(scripted_vec_env(scripts, observation_space=spaces.Box(0, 1000, (2,), np.float32)))
        isr = InternalSocialReward(venv.observation_space, venv.action_space, net_arch=(8,))
        model = PPO("MlpPolicy", venv, n_steps=64, batch_size=640, n_epochs=1, seed=0, device="cpu")
        passes, kept = Passes(isr), Kept()
        model.learn(2560, callback=[ISRCallback("never", isr=isr, defer_rewards=defer_rewards), kept])
        rewards[defer_rewards] = kept.arrays[0]
        assert max(passes.sizes) <= 128
    np.testing.assert_allclose(rewards[True], rewards[False], atol=1e-5)
