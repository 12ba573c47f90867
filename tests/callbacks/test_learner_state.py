"""What a learner holds besides its weights is restored."""

from __future__ import annotations

import io
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from gymnasium import spaces
from stable_baselines3 import DQN, SAC, TD3
from stable_baselines3.common.noise import OrnsteinUhlenbeckActionNoise
from stable_baselines3.common.vec_env import DummyVecEnv, VecEnv

from sb3_isr import HackingWatch, ISRCallback, ISRCheckpoint, RandomQueries, VecISRReward
from sb3_isr.callbacks.state_pickle import dumps, loads
from tests.callbacks.counting import Counting
from tests.callbacks.learners import QUICK, off_policy, ppo, scripted
from tests.callbacks.resumed import Laps, check_resumed_equals_uninterrupted, small_ppo
from tests.scripted_env import scripted_vec_env

SCRIPT = [(-0.5, 0.0), (-0.5, 0.0), (0.0, 1.0)] * 7
TWO_ACTIONS = spaces.Box(-1, 1, (2,), np.float32)


def continuous(n: int = 2) -> VecEnv:
    """Environments with continuous actions and episodes of 21 steps."""
    return VecISRReward(scripted_vec_env([SCRIPT] * n, action_space=TWO_ACTIONS))


@pytest.mark.slow
def test_matrices_of_gsde_are_restored(tmp_path: Path) -> None:
    check_resumed_equals_uninterrupted(tmp_path / "ppo", continuous, partial(small_ppo, use_sde=True))
    make_sac = partial(off_policy, SAC, use_sde=True, train_freq=8, learning_starts=16)
    check_resumed_equals_uninterrupted(tmp_path / "sac", continuous, make_sac)


@pytest.mark.slow
def test_correlated_action_noise_goes_on_where_it_was(tmp_path: Path) -> None:
    for n in (1, 2):

        def make_model(env: Any) -> Any:
            noise = OrnsteinUhlenbeckActionNoise(np.zeros(2), np.ones(2))
            return off_policy(TD3, env, action_noise=noise, learning_starts=10, train_freq=(5, "step"))

        check_resumed_equals_uninterrupted(tmp_path / str(n), partial(continuous, n), make_model)


def test_memories_of_recurrent_learners_are_restored(tmp_path: Path) -> None:
    contrib = pytest.importorskip("sb3_contrib")

    def make_model(env: Any) -> Any:
        return contrib.RecurrentPPO("MlpLstmPolicy", env, n_steps=16, batch_size=16, n_epochs=1, seed=0, device="cpu")

    check_resumed_equals_uninterrupted(tmp_path, continuous, make_model)


@pytest.mark.slow
@pytest.mark.parametrize("algorithm", ["PPO", "SAC"])
def test_random_keys_of_sbx_are_restored(algorithm: str, tmp_path: Path) -> None:
    sbx = pytest.importorskip("sbx")
    kwargs = {"n_steps": 16, "batch_size": 16} if algorithm == "PPO" else {"learning_starts": 20, "batch_size": 8}

    def make_model(env: Any) -> Any:
        return getattr(sbx, algorithm)("MlpPolicy", env, seed=0, **kwargs)

    check_resumed_equals_uninterrupted(tmp_path, continuous, make_model)


def test_schedules_counters_and_buffers_go_on_where_they_were(tmp_path: Path) -> None:
    """Exploration, learning rate, target updates, Monitor's window and a replay buffer that has wrapped around."""

    def make_model(env: Any) -> Any:
        return off_policy(
            DQN,
            env,
            buffer_size=60,
            learning_rate=lambda remaining: 1e-2 * remaining,
            exploration_fraction=0.8,
            target_update_interval=22,
            n_steps=3,
        )

    laps = [Laps(tmp_path / name, scripted, make_model) for name in ("whole", "parts")]
    laps[0].run(200)
    laps[1].run(200, interrupt_at=120).run(200)
    whole, parts = (lap.model for lap in laps)
    for name in ("exploration_rate", "_n_calls", "_n_updates", "_episode_num", "num_timesteps"):
        assert getattr(whole, name) == getattr(parts, name), name
    buffers: list[Any] = [model.replay_buffer for model in (whole, parts)]  # type: ignore[attr-defined]
    assert (buffers[0].pos, buffers[0].full) == (buffers[1].pos, buffers[1].full) == (buffers[0].pos, True)
    for name in ("observations", "actions", "rewards", "dones", "timeouts"):
        np.testing.assert_array_equal(getattr(buffers[0], name), getattr(buffers[1], name))
    optimizers = [model.policy.optimizer.state_dict()["state"][0]["exp_avg"] for model in (whole, parts)]
    assert torch.equal(*optimizers)


@pytest.mark.slow
def test_labels_under_a_budget_are_collected_at_the_same_steps_after_a_resume(tmp_path: Path) -> None:
    """Off-policy, long episodes are collected every so many calls, and which labels are chosen depends on it."""

    def make_callback(child: ISRCheckpoint) -> ISRCallback:
        return ISRCallback("always", RandomQueries(60), callback=child, **QUICK)

    def make_env() -> VecEnv:
        return VecISRReward(scripted_vec_env([[(0.0, 1.0)] * 900], truncates=True))

    check_resumed_equals_uninterrupted(
        tmp_path,
        make_env,
        partial(off_policy, DQN, learning_starts=2000),
        total=850,
        interrupt_at=170,
        make_callback=make_callback,
        every=100,
    )


def test_a_coefficient_that_was_set_is_restored(tmp_path: Path) -> None:
    laps = Laps(tmp_path, scripted, ppo, lambda child: ISRCallback("always", callback=child, **QUICK))
    checkpoint = ISRCheckpoint(tmp_path, 32)
    callback = ISRCallback("always", callback=checkpoint, **QUICK)
    model = ppo()
    model.learn(64, callback=callback)
    callback.set_coefficient(0.25)
    model.learn(64, callback=callback, reset_num_timesteps=False)
    laps.model = model
    assert laps.run(192).callback.coefficient == 0.25


def test_an_alarm_of_a_watch_that_only_warns_does_not_lower_the_coefficient_of_one_that_lowers(tmp_path: Path) -> None:
    def training(remedy: Any) -> tuple[ISRCheckpoint, ISRCallback, HackingWatch]:
        checkpoint, watch = ISRCheckpoint(tmp_path, 32), HackingWatch(remedy=remedy)
        return checkpoint, ISRCallback("always", callback=[watch, checkpoint], **QUICK), watch

    _, callback, watch = training("warn")
    watch.alarms = [(1, 1.0, 1.0)] * 3  # type: ignore[list-item]
    ppo().learn(96, callback=callback)
    checkpoint, callback, watch = training("lower")
    checkpoint.resume(type(ppo()), scripted(), device="cpu")
    assert len(watch.alarms) == 3
    assert callback.coefficient == 1.0


def test_the_state_of_a_process_with_a_gpu_loads_without_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """Parameters to roll back to, for example. torch notes the device of each tensor."""
    with monkeypatch.context() as patch:
        patch.setattr(torch.serialization, "location_tag", lambda storage: "cuda:99")
        data = dumps({"parameters": [torch.arange(3.0)]})
    with pytest.raises(RuntimeError, match="CUDA"):
        torch.load(io.BytesIO(_torch_file(monkeypatch)))
    assert torch.equal(loads(data)["parameters"][0], torch.arange(3.0))


def _torch_file(monkeypatch: pytest.MonkeyPatch) -> bytes:
    file = io.BytesIO()
    with monkeypatch.context() as patch:
        patch.setattr(torch.serialization, "location_tag", lambda storage: "cuda:99")
        torch.save(torch.arange(3.0), file)
    return file.getvalue()


def test_the_learner_draws_from_the_same_space_as_the_environments_after_a_resume(tmp_path: Path) -> None:
    laps = Laps(tmp_path, lambda: VecISRReward(DummyVecEnv([Counting])), small_ppo).run(64, interrupt_at=48).run(64)
    assert laps.model.action_space is laps.env.action_space
