"""The rules of the prosocial game, each worked out by hand, and the learner's view."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env as check_gymnasium_env
from stable_baselines3.common.env_checker import check_env as check_sb3_env

from sb3_isr.envs.prosocial.env import ProsocialEnv
from sb3_isr.envs.prosocial.helper import helpful_action
from sb3_isr.envs.prosocial.layouts import Layout
from sb3_isr.envs.prosocial.world import CAREGIVER, LEARNER, ProsocialWorld

STILL, TURN_LEFT, TURN_RIGHT, FORWARD, PICK_UP, DROP = range(6)
RIGHT, DOWN, LEFT, UP = range(4)
COST = 0.009  # 0.9 / 100
PRAISE = 0.4

PICTURE = """
#######
#G...L#
###.###
#.....#
##.####
#.B..C#
#######
"""
ROWS = PICTURE.split()


def find(letters: str) -> list[tuple[int, int]]:
    """The cells of the picture with these letters."""
    return [(x, y) for y, row in enumerate(ROWS) for x, letter in enumerate(row) if letter in letters]


LAYOUT = Layout(frozenset(find(".GLBC")), *(find(letter)[0] for letter in "BCGL"))

#: From the start, facing left, to the cell above the ball, facing it.
TO_THE_BALL = [FORWARD, FORWARD, TURN_LEFT, FORWARD, FORWARD, TURN_RIGHT, FORWARD, TURN_LEFT, FORWARD]


def game(seed: int = 0, learner: int = LEFT, caregiver: int = LEFT, **kwargs: Any) -> ProsocialEnv:
    """The game in the picture."""
    env = ProsocialEnv(**kwargs)
    env.reset(seed=seed)
    env.world.place(0, LAYOUT, [learner, caregiver])
    return env


def test_keeps_the_contracts_of_gymnasium_and_sb3() -> None:
    env = gymnasium.make("sb3_isr/Prosocial-v0", render_mode="rgb_array")
    check_gymnasium_env(env.unwrapped)
    with pytest.warns(UserWarning, match="minimal resolution for an image"):
        check_sb3_env(ProsocialEnv())


def test_the_learner_clears_the_way_and_is_praised_when_the_caregiver_reaches_its_goal() -> None:
    env = game()
    for action in TO_THE_BALL:
        _, reward, _, _, info = env.step(action)
        assert reward == pytest.approx(-COST if action == FORWARD else 0.0)
        assert info["social_reward"] == 0.0
    assert env.world.cell(LEARNER) == (2, 4)
    assert env.world.cell(CAREGIVER) == (3, 5), "the caregiver stands before the ball"
    assert info["caregiver_action"] == FORWARD
    for action in (PICK_UP, TURN_RIGHT, TURN_RIGHT, FORWARD, TURN_LEFT, FORWARD):
        env.step(action)
    assert env.world.cell(LEARNER) == (1, 3), "the learner is off the caregiver's way, with the ball"
    rewards: list[float] = []
    while not rewards or rewards[-1] == 0.0:
        _, reward, _, _, info = env.step(STILL)
        rewards.append(reward)
    # The caregiver waited just behind the learner, so it has at most 5 cells and 3 turns to go, and some are done.
    assert 5 <= len(rewards) <= 12
    assert rewards[-1] == info["social_reward"] == PRAISE
    assert env.world.layouts[0] != LAYOUT
    assert not env.world.carrying.any()


def test_without_help_the_caregiver_stands_before_the_ball() -> None:
    env = game()
    for _ in range(99):
        _, reward, _, truncated, _ = env.step(STILL)
        assert (reward, truncated) == (0.0, False)
    *_, truncated, info = env.step(STILL)
    assert truncated
    assert info["goals_reached"] == 0
    assert env.world.cell(CAREGIVER) == (3, 5)


def test_what_blocks() -> None:
    env = game(learner=UP)
    env.step(FORWARD)  # a wall
    assert env.world.cell(LEARNER) == (5, 1)
    env = game()
    for action in [*TO_THE_BALL, FORWARD]:  # the ball
        env.step(action)
    assert env.world.cell(LEARNER) == (2, 4)


def both_step_forward(seed: int) -> tuple[tuple[int, int], tuple[int, int]]:
    """Learner and caregiver step onto the cell where the ball was, from two sides."""
    env = game(seed)
    for action in [*TO_THE_BALL, STILL]:
        env.step(action)
    env.world.codes[env.world.index(np.array(LAYOUT.ball)), 0] = 1  # remove the ball
    env.step(FORWARD)
    return env.world.cell(LEARNER), env.world.cell(CAREGIVER)


def test_agents_block_each_other_and_who_acts_first_is_random() -> None:
    ends = [both_step_forward(seed) for seed in range(40)]
    assert set(ends) == {((2, 5), (3, 5)), ((2, 4), (2, 5))}
    assert 8 <= ends.count(((2, 5), (3, 5))) <= 32


def test_the_ball_is_put_down_only_into_an_empty_cell() -> None:
    env = game()
    for action in [*TO_THE_BALL, PICK_UP]:
        env.step(action)
    assert env.world.carrying[0, LEARNER]
    env.step(TURN_LEFT)
    env.step(DROP)  # a wall is ahead
    assert env.world.carrying[0, LEARNER]
    env.step(TURN_LEFT)
    env.step(DROP)
    assert not env.world.carrying[0, LEARNER]
    env.step(FORWARD)
    assert env.world.cell(LEARNER) == (2, 4), "the ball lies ahead and blocks"
    env.step(PICK_UP)
    env.step(PICK_UP)  # no effect: the ball is not there any more
    env.step(FORWARD)
    assert env.world.cell(LEARNER) == (2, 3)


@pytest.mark.parametrize("who", [LEARNER, CAREGIVER])
def test_the_ball_is_put_down_neither_onto_an_agent_nor_onto_the_goal(who: int) -> None:
    world = ProsocialWorld(1, 100)
    goal_ahead = LAYOUT._replace(learner=(2, 1), caregiver=(2, 3))
    agent_ahead = LAYOUT._replace(learner=(2, 4), caregiver=(2, 3))
    for layout, directions in ((goal_ahead, [LEFT, LEFT]), (agent_ahead, [UP, DOWN])):
        world.place(0, layout, directions)
        if layout is goal_ahead and who == CAREGIVER:
            world.place(0, layout._replace(learner=(2, 3), caregiver=(2, 1)), directions)
        world.carrying[0, who] = True
        actions = np.full((1, 2), STILL)
        actions[0, who] = DROP
        world.step(actions, [np.random.default_rng(0)])
        assert world.carrying[0, who]


def test_only_the_caregivers_arrival_counts() -> None:
    env = game()
    for action in [FORWARD] * 4:
        _, _, _, _, info = env.step(action)
    assert env.world.cell(LEARNER) == LAYOUT.goal
    assert info["social_reward"] == 0.0
    assert env.world.layouts[0] == LAYOUT


def view_by_hand(env: ProsocialEnv) -> np.ndarray:
    """The view, put together cell by cell."""
    world, layout = env.world, env.world.layouts[0]
    me, facing = np.array(world.cell(LEARNER)), int(world.directions[0, LEARNER])
    forward = np.array([(1, 0), (0, 1), (-1, 0), (0, -1)][facing])
    right = np.array([(0, 1), (-1, 0), (0, -1), (1, 0)][facing])
    carried = 6 if world.carrying[0, LEARNER] else 0
    view = np.zeros((9, 9, 5), np.uint8)
    for x in range(7):
        for y in range(7):
            away = np.array([x, y]) - me
            seen = view[4 + away @ right, 4 - away @ forward] if max(abs(away)) <= 4 else np.zeros(5, np.uint8)
            seen[:] = [1, 0, 0, 0, 0] if (x, y) in layout.maze else [2, 5, 0, 0, 0]
            if (x, y) == layout.goal:
                seen[:] = [8, 1, 0, 0, 1]
            if (x, y) == layout.ball and not carried:
                seen[:] = [6, 4, 0, 0, 0]
            if (x, y) == world.cell(CAREGIVER):
                seen[:4] = [10, 2, (world.directions[0, CAREGIVER] - facing) % 4, 0]
            if (x, y) == world.cell(LEARNER):
                seen[:4] = [10, 0, 0, carried]
    return view


def test_the_learner_sees_the_whole_maze_from_where_it_is() -> None:
    env = ProsocialEnv()
    for seed in range(20):
        obs, _ = env.reset(seed=seed)
        np.testing.assert_array_equal(obs, view_by_hand(env))
        for _ in range(30):
            obs, *_ = env.step(helpful_action(env.world))
            np.testing.assert_array_equal(obs, view_by_hand(env))
    env = game()
    for action in [FORWARD] * 4:
        obs, *_ = env.step(action)
        np.testing.assert_array_equal(obs, view_by_hand(env))
    assert obs[4, 4].tolist() == [10, 0, 0, 0, 1], "the goal is seen under the learner"


def test_the_isr_receives_both_actions() -> None:
    env = game(caregiver=UP)
    *_, info = env.step(TURN_RIGHT)
    assert info["isr_action"].tolist() == [TURN_RIGHT, TURN_LEFT]
    assert env.isr_action_space.contains(info["isr_action"])
    assert info["caregiver_action"] == TURN_LEFT


def play(seed: int) -> list[tuple[bytes, float]]:
    env = ProsocialEnv()
    trajectory = [(env.reset(seed=seed)[0].tobytes(), 0.0)]
    for _ in range(250):
        obs, reward, _, truncated, _ = env.step(helpful_action(env.world))
        trajectory.append((obs.tobytes(), reward))
        if truncated:
            trajectory.append((env.reset()[0].tobytes(), 0.0))
    return trajectory


def test_the_seed_decides_everything() -> None:
    assert play(1) == play(1)
    assert play(1) != play(2)


def test_an_unknown_action_is_refused() -> None:
    env = game()
    for action in (-1, 6):
        with pytest.raises(ValueError, match=rf"0 \(still\), .*5 \(drop\), got .*{action}"):
            env.step(action)
    with pytest.raises(ValueError, match="max_steps must be at least 1, got 0"):
        ProsocialEnv(max_steps=0)


def test_rendering_shows_where_the_agents_are_and_what_they_carry() -> None:
    env = game(render_mode="rgb_array")
    pictures = [env.render()]
    for action in [*TO_THE_BALL, PICK_UP]:
        env.step(action)
        pictures.append(env.render())
    tiles = {name: tile(pictures[0], *find(name)[0]) for name in "LCBG"}
    for one, other in pairwise(tiles.values()):
        assert (one != other).any()
    assert (tiles["L"] != tiles["C"]).any(), "same direction, other colour"
    np.testing.assert_array_equal(tile(pictures[0], 4, 1), tile(pictures[0], 3, 3))  # empty
    np.testing.assert_array_equal(tile(pictures[-1], *LAYOUT.ball), tile(pictures[0], 3, 3))  # empty now
    assert (tile(pictures[-1], 2, 4) != tile(pictures[-2], 2, 4)).any(), "the ball that the learner carries is drawn"
    assert ProsocialEnv().render() is None


def tile(picture: np.ndarray | None, x: int, y: int) -> np.ndarray:
    assert picture is not None
    side = picture.shape[0] // 7
    return picture[y * side : (y + 1) * side, x * side : (x + 1) * side]
