"""Attendance: drawn once for each episode, from one generator for each environment."""

import numpy as np
import pytest

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


def steps_attended(several: Attendance, n_steps: int, length: int | None = None) -> list[bool]:
    """Whether the first environment is attended, of episodes of some length (or without an end)."""
    attended = []
    for step in range(n_steps):
        several.draw()
        attended.append(bool(several.present[0]))
        if length is not None and (step + 1) % length == 0:
            several.end_episodes(True)
    return attended


def test_the_caregiver_leaves_a_task_that_never_ends() -> None:
    """Else nobody would ever leave: the episode that it attends goes on until training is over."""
    one = attendance(1.0)
    assert all(steps_attended(one, 320))
    one.probability = 0.0
    attended = steps_attended(one, 320)
    assert attended == [True] * attended.count(True) + [False] * attended.count(False)
    assert attended.count(True) < 20


def test_presence_in_a_task_that_never_ends_has_the_probability_of_the_schedule() -> None:
    attended = steps_attended(attendance(0.3), 20_000)
    assert abs(np.mean(attended) - 0.3) < 0.05


def test_the_caregiver_leaves_a_learner_that_has_learned_to_go_on_for_ever() -> None:
    one = attendance(1.0)
    steps_attended(one, 50, length=50)
    one.probability = 0.0
    assert sum(steps_attended(one, 1000, length=None)) == 0  # an episode that starts now
    one = attendance(1.0)
    steps_attended(one, 60, length=50)
    one.probability = 0.0
    assert sum(steps_attended(one, 1000)) == 90  # twice the longest episode, less the steps before


@pytest.mark.parametrize("length", [1, 19, 500])
def test_ordinary_episodes_are_attended_or_not_as_a_whole(length: int) -> None:
    """Also long ones, once one has ended, and also where the probability falls in the middle of one."""
    one = attendance(1.0)
    steps_attended(one, length, length)
    drawn = []
    for probability in (1.0, 0.5, 0.5, 0.5, 0.5, 0.0):
        steps_attended(one, length // 2)
        one.probability = probability
        drawn.append(steps_attended(one, length - length // 2))
        one.end_episodes(True)
    assert all(len(set(episode)) == 1 for episode in drawn)


def test_only_what_may_change_is_drawn_in_mid_episode() -> None:
    """So that most runs draw the same numbers as if episodes had no limit."""
    endless, short = attendance(1.0), attendance(1.0)
    steps_attended(endless, 100)
    steps_attended(short, 1)
    assert endless.rngs[0].bit_generator.state == short.rngs[0].bit_generator.state
