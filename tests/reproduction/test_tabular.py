"""Exact planning on tables, by hand."""

import numpy as np
import pytest
from gymnasium import spaces

from reproduction.hackability import measure_hackability
from reproduction.tabular import GAMMA, TABLES, Table, door_key, toy_text


def corridor() -> Table:
    """Three cells in a row; action 1 goes right, action 0 stays. Leaving to the right ends the episode and gives 1."""
    successors = np.array([[[0], [1]], [[1], [2]], [[2], [2]]])
    rewards, terminated = np.zeros((3, 2, 1)), np.zeros((3, 2, 1), bool)
    rewards[2, 1], terminated[2, 1] = 1.0, True
    ones = np.ones((3, 2, 1))
    return Table(spaces.Discrete(3), np.arange(3), successors, ones, rewards, terminated, np.array([1.0, 0.0, 0.0]))


def policy(*actions: int) -> np.ndarray:
    return np.eye(2)[list(actions)]


def test_the_best_policy_and_its_value_are_those_worked_out_by_hand() -> None:
    table = corridor()
    assert table.plan(table.rewards).tolist() == [1, 1, 1]
    assert table.value(policy(1, 1, 1)) == pytest.approx(GAMMA**2)
    assert table.value(policy(0, 1, 1)) == pytest.approx(0.0, abs=1e-6)


def test_a_false_reward_that_can_be_had_again_and_again_beats_the_goal() -> None:
    table = corridor()
    false = table.rewards.copy()
    false[1, 0] = 0.02  # worth 0.02 / (1 - 0.99) = 2 to whoever stays there
    assert table.plan(false).tolist() == [1, 0, 1]
    false[1, 0] = 0.005  # worth 0.5
    assert table.plan(false).tolist() == [1, 1, 1]


def test_labels_of_a_socialization_are_transitions_of_the_table() -> None:
    table = corridor()
    labels = table.socialize(500, seed=0)
    transitions = labels.transitions
    at_end = (transitions.observations == 2) & (transitions.actions == 1)
    np.testing.assert_array_equal(transitions.terminated, at_end)
    np.testing.assert_array_equal(labels.social_rewards, at_end.astype(np.float32))
    assert at_end.sum() > 50
    np.testing.assert_array_equal(labels.social_rewards, table.socialize(500, seed=0).social_rewards)


def test_goals_that_do_not_end_an_episode_begin_anew() -> None:
    table, episodic = toy_text("FrozenLake-v1", True, is_slippery=False), toy_text("FrozenLake-v1", is_slippery=False)
    assert (table.rewards == episodic.rewards).all()
    at_goal = table.rewards > 0
    assert episodic.terminated[at_goal].all()
    assert not table.terminated[at_goal].any()
    assert (table.successors[at_goal] == 0).all()


@pytest.mark.slow
def test_all_of_door_key_is_explored_and_unlocking_is_praised() -> None:
    table = door_key(0.2)
    assert set(np.unique(table.rewards)) == {0.0, 0.2, 1.0}
    assert (table.terminated == (table.rewards == 1.0)).all()
    assert table.start.sum() == pytest.approx(1.0)
    assert 0.9 < table.value(np.eye(6)[table.plan((table.rewards == 1.0).astype(float))]) < 1.2


@pytest.mark.slow
def test_a_default_isr_of_a_lake_is_not_hacked() -> None:
    result = measure_hackability("FrozenLake, goal does not end the episode", 4_000, seed=10)
    assert result["score"] > 0.99
    assert result["best"] > 1.0 > result["chance"]


def test_the_ruler_has_the_tasks_of_the_docs() -> None:
    assert len(TABLES) == 8
