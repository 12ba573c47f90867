"""Attendance: drawn once for each episode, from one generator for each environment."""

import numpy as np

from sb3_isr.wrappers.attendance import Attendance
from tests.scripted_env import Script
from tests.wrappers.connected import connected, constant, utilities_of


def attendance(probability: float, n_envs: int = 1) -> Attendance:
    made = Attendance(n_envs)
    made.probability = probability
    made.rngs = [np.random.default_rng(seed) for seed in range(n_envs)]
    return made


def test_presence_is_drawn_at_each_episodes_start_and_lasts_for_the_episode() -> None:
    venv = connected(0.5, [[(0.0, 1.0)] * 5] * 4, constant(0.0))
    utilities = utilities_of(venv, 400).T.reshape(4 * 80, 5)
    attended = utilities[:, 0]
    np.testing.assert_array_equal(utilities, np.repeat(attended[:, None], 5, axis=1))
    assert abs(attended.mean() - 0.5) < 0.12


def test_the_caregiver_does_not_leave_in_mid_episode() -> None:
    venv = connected(1.0, [[(0.0, 1.0)] * 4], constant(0.5))
    utilities = utilities_of(venv, 1).ravel().tolist()
    venv.composer.update(constant(0.25), 0.0, 1.0)
    utilities += utilities_of(venv, 5).ravel().tolist()
    assert utilities == [1.0, 1.0, 1.0, 1.0, 0.25, 0.25]
    labels = venv.composer.collect().labels
    assert labels is not None
    assert len(labels.social_rewards) == 4


def test_attendance_is_remembered_over_a_pause_in_mid_episode() -> None:
    """`learn` in pieces connects and disconnects between two steps of an episode."""
    script: Script = [(0.0, 1.0)] * 4
    venv = connected(1.0, [script], constant(0.5))
    venv.step(np.array([0]))
    venv.composer.disconnect()
    venv.composer.connect(constant(0.5), 0.0)
    assert utilities_of(venv, 4).ravel().tolist() == [1.0, 1.0, 1.0, 0.5]


def test_an_episodes_end_and_the_reset_after_it_are_one_start() -> None:
    """Otherwise who resets by hand would get another run than who does not."""
    once, twice = attendance(0.5), attendance(0.5)
    for _ in range(50):
        for each, n_ends in ((once, 1), (twice, 2)):
            for _ in range(n_ends):
                each.end_episodes(True)
            each.draw()
        assert once.present.tolist() == twice.present.tolist()


def test_each_environment_draws_from_its_own_generator() -> None:
    """How long the episodes of the others are makes no difference."""

    def drawn(others_end: bool) -> list[bool]:
        several, drawn = attendance(0.5, 3), []
        for _ in range(50):
            several.end_episodes(np.array([others_end, True, others_end]))
            several.draw()
            drawn.append(bool(several.present[1]))
        return drawn

    assert drawn(others_end=True) == drawn(others_end=False)
    assert len(set(drawn(others_end=True))) == 2
