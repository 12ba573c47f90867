"""Which transitions a query schedule chooses."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from sb3_isr import AllQueries, InternalSocialReward, RandomQueries, UncertaintyQueries
from sb3_isr.labels import LabelRange, QueryPool
from sb3_isr.labels.label_range import LabelRanges
from sb3_isr.schedules.queries import query_schedule
from tests.schedules.planted_isr import BOX, DISCRETE, PlantedISR, transitions


def queried(schedule: RandomQueries, n: int, isr: InternalSocialReward, numbers: Any, seed: int = 0) -> list[float]:
    """The numbers of the transitions that the schedule chooses, in ascending order."""
    pool = QueryPool(transitions(*numbers))
    index = schedule.choose(pool, n, isr, np.random.default_rng(seed))
    return sorted(pool.query(index).social_rewards.tolist())


def test_random_queries_are_random_and_different() -> None:
    choices = [queried(RandomQueries(), 5, PlantedISR(), range(20), seed) for seed in (0, 1, 0)]
    assert choices[0] == choices[2] != choices[1]
    assert all(len(set(choice)) == 5 for choice in choices)
    assert queried(RandomQueries(), 5, PlantedISR(), range(3)) == [0, 1, 2]


@pytest.mark.parametrize(
    ("isr", "n", "numbers", "expected"),
    [
        # The members disagree most about 7, 8 and 9; each distinct transition counts once.
        (PlantedISR(), 3, [1, 9, 9, 9, 3, 8, 7, 2], [7, 8, 9]),
        (PlantedISR(), 5, [1, 9, 9], [1, 9]),
        # Both members are sure and wrong about 5, and the learner does little else. 39 has the greatest disagreement.
        (PlantedISR(lambda number: 0.4 * (number == 5)), 2, [*range(10, 40), 5, 5, 5], [5, 39]),
        # 9 has both the income and the greatest disagreement, but is queried once.
        (PlantedISR(lambda number: 0.4 * (number == 9)), 2, [7, 8, 9, 9], [8, 9]),
    ],
    ids=["disagreement", "fewer than wanted", "income", "both"],
)
def test_uncertainty_queries_choose_by_disagreement_and_by_income(
    isr: PlantedISR, n: int, numbers: list[float], expected: list[float]
) -> None:
    assert queried(UncertaintyQueries(), n, isr, numbers) == expected


def test_disagreement_of_rewards_counts_before_disagreement_of_outputs() -> None:
    """The members' rewards for 2 and 4 are both 3, the greatest label, however much their outputs differ."""
    isr = PlantedISR(
        None,
        lambda number: number,
        lambda number: np.where(number == 1, -1, number + 50),
        limit_to_labels="values",
    )
    isr.label_ranges = LabelRanges.both(LabelRange(-3.0, 3.0, (-3.0, 3.0)))
    assert queried(UncertaintyQueries(), 1, isr, [2, 1, 4]) == [1]


def test_income_is_drawn_in_proportion_to_the_internal_rewards_of_all_occurrences() -> None:
    """1 earns 2 twice, 2 earns 1 once; nothing else earns anything."""
    isr = PlantedISR(lambda number: np.where(number == 1, 2.0, np.where(number == 2, 1.0, 0.0)))
    chosen = [queried(UncertaintyQueries(), 2, isr, [0, 1, 1, 2, 500], seed) for seed in range(400)]
    assert all(pair[1] == 500 for pair in chosen)
    share = np.mean([pair[0] == 1 for pair in chosen])
    assert abs(share - 0.8) < 0.08  # four standard deviations


def test_text_forms() -> None:
    assert query_schedule("all") == AllQueries()
    assert query_schedule("random_200") == RandomQueries(200)
    assert query_schedule("uncertainty_100") == UncertaintyQueries(100)
    schedule = UncertaintyQueries(7, attended_fraction=0.1)
    assert query_schedule(schedule) is schedule
    for text in (
        "ask_when_unsure_500",
        "uncertainty",
        "uncertainty_",
        "all_500",
        "",
        "random_²",
        "random_x",
        "random_-1",
    ):
        with pytest.raises(
            ValueError, match=f"is written all, random_500, uncertainty_500 or episodes_50.*, got '{text}'"
        ):
            query_schedule(text)


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"budget": 0}, "budget must be a whole number, 1 or more, got 0"),
        ({"n_rounds": 0}, "n_rounds must be a whole number, 1 or more, got 0"),
        ({"window": 0}, "window must be a whole number, 1 or more, got 0"),
        ({"attended_fraction": 1.5}, r"attended_fraction.* in \[0, 1\], got 1.5"),
        ({"attended_fraction": float("nan")}, r"attended_fraction.* in \[0, 1\], got nan"),
    ],
)
def test_bad_arguments_are_refused(kwargs: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        RandomQueries(**kwargs)


def test_uncertainty_queries_need_several_members() -> None:
    isr = InternalSocialReward(BOX, DISCRETE, net_arch=(4,), device="cpu")
    RandomQueries().check_isr(isr)
    UncertaintyQueries().check_isr(PlantedISR())
    with pytest.raises(ValueError, match=r'got n_members=1 with UncertaintyQueries.*"n_members": 5'):
        UncertaintyQueries().check_isr(isr)
