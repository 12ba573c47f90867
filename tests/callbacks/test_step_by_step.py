"""Where something else depends on the reward of each step, internal rewards are not deferred."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from stable_baselines3 import PPO
from stable_baselines3.common.buffers import ReplayBuffer
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.vec_env import DummyVecEnv, SubprocVecEnv, VecEnv, VecEnvWrapper, VecMonitor, VecNormalize

from sb3_isr import ISRCallback, ISRRewardWrapper, VecISRReward
from tests.algorithm_cells import SCRIPTS
from tests.callbacks.test_deferral import QUICK, dqn, ppo
from tests.scripted_env import scripted_vec_env


class Doubling(VecEnvWrapper):
    """Changes rewards."""

    def reset(self) -> Any:
        return self.venv.reset()

    def step_wait(self) -> Any:
        observations, rewards, dones, infos = self.venv.step_wait()
        return observations, 2 * rewards, dones, infos


class OwnPPO(PPO):
    """May do anything with rewards."""

    def collect_rollouts(self, *args: Any, **kwargs: Any) -> bool:
        return super().collect_rollouts(*args, **kwargs)


class OwnBuffer(ReplayBuffer):
    """May do anything with rewards."""

    def add(self, *args: Any) -> None:
        super().add(*args)


class Reader(BaseCallback):
    """Needs the utility of each step."""

    reads_rewards = True

    def _on_step(self) -> bool:
        return True


def wrapped(make: Callable[[VecEnv], VecEnv]) -> Callable[[], VecEnv]:
    return lambda: make(VecISRReward(scripted_vec_env(SCRIPTS)))


def in_environments(vec_env_cls: Any) -> Callable[[], VecEnv]:
    return lambda: scripted_vec_env(SCRIPTS, vec_env_cls, ISRRewardWrapper)


STEP_BY_STEP: dict[str, tuple[Any, Callable[[], VecEnv], dict[str, Any], str]] = {
    "a wrapper that changes rewards": (ppo, wrapped(Doubling), {}, "Doubling may change rewards"),
    "a monitor of utilities": (ppo, wrapped(VecMonitor), {}, "VecMonitor may change rewards"),
    "normalized rewards": (ppo, wrapped(VecNormalize), {}, "VecNormalize normalizes rewards"),
    "wrappers in environments": (ppo, in_environments(DummyVecEnv), {}, "not VecISRReward"),
    "wrappers in processes": (ppo, in_environments(SubprocVecEnv), {}, "not VecISRReward"),
    "an algorithm of the user's": (
        lambda venv: OwnPPO("MlpPolicy", venv, n_steps=16, batch_size=16, device="cpu"),
        wrapped(lambda venv: venv),
        {},
        "OwnPPO may do anything",
    ),
    "a buffer of the user's": (
        lambda venv: dqn(venv, replay_buffer_class=OwnBuffer),
        wrapped(lambda venv: venv),
        {},
        "OwnBuffer may do anything",
    ),
    "training after each step": (lambda venv: dqn(venv, train_freq=1), wrapped(lambda venv: venv), {}, "each step"),
    "relabelling": (dqn, wrapped(lambda venv: venv), {"relabel": True}, "relabel=True"),
    "the user's wish": (ppo, wrapped(lambda venv: venv), {"defer_rewards": False}, "defer_rewards=False"),
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", STEP_BY_STEP)
def test_step_by_step_where_something_else_depends_on_rewards(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    make, make_env, kwargs, reason = STEP_BY_STEP[name]
    model = make(make_env())
    callback = ISRCallback("leave_at_0.4", **QUICK, **kwargs, verbose=1)
    model.learn(96, callback=callback)
    assert "Internal rewards are computed at each step (" in (printed := capsys.readouterr().out)
    assert reason in printed
    model.env.close()


def test_a_callback_may_ask_for_the_utility_of_each_step(capsys: pytest.CaptureFixture[str]) -> None:
    model = ppo(VecISRReward(scripted_vec_env(SCRIPTS)))
    model.learn(96, callback=[ISRCallback("leave_at_0.4", **QUICK, verbose=1), Reader()])
    assert "at each step (Reader reads the rewards of each step)" in capsys.readouterr().out
