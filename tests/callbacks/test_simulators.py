"""Simulators continue in mid-episode after a resume, or it is said that they do not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import gymnasium as gym
import pytest
from stable_baselines3 import A2C
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.vec_env import (
    VecEnv,
)

from sb3_isr import SocialRewardWrapper, TaskRewardCaregiver
from sb3_isr import VecISRReward as Wrapped
from tests.callbacks.resumed import Laps, check_resumed_equals_uninterrupted, small_ppo


def simulated(name: str, **kwargs: Any) -> Callable[[], VecEnv]:
    """Makes monitored environments with a caregiver who praises as the task does."""

    def single() -> Any:
        return SocialRewardWrapper(gym.make(name, **kwargs), TaskRewardCaregiver())

    return lambda: Wrapped(make_vec_env(single, 2))


@pytest.mark.parametrize("name", ["Hopper-v5", "InvertedPendulum-v5", "Humanoid-v5"])
def test_mujoco_continues_in_mid_episode_bit_for_bit(name: str, tmp_path: Path) -> None:
    pytest.importorskip("mujoco")
    check_resumed_equals_uninterrupted(tmp_path, simulated(name), small_ppo)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["LunarLander-v3", "BipedalWalker-v3"])
def test_box2d_starts_new_episodes_and_says_so(name: str, tmp_path: Path) -> None:
    pytest.importorskip("Box2D")
    laps = Laps(tmp_path, simulated(name), A2C_small)
    simulator = name.split("-")[0]
    with pytest.warns(UserWarning, match=rf"After a resume, .*{simulator}\.\w+ cannot be pickled"):
        laps.run(160, interrupt_at=80)
    with pytest.warns(UserWarning, match=rf"Resumed at step 80, .*{simulator}\.\w+ cannot be pickled"):
        laps.run(400)
    assert laps.callback.store.n_added == 400


@pytest.mark.slow
def test_atari_starts_new_episodes_and_says_so(tmp_path: Path) -> None:
    """ALE's states lack the action that a sticky action repeats, so that continuing from them is not exact."""
    ale_py = pytest.importorskip("ale_py")
    gym.register_envs(ale_py)
    laps = Laps(tmp_path, simulated("ALE/Breakout-v5", obs_type="ram"), A2C_small)
    with pytest.warns(UserWarning, match=r"After a resume, .*AtariEnv\.ale cannot be pickled"):
        laps.run(160, interrupt_at=80)
    with pytest.warns(UserWarning, match=r"Resumed at step 80, .*AtariEnv\.ale cannot be pickled"):
        laps.run(200)
    assert laps.callback.store.n_added == 200


def A2C_small(env: Any) -> A2C:  # noqa: N802
    """A learner with short rollouts."""
    return A2C("MlpPolicy", env, n_steps=5, seed=0, device="cpu", policy_kwargs={"net_arch": [8]})
