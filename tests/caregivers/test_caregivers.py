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


def say(caregiver: Caregiver, rewards: list[float]) -> list[float | None]:
    return [caregiver.social_reward(transition(reward)) for reward in rewards]


def test_task_reward_is_declared_social_and_nothing_is_left() -> None:
    caregiver = TaskRewardCaregiver()
    assert caregiver.social_reward(transition(1.5)) == 1.5
    assert caregiver.environment_reward(transition(1.5)) == 0.0


def test_praise_is_what_the_environment_says_is_social() -> None:
    caregiver, praised = PraiseCaregiver(), transition(0.355, {"social_reward": 0.4})
    assert caregiver.social_reward(praised) == 0.4
    assert caregiver.environment_reward(praised) == pytest.approx(-0.045)
    assert caregiver.social_reward(transition(-0.045)) is None
    assert caregiver.environment_reward(transition(-0.045)) == -0.045


def test_a_function_is_a_caregiver() -> None:
    assert say(FunctionCaregiver(lambda t: 2 * t.reward), [1.0, 2.0]) == [2.0, 4.0]


def test_noise_has_the_spread_it_was_given_and_is_seeded() -> None:
    def noise(seed: int) -> list[float | None]:
        caregiver = NoisyCaregiver(TaskRewardCaregiver(), std=0.5)
        caregiver.reset(seed)
        return say(caregiver, [1.0] * 2000)

    labels = np.array(noise(0), float)
    assert abs(labels.mean() - 1.0) < 0.05
    assert abs(labels.std() - 0.5) < 0.04
    assert noise(0) == noise(0) != noise(1)


def test_sparse_says_nothing_most_of_the_time_and_the_truth_otherwise() -> None:
    caregiver = SparseCaregiver(TaskRewardCaregiver(), probability=0.25)
    caregiver.reset(0)
    labels = say(caregiver, [3.0] * 2000)
    assert set(labels) == {3.0, None}
    assert abs(labels.count(3.0) - 500) < 80
    assert caregiver.environment_reward(transition(3.0)) == 0.0


def test_delayed_labels_fall_on_later_transitions_of_the_same_episode() -> None:
    caregiver = DelayedCaregiver(TaskRewardCaregiver(), steps=2)
    for _ in range(2):
        caregiver.reset()
        assert say(caregiver, [1.0, 2.0, 3.0, 4.0]) == [None, None, 1.0, 2.0]


def test_imperfections_compose_and_do_not_share_their_luck() -> None:
    caregiver = SparseCaregiver(SparseCaregiver(TaskRewardCaregiver(), 0.5), 0.5)
    caregiver.reset(0)
    assert abs(say(caregiver, [1.0] * 2000).count(1.0) - 500) < 80


def test_a_seed_of_none_goes_on_where_the_randomness_was() -> None:
    caregiver = SparseCaregiver(TaskRewardCaregiver(), 0.5)
    caregiver.reset(0)
    first = say(caregiver, [1.0] * 50)
    caregiver.reset()
    assert say(caregiver, [1.0] * 50) != first


@pytest.mark.parametrize("make", [lambda c: NoisyCaregiver(c, -1), lambda c: NoisyCaregiver(c, float("nan"))])
def test_bad_noise_is_refused(make: Any) -> None:
    with pytest.raises(ValueError, match="finite and not negative, got"):
        make(TaskRewardCaregiver())


def test_bad_probabilities_and_delays_are_refused() -> None:
    with pytest.raises(ValueError, match=r"\[0, 1\], got 1\.1"):
        SparseCaregiver(TaskRewardCaregiver(), 1.1)
    with pytest.raises(ValueError, match="0 or more, got -1"):
        DelayedCaregiver(TaskRewardCaregiver(), -1)
