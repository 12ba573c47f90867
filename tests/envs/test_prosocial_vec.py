"""The batched prosocial game returns what the single one returns."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.vec_env import DummyVecEnv

from sb3_isr.envs.prosocial.env import ProsocialEnv
from sb3_isr.envs.prosocial.helper import helpful_action
from sb3_isr.envs.prosocial.vec_env import ProsocialVecEnv


def step(venv: ProsocialVecEnv, actions: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray, list[dict[str, Any]]]:
    """As ``VecEnv.step``, which is typed for dictionaries of observations too."""
    venv.step_async(np.asarray(actions))
    return venv.step_wait()


def plain(info: dict[str, Any]) -> dict[str, Any]:
    """The info in a comparable form, without Monitor's time."""
    info = {key: value.tolist() if isinstance(value, np.ndarray) else value for key, value in info.items()}
    return {**info, "episode": {**info["episode"], "t": None}} if "episode" in info else info


@pytest.mark.parametrize("kwargs", [{}, {"max_steps": 31}])
def test_equals_the_single_game_step_for_step(kwargs: dict[str, Any]) -> None:
    single = DummyVecEnv([lambda: Monitor(ProsocialEnv(**kwargs))] * 5)
    batched = ProsocialVecEnv(5, **kwargs)
    assert batched.observation_space == single.observation_space
    assert batched.action_space == single.action_space
    assert batched.get_attr("isr_action_space") == single.get_attr("isr_action_space")
    single.seed(3)
    batched.seed(3)
    np.testing.assert_array_equal(batched.reset(), single.reset())
    rng = np.random.default_rng(0)
    goals = 0
    for i in range(620):
        if i == 333:  # in mid-episode, without a new seed
            np.testing.assert_array_equal(batched.reset(), single.reset())
        actions = rng.integers(6, size=5)
        actions[:3] = [helpful_action(batched.rules, game) for game in range(3)]
        *got, infos = step(batched, actions)
        *expected, expected_infos = single.step(actions)
        for one, other in zip(got, expected, strict=True):
            np.testing.assert_array_equal(one, other)
            assert one.dtype == np.asarray(other).dtype
        assert [plain(info) for info in infos] == [plain(info) for info in expected_infos]
        goals += sum(info["social_reward"] > 0 for info in infos)
    assert goals > 15


def test_what_was_returned_is_never_written_to_again() -> None:
    venv = ProsocialVecEnv(4, max_steps=5)
    venv.seed(0)
    returned = [venv.reset()]
    for _ in range(6):
        *arrays, infos = step(venv, [3, 3, 2, 4])
        returned += [*arrays, *(info["isr_action"] for info in infos)]
    copies = [array.copy() for array in returned]
    for _ in range(6):
        step(venv, [1, 3, 3, 5])
    for array, copy in zip(returned, copies, strict=True):
        np.testing.assert_array_equal(array, copy)


def test_actions_out_of_the_space_are_refused() -> None:
    venv = ProsocialVecEnv(2)
    venv.reset()
    with pytest.raises(ValueError, match=r"Actions must be 2 of 0 \(still\).*5 \(drop\), got \[0 6\]"):
        step(venv, [0, 6])
