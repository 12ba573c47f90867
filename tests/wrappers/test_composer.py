"""The composer: utilities by hand, and what a wrapper does while nothing is connected."""

import pickle
from typing import Any

import numpy as np
import pytest

from sb3_isr import InternalSocialReward, VecISRReward
from sb3_isr.common.batches import Array
from sb3_isr.labels import Transitions
from tests.scripted_env import scripted_vec_env
from tests.wrappers.connected import SCRIPTS, connected, internal_reward, utilities_of


def test_utility_while_the_caregiver_is_present() -> None:
    utilities = utilities_of(connected(1.0), 3)
    np.testing.assert_array_equal(utilities, [[-0.25, 0.5], [0.75, -2.0], [-0.25, 0.25]])


def test_utility_while_the_caregiver_is_absent() -> None:
    # R_e + R_i; an episode of the first environment has two steps, so its third step is step 0 again.
    utilities = utilities_of(connected(0.0), 3)
    by_hand = [[-0.25 + 1001, 0.5 + 1102], [-0.25 + 12011, 2112], [-0.25 + 1001, 0.25 + 13122]]
    np.testing.assert_array_equal(utilities, by_hand)


def test_coefficient() -> None:
    utilities = utilities_of(connected(0.0, coefficient=0.5), 1)
    np.testing.assert_array_equal(utilities[0], [-0.25 + 500.5, 0.5 + 551])
    utilities = utilities_of(connected(0.0, coefficient=0.0), 3)
    np.testing.assert_array_equal(utilities, [[-0.25, 0.5], [-0.25, 0.0], [-0.25, 0.25]])


def test_internal_rewards_of_the_last_step_are_known_where_the_caregiver_is_absent() -> None:
    venv = connected(0.0, coefficient=2.0)
    utilities_of(venv, 2)
    np.testing.assert_array_equal(venv.composer.last_internal_rewards, [24022, 4224])
    venv.composer.update(internal_reward, 1.0, 1.0)
    utilities_of(venv, 1)  # an episode of the first environment starts, the second one goes on
    np.testing.assert_array_equal(venv.composer.last_internal_rewards, [np.nan, 13122])


def test_internal_rewards_are_not_computed_while_all_environments_are_attended() -> None:
    def computed(*transitions: Any) -> Array:
        raise AssertionError("computed")

    utilities_of(connected(1.0, reward=computed), 1)


@pytest.mark.parametrize("was_connected", [False, True])
def test_unconnected_it_changes_nothing_and_records_nothing(was_connected: bool) -> None:
    plain, wrapped = scripted_vec_env(SCRIPTS), VecISRReward(scripted_vec_env(SCRIPTS))
    plain.reset(), wrapped.reset()
    if was_connected:
        wrapped.composer.connect(internal_reward, 0.0)
        wrapped.composer.disconnect()
    for _ in range(7):
        expected, got = plain.step(np.array([0, 1])), wrapped.step(np.array([0, 1]))
        np.testing.assert_array_equal(got[0], expected[0])
        np.testing.assert_array_equal(got[1], expected[1])
        assert got[1].dtype == expected[1].dtype
    labels, unattended, statistics = wrapped.composer.collect()
    assert labels is None
    assert unattended is None
    assert statistics.transitions == 0


def test_a_label_that_is_not_a_finite_number_is_refused() -> None:
    venv = connected(1.0, [[(0.0, float("nan"))]])
    with pytest.raises(ValueError, match=r"environment 0 at step 1: .*one finite number, got nan.*leave the key out"):
        venv.step(np.array([0]))


def test_a_pickled_composer_holds_its_records_and_not_the_callbacks_isr() -> None:
    """Checkpoints pickle the environments; an ISR in them would be a second one after a resume."""
    venv = connected(1.0)
    utilities_of(venv, 3)
    unpickled = pickle.loads(pickle.dumps(venv.composer))
    assert len(unpickled.collect().labels.social_rewards) == 4
    rewards = np.array([1.0, 2.0])
    none = np.zeros(2, bool)
    nowhere = Transitions(np.zeros((2, 2)), np.zeros(2), np.zeros((2, 2)), none)
    assert unpickled.compose(nowhere, rewards, none, [{}, {}]) is rewards  # unconnected

    own = VecISRReward(scripted_vec_env(SCRIPTS), isr=_isr())
    observations = own.reset()
    assert isinstance(observations, np.ndarray)
    unpickled = pickle.loads(pickle.dumps(own.composer))
    next_observations, utilities, *_ = own.step(np.array([1, 2]))
    assert isinstance(next_observations, np.ndarray)
    transitions = Transitions(observations, np.array([1, 2]), next_observations, none)
    expected = unpickled.compose(transitions, np.array([-0.25, 0.5]), none, [{}, {}])
    np.testing.assert_allclose(utilities, expected, rtol=1e-6)


def _isr() -> InternalSocialReward:
    venv = scripted_vec_env(SCRIPTS)
    return InternalSocialReward(venv.observation_space, venv.action_space, device="cpu")
