"""Maps that do not turn, drawn from views that do, are those of the world."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from stable_baselines3.common.vec_env import DummyVecEnv, SubprocVecEnv

from sb3_isr.common.batches import Array
from sb3_isr.envs import CoinGameEnv, CoinGameVecEnv, ProsocialEnv, ProsocialVecEnv
from sb3_isr.envs.coin_game.rules import GOAL, TURNS, WALL
from sb3_isr.envs.fixed_maps import fixed_maps
from sb3_isr.envs.grid_view import N_DIRECTIONS
from sb3_isr.envs.prosocial.world import LEARNER
from sb3_isr.envs.prosocial.world import TURNS as PROSOCIAL_TURNS
from sb3_isr.labels.transitions import Transitions

#: What a world looks like: cells ``[size, size]`` of whatever can be compared, the agent's cell, its direction.
World = tuple[Array, tuple[int, int], int]


def turned(world: World, quarters: int) -> World:
    """A world that is turned by quarters."""
    cells, (x, y), direction = world
    for _ in range(quarters):
        cells, (x, y), direction = np.rot90(cells), (len(cells) - 1 - y, x), (direction + 1) % N_DIRECTIONS
    return cells, (x, y), direction


def quarters(drawn: World, true: World) -> set[int]:
    """The turns by which one world is another."""
    found = set()
    for n in range(N_DIRECTIONS):
        cells, agent, direction = turned(drawn, n)
        if np.array_equal(cells, true[0]) and (agent, direction) == true[1:]:
            found.add(n)
    return found


def check(drawn: list[World], true: list[World], is_new: list[bool]) -> None:
    """Every map is that of the world, and turned by the same as the one before, unless the layout is new."""
    common = set(range(N_DIRECTIONS))
    for mine, real, new in zip(drawn, true, is_new, strict=True):
        possible = quarters(mine, real)
        assert possible
        common = possible if new else common & possible
        assert common, "the map has turned on its way"


def coin_world(env: CoinGameEnv) -> World:
    encoded = env.grid.encode()[..., 0]
    return (
        np.where(np.isin(encoded, [WALL[0], GOAL[0]]), encoded, 0),
        (int(env.agent_pos[0]), int(env.agent_pos[1])),
        int(env.agent_dir),
    )


@pytest.mark.parametrize("size", [5, 6, 7, 8])
def test_maps_of_the_coin_game_are_those_of_the_game(size: int) -> None:
    env, rng = CoinGameEnv(n_walls=size - 4, size=size, max_steps=1500), np.random.default_rng(size)
    views, actions, true, goals = [env.reset(seed=size)[0]], [], [coin_world(env)], [False]
    for action in rng.choice(3, size=1500, p=[0.2, 0.2, 0.6]).tolist():
        view, _, _, _, info = env.step(action)
        views.append(view)
        actions.append(action)
        true.append(coin_world(env))
        goals.append(info["social_reward"] > 0)
    maps = list(fixed_maps(env.rules, np.stack(views), TURNS[np.array(actions)]))
    seen = [np.where(np.isin(each.codes[..., 0], [WALL[0], GOAL[0]]), each.codes[..., 0], 0) for each in maps]
    drawn = [(cells, each.agent, each.direction) for cells, each in zip(seen, maps, strict=True)]
    assert sum(goals) > 1
    assert [each.is_new for each in maps] == goals
    check(drawn, true, goals)


def test_maps_of_the_prosocial_game_are_those_of_the_game() -> None:
    env, rng = ProsocialEnv(max_steps=600), np.random.default_rng(0)

    def world() -> World:
        codes = env.world.codes.reshape(env.world.width, env.world.width, -1)
        margin, size = env.world.margin, env.world.size
        return codes[margin:, margin:][:size, :size, 0].copy(), env.world.cell(LEARNER), int(env.world.directions[0, 0])

    views, actions, true, goals = [env.reset(seed=1)[0]], [], [world()], [False]
    for step, action in enumerate(rng.integers(6, size=600).tolist()):
        _, _, _, _, info = env.step(np.int64(action))
        is_new = step % 150 == 149
        if is_new:  # as if the caregiver had reached its goal
            env.world.generate_layouts([0], [rng])
        views.append(env.world.view(LEARNER)[0])
        actions.append(action)
        true.append(world())
        goals.append(is_new or info["social_reward"] > 0)
    maps = list(fixed_maps(env.world, np.stack(views), PROSOCIAL_TURNS[np.array(actions)]))
    assert [each.is_new for each in maps] == goals
    drawn = []
    for each, (cells, _, _) in zip(maps, true, strict=True):
        mine = each.codes[..., 0].copy()
        # What is below the agents is hidden: it is compared where it is seen.
        goal = each.codes[..., -1] == 1
        mine[goal] = 8
        mine[mine == 10] = 1
        drawn.append((mine, each.agent, each.direction))
        assert cells.shape == mine.shape
    check(drawn, true, goals)
    assert sum(goals) > 0


def played(venv: Any, n_steps: int, action_of_isr: bool) -> Transitions:
    """Play the first game at random."""
    observations, rows, rng = venv.reset(), [], np.random.default_rng(3)
    for _ in range(n_steps):
        actions = rng.integers(venv.action_space.n, size=venv.num_envs)
        after, _, _, infos = venv.step(actions)
        rows.append((observations[0], infos[0]["isr_action"] if action_of_isr else actions[0], after[0], False))
        observations = after
    return Transitions(*map(np.stack, zip(*rows, strict=True)))


@pytest.mark.parametrize(("game", "batched"), [(CoinGameEnv, CoinGameVecEnv), (ProsocialEnv, ProsocialVecEnv)])
def test_all_kinds_of_environments_draw_the_same_pictures(game: Any, batched: Any) -> None:
    venv = batched(2)
    venv.seed(0)
    transitions = played(venv, 15, game is ProsocialEnv)
    (pictures,) = venv.env_method("isr_pictures", transitions, indices=[1])
    assert len(pictures) == 16
    assert all(picture.dtype == np.uint8 and picture.shape == pictures[0].shape for picture in pictures)
    assert any((one != other).any() for one, other in pairwise(pictures))
    for made in (DummyVecEnv([game] * 2), SubprocVecEnv([game] * 2)):
        assert made.has_attr("isr_pictures")
        (others,) = made.env_method("isr_pictures", transitions, indices=[0])
        made.close()
        np.testing.assert_array_equal(pictures, others)


def test_what_batched_games_do_not_share_is_refused_still() -> None:
    venv = CoinGameVecEnv(2)
    assert not venv.has_attr("isr_dance")
    with pytest.raises(AttributeError, match="have no methods of their own"):
        venv.env_method("isr_dance")
    with pytest.raises(AttributeError, match="have no methods of their own"):
        venv.env_method("reset")


def test_maps_too_small_to_say_where_they_are_have_no_pictures() -> None:
    venv = CoinGameVecEnv(1, n_walls=0, size=4)
    assert venv.env_method("isr_pictures", played(venv, 5, False)) == [[]]
