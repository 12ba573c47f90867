"""The recorder: labels, unattended transitions and sums of rewards, from one call of `collect` to the next."""

from __future__ import annotations

import numpy as np
import pytest

from sb3_isr import ISRRewardWrapper
from sb3_isr.callbacks.connection import find_connection
from sb3_isr.labels import LabelBatch
from tests.scripted_env import Script, scripted_vec_env
from tests.wrappers.connected import connected, constant, utilities_of


def test_labelled_transitions_are_recorded_and_no_others() -> None:
    venv = connected(1.0)
    utilities_of(venv, 3)
    labels = venv.composer.collect().labels
    assert labels is not None
    # Environment 0 has a label at each step, environment 1 only at its step 1. No key is no label: not a label of 0.
    transitions = labels.transitions
    np.testing.assert_array_equal(transitions.observations, [[0, 0], [0, 1], [1, 1], [0, 0]])
    np.testing.assert_array_equal(transitions.actions, [1, 1, 2, 1])
    np.testing.assert_array_equal(transitions.next_observations, [[0, 1], [0, 2], [1, 2], [0, 1]])
    np.testing.assert_array_equal(transitions.terminated, [False, True, False, False])
    np.testing.assert_array_equal(labels.social_rewards, [0.0, 1.0, -2.0, 0.0])
    assert labels.social_rewards.dtype == np.float32
    assert venv.composer.collect().labels is None


def test_in_autonomy_neither_utilities_nor_labels_depend_on_what_the_caregiver_would_give() -> None:
    """Simulated caregivers still write the truth into info after they have left."""

    def autonomy(social_rewards: list[float | None]) -> np.ndarray:
        venv = connected(0.0, [[(0.0, social_reward) for social_reward in social_rewards]])
        utilities = utilities_of(venv, 9)
        assert venv.composer.collect().labels is None
        return utilities

    truth = autonomy([0.4, 0.1, -0.3])
    np.testing.assert_array_equal(autonomy([-7.7, None, 12.3]), truth)
    assert (truth != 0).all()


def test_unattended_transitions_are_recorded_only_where_they_are_of_use() -> None:
    for keeps_unattended in (False, True):
        venv = connected(0.0, keeps_unattended=keeps_unattended)
        utilities_of(venv, 2)
        record = venv.composer.collect()
        assert record.labels is None
        if not keeps_unattended:
            assert record.unattended is None
            continue
        assert record.unattended is not None
        transitions = record.unattended.transitions
        np.testing.assert_array_equal(transitions.observations, [[0, 0], [1, 0], [0, 1], [1, 1]])
        np.testing.assert_array_equal(transitions.actions, [1, 2, 1, 2])
        np.testing.assert_array_equal(transitions.next_observations, [[0, 1], [1, 1], [0, 2], [1, 2]])
        np.testing.assert_array_equal(transitions.terminated, [False, False, True, False])
        np.testing.assert_array_equal(record.unattended.envs, [0, 1, 0, 1])
        np.testing.assert_array_equal(record.unattended.ended, [False, False, True, False])
        # The caregiver has no answer about the first step of environment 1.
        answers: LabelBatch = record.unattended.query(np.arange(4))
        np.testing.assert_array_equal(answers.social_rewards, [0.0, np.nan, 1.0, -2.0])
        assert venv.composer.collect().unattended is None


def test_each_transition_is_either_a_label_or_unattended() -> None:
    rngs = [np.random.default_rng(seed) for seed in range(2)]
    venv = connected(0.5, [[(0.0, 1.0)] * 4] * 2, constant(0.0), rngs=rngs, keeps_unattended=True)
    utilities = utilities_of(venv, 40)
    labels, unattended, _ = venv.composer.collect()
    assert labels is not None
    assert unattended is not None
    assert len(labels.social_rewards) == (utilities == 1.0).sum()
    assert len(unattended) == (utilities == 0.0).sum()
    assert 0 < len(unattended) < 80


def test_the_truth_is_still_measured_in_autonomy() -> None:
    venv = connected(0.0)
    utilities = utilities_of(venv, 6)
    statistics = venv.composer.collect().statistics
    assert statistics.transitions == 12
    assert statistics.presence == 0
    assert statistics.social_reward == 3 * 1.0 + 2 * -2.0
    assert statistics.environment_reward == pytest.approx(6 * -0.25 + 2 * 0.75)
    assert statistics.utility == pytest.approx(utilities.sum())
    assert statistics.internal_reward == pytest.approx(utilities.sum() - statistics.environment_reward)
    assert (statistics.episodes, statistics.social_return) == (5, 3 * 1.0 + 2 * -2.0)
    assert set(venv.composer.collect().statistics) == {0.0}


def test_internal_rewards_are_measured_only_where_the_caregiver_is_absent() -> None:
    venv = connected(0.5, [[(0.0, 1.0)] * 4] * 8, constant(0.25))
    utilities = utilities_of(venv, 1)
    assert set(utilities.ravel()) == {0.25, 1.0}
    statistics = venv.composer.collect().statistics
    assert statistics.presence == (utilities == 1.0).sum()
    assert statistics.internal_reward == 0.25 * (utilities == 0.25).sum()


def test_unattended_transitions_of_wrappers_in_environments_know_their_environment() -> None:
    """Each wrapper takes its environment for number 0, and an episode that is truncated has ended, too."""
    scripts: list[Script] = [[(0.0, 1.0)] * 2, [(0.0, 1.0)] * 3]
    venv = scripted_vec_env(scripts, wrapper=ISRRewardWrapper, truncates=True)
    venv.reset()
    connection = find_connection(venv)
    connection.connect(constant(0.0), 0.0, 1.0, [np.random.default_rng(0)] * 2, True)
    for _ in range(3):
        connection.announce_step()
        venv.step(np.zeros(2, int))
    pools = [record.unattended for record in connection.collect()]
    assert [None if pool is None else pool.envs.tolist() for pool in pools] == [[0, 0, 0], [1, 1, 1]]
    assert [None if pool is None else pool.ended.tolist() for pool in pools] == [
        [False, True, False],
        [False, False, True],
    ]
