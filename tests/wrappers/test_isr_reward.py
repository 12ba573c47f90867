"""ISRRewardWrapper, the ISR wrapper for one Gymnasium environment, beside VecISRReward."""

from __future__ import annotations

import numpy as np
from stable_baselines3.common.vec_env import VecEnv

from sb3_isr import ISRRewardWrapper
from tests.scripted_env import ScriptedEnv, scripted_vec_env
from tests.wrappers.connected import SCRIPTS, connected, internal_reward


def generators() -> list[np.random.Generator]:
    return [np.random.default_rng(seed) for seed in range(2)]


def one_by_one() -> VecEnv:
    venv = scripted_vec_env(SCRIPTS, wrapper=ISRRewardWrapper)
    venv.reset()
    for i, rng in enumerate(generators()):
        venv.env_method("isr_connect", internal_reward, 0.5, 1.0, rng, True, indices=i)
    return venv


def test_it_composes_and_records_as_the_vectorized_wrapper_does() -> None:
    venv, vectorized = one_by_one(), connected(0.5, rngs=generators(), keeps_unattended=True)
    for _ in range(40):
        actions = np.array([1, 2])
        np.testing.assert_allclose(venv.step(actions)[1], vectorized.step(actions)[1])
        np.testing.assert_array_equal(
            venv.env_method("isr_last_internal_reward"), vectorized.composer.last_internal_rewards
        )
    first, second = venv.env_method("isr_collect")
    together = vectorized.composer.collect()
    assert first.statistics.merge(second.statistics) == together.statistics
    for name in ("labels", "unattended"):
        parts, whole = [getattr(record, name) for record in (first, second)], getattr(together, name)
        for i, part in enumerate(parts):
            of_one = whole.transitions.observations[:, 0] == i
            for mine, expected in zip(part.transitions, whole.transitions.select(of_one), strict=True):
                np.testing.assert_array_equal(mine, expected)
    states = [rng.bit_generator.state for rng in venv.env_method("isr_rng")]
    assert states == [rng.bit_generator.state for rng in vectorized.composer.attendance.rngs]
    venv.env_method("isr_disconnect")
    assert venv.step(np.array([1, 2]))[1].dtype == np.float32


def test_it_returns_a_python_float() -> None:
    """check_env rejects np.float32 as a reward."""
    env = ISRRewardWrapper(ScriptedEnv(SCRIPTS[0]))
    env.reset()
    env.isr_connect(internal_reward, 0.0, 1.0, np.random.default_rng(0), False)
    assert type(env.step(1)[1]) is float
