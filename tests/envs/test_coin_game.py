"""The rules of the coin game, each worked out by hand, and its view compared with MiniGrid's own."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env as check_gymnasium_env
from minigrid.core.world_object import Goal, Wall, WorldObj
from stable_baselines3.common.env_checker import check_env as check_sb3_env

from sb3_isr.envs.coin_game.env import CoinGameEnv
from sb3_isr.envs.coin_game.maps import MAPS
from sb3_isr.envs.coin_game.rules import CoinGameRules, Placement

LEFT, RIGHT, FORWARD = 0, 1, 2
COST = 0.045  # 0.9 / 20
PRAISE = 0.4
AGENT_CODE = [10, 0, 0, 0]

# Agent in the upper left corner, facing right; a wall two cells ahead; the goal diagonally below it.
#   # # # # # # #
#   # > . W . . #
#   # . G . . . #
CORNER = Placement(np.array([[3, 1]]), np.array([2, 2]), np.array([1, 1]), np.array(0))


def cells_of(env: CoinGameEnv, kind: type[WorldObj]) -> set[tuple[int, int]]:
    """The inner cells that hold an object of this kind."""
    inner = range(1, env.width - 1)
    return {(x, y) for x in inner for y in inner if isinstance(env.grid.get(x, y), kind)}


def view_by_minigrid(env: CoinGameEnv) -> np.ndarray:
    """The observation, cell by cell, from MiniGrid's encoding and its transform, which has the agent at the bottom."""
    size = env.agent_view_size
    view = np.zeros((size, size, 4), dtype=np.uint8)
    codes = env.grid.encode()
    for x in range(env.width):
        for y in range(env.height):
            i, j = env.get_view_coords(x, y)  # type: ignore[no-untyped-call]
            j -= size // 2
            if 0 <= i < size and 0 <= j < size:
                view[i, j] = [*codes[x, y], isinstance(env.grid.get(x, y), Goal)]
    view[size // 2, size // 2] = AGENT_CODE
    return view


@pytest.mark.filterwarnings("ignore:The minimal resolution for an image", "ignore:.*alternative render modes")
@pytest.mark.parametrize("kwargs", [{}, {"layout": "x"}, {"size": 4, "n_walls": 1}])
def test_keeps_the_contracts_of_gymnasium_and_sb3(kwargs: dict[str, Any]) -> None:
    check_gymnasium_env(CoinGameEnv(**kwargs), skip_render_check=True)
    check_sb3_env(CoinGameEnv(**kwargs))


def test_steps_by_hand() -> None:
    env = CoinGameEnv(n_walls=1)
    env.reset(seed=0)
    env.place(CORNER)
    # action, reward, cell and direction after it
    for action, reward, pos, direction in [
        (FORWARD, -COST, (2, 1), 0),
        (FORWARD, -COST, (2, 1), 0),  # the inner wall blocks, but the move costs
        (LEFT, 0.0, (2, 1), 3),
        (FORWARD, -COST, (2, 1), 3),  # so does the outer wall
        (RIGHT, 0.0, (2, 1), 0),
        (RIGHT, 0.0, (2, 1), 1),
    ]:
        _, got, terminated, truncated, info = env.step(action)
        assert got == pytest.approx(reward)
        assert info == {"social_reward": 0.0}
        assert (env.agent_pos, env.agent_dir, terminated, truncated) == (pos, direction, False, False)
        assert cells_of(env, Goal) == {(2, 2)}
        assert cells_of(env, Wall) == {(3, 1)}

    obs, got, terminated, truncated, info = env.step(FORWARD)
    assert (got, terminated, truncated, info) == (PRAISE, False, False, {"social_reward": PRAISE})
    assert env.step_count == 7
    assert env.agent_pos not in cells_of(env, Goal), "no new layout was generated: the agent stands on a goal"
    np.testing.assert_array_equal(obs, view_by_minigrid(env))


def test_an_episode_is_truncated_after_max_steps_and_counts_its_goals() -> None:
    env = CoinGameEnv(n_walls=1, max_steps=4)
    for goals in ([1, 3], [], [0, 1, 2, 3]):  # at which steps a goal is reached
        env.reset(seed=0)
        for step in range(4):
            env.place(CORNER._replace(goal=np.array([2, 1] if step in goals else [5, 5])))
            _, reward, terminated, truncated, info = env.step(FORWARD)
            assert reward == pytest.approx(PRAISE if step in goals else -0.9 / 4)
            assert (terminated, truncated) == (False, step == 3)
            assert info.get("goals_reached") == (len(goals) if step == 3 else None)


def test_rewards_are_plain_floats() -> None:
    env = CoinGameEnv()
    env.reset(seed=0)
    for action in (LEFT, FORWARD):
        _, reward, _, _, info = env.step(np.int64(action))
        assert type(reward) is float
        assert type(info["social_reward"]) is float


@pytest.mark.parametrize("size", [4, 5, 7, 10])
def test_the_view_is_minigrids_own_with_the_agent_in_the_center(size: int) -> None:
    env = CoinGameEnv(n_walls=size - 3, size=size)
    turned = set()
    for seed in range(40):
        obs, _ = env.reset(seed=seed)
        np.testing.assert_array_equal(obs, view_by_minigrid(env))
        np.testing.assert_array_equal(env.step(RIGHT)[0], view_by_minigrid(env))
        np.testing.assert_array_equal(env.step(FORWARD)[0], view_by_minigrid(env))
        turned.add(env.agent_dir)
    assert turned == {0, 1, 2, 3}


# The goal at (2, 2) is behind, left, right of or before an agent at (2, 1) that faces up, right, left or down.
@pytest.mark.parametrize(("direction", "goal_in_view"), [(3, (4, 5)), (0, (5, 4)), (2, (3, 4)), (1, (4, 3))])
def test_the_view_turns_with_the_agent(direction: int, goal_in_view: tuple[int, int]) -> None:
    env = CoinGameEnv(n_walls=1)
    env.reset(seed=0)
    env.place(CORNER._replace(agent=np.array([2, 1]), direction=np.array(direction)))
    obs = env.gen_obs()
    assert [tuple(cell) for cell in np.argwhere(obs[..., 3])] == [goal_in_view]
    assert obs[goal_in_view].tolist() == [8, 1, 0, 1]
    assert obs[4, 4].tolist() == AGENT_CODE, "an absolute direction must not leak into a rotated view"


def test_an_observation_is_the_callers_own() -> None:
    env = CoinGameEnv()
    obs, _ = env.reset(seed=0)
    obs[:] = 77
    assert not (env.step(LEFT)[0] == 77).any()


def play(seed: int) -> list[tuple[bytes, float]]:
    env = CoinGameEnv()
    obs, _ = env.reset(seed=seed)
    trajectory = [(obs.tobytes(), 0.0)]
    for action in np.random.default_rng(0).integers(3, size=200):
        obs, reward, _, truncated, _ = env.step(action)
        trajectory.append((obs.tobytes(), reward))
        if truncated:
            trajectory.append((env.reset()[0].tobytes(), 0.0))
    return trajectory


def test_the_seed_decides_everything() -> None:
    assert play(1) == play(1)
    assert play(1) != play(2)


@pytest.mark.parametrize("kwargs", [{"n_walls": 0}, {"n_walls": 3}, {"n_walls": 23}, {"layout": "U"}, {"size": 4}])
def test_everything_lies_inside_and_apart(kwargs: dict[str, Any]) -> None:
    kwargs = {"n_walls": 2, **kwargs}
    env = CoinGameEnv(**kwargs)
    n_walls = 5 if "layout" in kwargs else kwargs["n_walls"]
    for seed in range(60):
        env.reset(seed=seed)
        walls, goals = cells_of(env, Wall), cells_of(env, Goal)
        assert (len(walls), len(goals)) == (n_walls, 1)
        assert env.agent_pos not in walls | goals
        assert all(1 <= x <= env.width - 2 for x in env.agent_pos)


def test_placements_are_uniform() -> None:
    rules = CoinGameRules(n_walls=3, layout=None, size=7, max_steps=20)
    n = 25_000
    placements = rules.draw(np.random.default_rng(0).random((n, rules.n_draws)))
    for cells, expected in [
        (placements.walls.reshape(-1, 2), 3 * n / 25),
        (placements.goal, n / 25),
        (placements.agent, n / 25),
        (placements.goal - placements.agent, None),
    ]:
        _, counts = np.unique(cells, axis=0, return_counts=True)
        if expected is None:  # never the same cell, and every other offset within 5x5 occurs
            assert len(counts) == 9 * 9 - 1
        else:
            assert len(counts) == 25
            assert np.abs(counts - expected).max() < 5 * np.sqrt(expected)
    counts = np.bincount(placements.direction)
    assert len(counts) == 4
    assert np.abs(counts - n / 4).max() < 5 * np.sqrt(n / 4)


PICTURES = {
    "plus": "..... ..#.. .###. ..#.. .....",
    "x": "..... .#.#. ..#.. .#.#. .....",
    "U": "..... .#.#. .#.#. ..#.. .....",
    "T": "..... .###. ..#.. ..#.. .....",
    "four_rooms": "..#.. ..... #.#.# ..... ..#..",
}


@pytest.mark.parametrize("name", PICTURES)
def test_maps_by_their_pictures(name: str) -> None:
    rows = PICTURES[name].split()
    walls = {(x + 1, y + 1) for y, row in enumerate(rows) for x, char in enumerate(row) if char == "#"}
    env = CoinGameEnv(layout=name)
    for seed in range(5):
        env.reset(seed=seed)
        assert cells_of(env, Wall) == walls
    assert set(PICTURES) == set(MAPS)


def test_a_custom_map_replaces_the_random_walls() -> None:
    env = CoinGameEnv(n_walls=3, layout=[[1, 1], [5, 5]])  # lists, as YAML gives them
    env.reset(seed=0)
    assert cells_of(env, Wall) == {(1, 1), (5, 5)}


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"layout": "y"}, "plus, x, U, T, four_rooms .*got 'y'"),
        ({"layout": [(0, 3)]}, r"from 1 to 5 .*got \[\(0, 3\)\]"),
        ({"layout": [(3, 6)]}, r"from 1 to 5 .*got \[\(3, 6\)\]"),
        ({"layout": "plus", "size": 5}, r"from 1 to 3 .*larger size"),
        ({"layout": [(2, 2), (2, 2)]}, "each cell once"),
        ({"layout": [(1, 1), (1, 2), (2, 1)], "size": 4}, "choose 0 to 2 walls .*got 3 walls"),
        ({"n_walls": 24}, "choose 0 to 23 walls .*got 24 walls"),
        ({"n_walls": -1}, "choose 0 to 23 walls .*got -1 walls"),
        ({"size": 3}, "at least 4, .*got 3"),
        ({"max_steps": 0}, "at least 1, got 0"),
    ],
)
def test_invalid_arguments_are_refused(kwargs: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        CoinGameEnv(**kwargs)


@pytest.mark.parametrize("action", [-1, 3])
def test_an_unknown_action_is_refused(action: int) -> None:
    env = CoinGameEnv()
    env.reset(seed=0)
    with pytest.raises(ValueError, match=f"forward.*got {action}"):
        env.step(action)


def test_rendering_shows_the_agent_where_it_is() -> None:
    env = CoinGameEnv(n_walls=1, render_mode="rgb_array")
    env.reset(seed=0)
    env.place(CORNER)
    images = []
    for action in (LEFT, RIGHT, FORWARD):
        env.step(action)
        images.append(env.render())  # type: ignore[no-untyped-call]
    tile = images[0].shape[0] // 7
    start, next_cell = np.s_[tile : 2 * tile, tile : 2 * tile], np.s_[tile : 2 * tile, 2 * tile : 3 * tile]
    assert (images[0][start] != images[1][start]).any()
    assert (images[1][start] != images[2][start]).any()
    assert (images[1][next_cell] != images[2][next_cell]).any()
    # No part of the grid is highlighted as visible, because the agent sees all of it.
    np.testing.assert_array_equal(images[2], env.grid.render(tile, (2, 1), 0))


def test_human_rendering_draws_at_each_step(monkeypatch: pytest.MonkeyPatch) -> None:
    env = CoinGameEnv(render_mode="human")
    drawn = []
    monkeypatch.setattr(env, "render", lambda: drawn.append(env.agent_dir))
    env.reset(seed=0)
    env.step(LEFT)
    assert len(drawn) == 2
    assert drawn[1] == (drawn[0] - 1) % 4
