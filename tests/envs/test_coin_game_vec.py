"""The batched coin game returns what the single one returns, and follows SB3's conventions."""

from __future__ import annotations

import warnings
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from stable_baselines3 import PPO
from stable_baselines3.common.evaluation import evaluate_policy
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.vec_env import DummyVecEnv

from sb3_isr.envs.coin_game.env import CoinGameEnv
from sb3_isr.envs.coin_game.maps import MAPS
from sb3_isr.envs.coin_game.rules import Placement
from sb3_isr.envs.coin_game.vec_env import CoinGameVecEnv

LEFT, RIGHT, FORWARD = 0, 1, 2
COST = 0.045  # 0.9 / 20
PRAISE = 0.4


def random_actions(n_steps: int, n_envs: int) -> np.ndarray:
    """More steps forward than turns, so that goals are reached."""
    return np.random.default_rng(0).choice(3, size=(n_steps, n_envs), p=[0.15, 0.25, 0.6])


def step(venv: CoinGameVecEnv, actions: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, list[dict[str, Any]]]:
    """As ``VecEnv.step``, which is typed for dictionaries of observations too."""
    venv.step_async(actions)
    return venv.step_wait()


def assert_same_infos(got: list[dict[str, Any]], expected: list[dict[str, Any]]) -> None:
    """Check for equal keys, values and types, except for Monitor's time."""
    for one, other in zip(got, expected, strict=True):
        assert one.keys() == other.keys()
        for key, value in one.items():
            assert type(value) is type(other[key]), key
            if key == "terminal_observation":
                np.testing.assert_array_equal(value, other[key])
            elif key == "episode":
                assert {**value, "t": None} == {**other[key], "t": None}
            else:
                assert value == other[key], key


@pytest.mark.parametrize(
    "kwargs",
    [{"layout": name} for name in MAPS]
    + [{"n_walls": n} for n in (1, 3, 5)]
    + [{"size": 4, "n_walls": 0, "max_steps": 7}, {"size": 9, "layout": [(4, 4), (1, 7)], "max_steps": 1}],
    ids=str,
)
def test_equals_the_single_game_step_for_step(kwargs: dict[str, Any]) -> None:
    single = DummyVecEnv([lambda: Monitor(CoinGameEnv(**kwargs))] * 4)
    batched = CoinGameVecEnv(4, **kwargs)
    assert batched.observation_space == single.observation_space
    assert batched.action_space == single.action_space
    single.seed(3)
    batched.seed(3)
    np.testing.assert_array_equal(batched.reset(), single.reset())
    goals = 0
    for i, actions in enumerate(random_actions(800, 4)):
        if i == 333:  # in mid-episode, without a new seed
            np.testing.assert_array_equal(batched.reset(), single.reset())
        *got, infos = step(batched, actions)
        *expected, expected_infos = single.step(actions)
        for one, other in zip(got, expected, strict=True):
            np.testing.assert_array_equal(one, other)
            assert one.dtype == np.asarray(other).dtype
        assert_same_infos(infos, expected_infos)
        goals += sum(info.get("goals_reached", 0) for info in infos)
    assert goals > 20


def test_steps_by_hand() -> None:
    # In each game a wall is at (3, 1) and the goal at (2, 2); only the agents' cells and directions differ.
    agents = [((1, 1), 0), ((2, 1), 0), ((2, 1), 1), ((2, 1), 3), ((4, 4), 2)]
    venv = CoinGameVecEnv(5, n_walls=1)
    venv.seed(0)
    venv.reset()
    cells, directions = zip(*agents, strict=True)
    walls, goals = np.tile([[3, 1]], (5, 1, 1)), np.tile([2, 2], (5, 1))
    venv.place(np.arange(5), Placement(walls, goals, np.array(cells), np.array(directions)))
    # free; blocked by the inner wall; onto the goal; blocked by the outer wall; a turn to the left
    obs, rewards, dones, infos = step(venv, np.array([FORWARD, FORWARD, FORWARD, FORWARD, LEFT]))
    np.testing.assert_allclose(rewards, [-COST, -COST, PRAISE, -COST, 0.0], rtol=1e-6)
    assert [info["social_reward"] for info in infos] == [0.0, 0.0, PRAISE, 0.0, 0.0]
    assert not dones.any()
    # The goal is ahead to the right of (2, 1) facing right; behind it facing up; and seen from (4, 4) facing down.
    assert [tuple(np.argwhere(obs[i, ..., 3])[0]) for i in (0, 1, 3, 4)] == [(5, 4), (5, 4), (4, 5), (6, 6)]


def test_an_episode_ends_by_truncation_with_sb3s_infos() -> None:
    venv = CoinGameVecEnv(3, max_steps=5)
    venv.seed(0)
    venv.reset()
    forward = np.full(3, FORWARD)
    for t in range(1, 11):
        obs, _, dones, infos = step(venv, forward)
        assert dones.tolist() == [t % 5 == 0] * 3
        for info in infos:
            assert info["TimeLimit.truncated"] is (t % 5 == 0)
            assert ("goals_reached" in info) is ("episode" in info) is (t % 5 == 0)
    for i, info in enumerate(infos):
        n_goals = info["goals_reached"]
        assert info["episode"]["l"] == 5
        assert info["episode"]["r"] == pytest.approx(n_goals * PRAISE - (5 - n_goals) * 0.9 / 5)
        assert (info["terminal_observation"] != obs[i]).any()


def test_what_was_returned_is_never_written_to_again() -> None:
    venv = CoinGameVecEnv(4, max_steps=5)
    venv.seed(0)
    returned = [venv.reset()]
    for actions in random_actions(5, 4):
        *arrays, infos = step(venv, actions)
        returned += arrays
    returned += [info["terminal_observation"] for info in infos]
    copies = [array.copy() for array in returned]
    for array in returned:
        array += array.dtype.type(1)  # nor does the game depend on what its caller does with them
    actions = random_actions(50, 4)
    trajectory = [step(venv, action)[0] for action in actions]
    for array, copy in zip(returned, copies, strict=True):
        np.testing.assert_array_equal(array, copy + copy.dtype.type(1))

    again = CoinGameVecEnv(4, max_steps=5)
    again.seed(0)
    again.reset()
    for action in random_actions(5, 4):
        step(again, action)
    np.testing.assert_array_equal(trajectory, [step(again, action)[0] for action in actions])


def play(num_envs: int, seed: int) -> np.ndarray:
    venv = CoinGameVecEnv(num_envs)
    venv.seed(seed)
    return np.array([venv.reset(), *(step(venv, actions[:num_envs])[0] for actions in random_actions(100, 4))])


def test_the_seed_decides_everything() -> None:
    np.testing.assert_array_equal(play(4, seed=1), play(4, seed=1))
    assert (play(4, seed=1) != play(4, seed=2)).any()
    # A game depends neither on the other games nor on their number.
    np.testing.assert_array_equal(play(4, seed=1)[:, :2], play(2, seed=1))


def test_sb3_trains_on_it_and_finds_monitors_infos() -> None:
    venv = CoinGameVecEnv(4)
    model = PPO("MlpPolicy", venv, n_steps=20, batch_size=40, n_epochs=1, seed=0, device="cpu").learn(80)
    assert len(model.ep_info_buffer or ()) == 4
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # as SB3 warns where it finds no Monitor
        returns, lengths = evaluate_policy(model, venv, n_eval_episodes=4, return_episode_rewards=True)
    assert lengths == [20] * 4
    assert all(-0.9 <= r <= 8.0 for r in np.asarray(returns))


def test_attributes_methods_and_images_of_single_games_are_refused() -> None:
    venv = CoinGameVecEnv(2)
    with pytest.raises(AttributeError, match=r"'max_steps' cannot be set.*DummyVecEnv"):
        venv.set_attr("max_steps", 30)
    with pytest.raises(AttributeError, match=r"'action_masks' cannot be called.*DummyVecEnv"):
        venv.env_method("action_masks")
    with pytest.raises(NotImplementedError, match="CoinGameEnv"):
        venv.get_images()


def test_attributes_are_the_rules() -> None:
    venv = CoinGameVecEnv(3, max_steps=9)
    assert venv.get_attr("max_steps") == [9, 9, 9]
    assert venv.get_attr("size", indices=[0, 2]) == [7, 7]
    assert venv.get_attr("render_mode") == [None] * 3
    assert not venv.has_attr("action_masks")
    assert venv.env_is_wrapped(Monitor) == [True] * 3
    assert venv.env_is_wrapped(gym.Wrapper, indices=1) == [False]


@pytest.mark.parametrize("actions", [np.array([0, 3]), np.array([-1, 0]), np.array([0]), np.array([[0], [1]])])
def test_actions_out_of_the_space_are_refused(actions: np.ndarray) -> None:
    venv = CoinGameVecEnv(2)
    venv.reset()
    with pytest.raises(ValueError, match=r"2 of 0 .left."):
        step(venv, actions)


def test_arguments_are_checked_as_in_the_single_game() -> None:
    with pytest.raises(ValueError, match="num_envs must be at least 1, got 0"):
        CoinGameVecEnv(0)
    with pytest.raises(ValueError, match=r"choose 0 to 23 walls .*got 24 walls"):
        CoinGameVecEnv(1, n_walls=24)
