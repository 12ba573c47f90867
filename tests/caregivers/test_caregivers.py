import copy
from typing import Any

import numpy as np
import pytest

from sb3_isr import (
    Caregiver,
    DelayedCaregiver,
    FunctionCaregiver,
    NoisyCaregiver,
    PraiseCaregiver,
    SparseCaregiver,
    TaskRewardCaregiver,
    Transition,
)


def transition(reward: float = 0.0, info: dict[str, Any] | None = None) -> Transition:
    return Transition(None, 0, reward, None, False, False, {} if info is None else info)


def labels_of(caregiver: Caregiver, rewards: list[float]) -> list[float | None]:
    return [caregiver.social_reward(transition(reward)) for reward in rewards]


def test_the_task_reward_becomes_social_and_no_environment_reward_is_left() -> None:
    caregiver = TaskRewardCaregiver()
    assert caregiver.social_reward(transition(1.5)) == 1.5
    assert caregiver.environment_reward(transition(1.5)) == 0.0


def test_praise_is_the_social_reward_that_the_environment_writes() -> None:
    caregiver, praised = PraiseCaregiver(), transition(0.355, {"social_reward": 0.4})
    assert caregiver.social_reward(praised) == 0.4
    assert caregiver.environment_reward(praised) == pytest.approx(-0.045)
    assert caregiver.social_reward(transition(-0.045)) is None
    assert caregiver.environment_reward(transition(-0.045)) == -0.045


def test_a_function_is_a_caregiver() -> None:
    caregiver = FunctionCaregiver(lambda t: 2 * t.reward)
    caregiver.reset(0)
    assert labels_of(caregiver, [1.0, 2.0]) == [2.0, 4.0]
    assert caregiver.environment_reward(transition(1.0)) == 1.0


def test_noise_has_the_given_standard_deviation_and_is_seeded() -> None:
    def noise(seed: int) -> list[float | None]:
        caregiver = NoisyCaregiver(TaskRewardCaregiver(), std=0.5)
        caregiver.reset(seed)
        return labels_of(caregiver, [1.0] * 2000)

    labels = np.array(noise(0), float)
    assert abs(labels.mean() - 1.0) < 0.05
    assert abs(labels.std() - 0.5) < 0.04
    assert noise(0) == noise(0) != noise(1)


def test_where_there_is_no_label_there_is_no_noise() -> None:
    assert labels_of(NoisyCaregiver(PraiseCaregiver(), std=0.5), [1.0] * 3) == [None] * 3


def test_sparse_labels_are_unchanged_or_missing() -> None:
    caregiver = SparseCaregiver(TaskRewardCaregiver(), probability=0.25)
    caregiver.reset(0)
    labels = labels_of(caregiver, [3.0] * 2000)
    assert set(labels) == {3.0, None}
    assert abs(labels.count(3.0) - 500) < 80
    assert caregiver.environment_reward(transition(3.0)) == 0.0


def test_delayed_labels_are_given_to_later_transitions_of_the_same_episode() -> None:
    caregiver = DelayedCaregiver(TaskRewardCaregiver(), steps=2)
    for _ in range(2):
        caregiver.reset()
        assert labels_of(caregiver, [1.0, 2.0, 3.0, 4.0]) == [None, None, 1.0, 2.0]


def test_composed_imperfect_caregivers_draw_independently() -> None:
    caregiver = SparseCaregiver(SparseCaregiver(TaskRewardCaregiver(), 0.5), 0.5)
    caregiver.reset(0)
    assert abs(labels_of(caregiver, [1.0] * 2000).count(1.0) - 500) < 80


def test_without_a_seed_reset_keeps_the_state_of_the_generator() -> None:
    def draw(caregiver: Caregiver) -> list[float | None]:
        return labels_of(caregiver, [1.0] * 50)

    caregiver, same = (SparseCaregiver(TaskRewardCaregiver(), 0.5) for _ in range(2))
    caregiver.reset(0)
    same.reset(0)
    first = draw(caregiver)
    caregiver.reset()
    assert [first, draw(caregiver)] == [draw(same), draw(same)]
    assert draw(caregiver) != first


def test_copies_made_before_the_first_draw_draw_differently() -> None:
    """Each of several environments may get a copy of the same caregiver."""
    original = SparseCaregiver(TaskRewardCaregiver(), 0.5)
    labels = [labels_of(copy.deepcopy(original), [1.0] * 50) for _ in range(2)]
    assert labels[0] != labels[1]


@pytest.mark.parametrize(
    ("kind", "argument", "message"),
    [
        (NoisyCaregiver, -1, r"finite number in \[0, inf\), got -1"),
        (NoisyCaregiver, float("nan"), r"finite number in \[0, inf\), got nan"),
        (NoisyCaregiver, float("inf"), r"finite number in \[0, inf\), got inf"),
        (SparseCaregiver, 1.1, r"\[0, 1\], got 1\.1"),
        (SparseCaregiver, float("nan"), r"\[0, 1\], got nan"),
        (DelayedCaregiver, -1, "0 or more, got -1"),
    ],
)
def test_bad_arguments_are_refused(kind: Any, argument: float, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        kind(TaskRewardCaregiver(), argument)
