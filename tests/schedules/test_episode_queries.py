"""Which episodes are asked about, and when."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from sb3_isr import InternalSocialReward
from sb3_isr.common.batches import Array
from sb3_isr.labels import QueryPool
from sb3_isr.schedules.episode_queries import EpisodeQueries
from sb3_isr.schedules.episode_scheduler import EpisodeScheduler
from sb3_isr.schedules.queries import query_schedule
from tests.labels.made_labels import make_labels, numbers_in
from tests.schedules.planted_isr import BOX, DISCRETE, PlantedISR
from tests.schedules.test_no_peeking import sealed


def scheduler(numbers: list[int], labels: Any = None, **kwargs: Any) -> EpisodeScheduler:
    """A scheduler that has seen an episode of two steps from each number on."""
    made = EpisodeScheduler(EpisodeQueries(**kwargs), np.random.default_rng(0))
    for number in numbers:
        made.on_unattended(QueryPool(make_labels([0.0, 0.0], number), ended=np.array([False, True])))
    return made


def chosen(made: EpisodeScheduler, n: int, isr: InternalSocialReward | None, asked: list[int] | None = None) -> Any:
    """The first numbers of the chosen episodes with the reason."""
    before = [make_labels([0.0, 0.0], number).transitions for number in asked or []]
    return [(numbers_in(each.window.pool.query(slice(None)))[0], each.reason) for each in made.choose(n, isr, before)]


def test_the_first_episodes_are_random_and_different() -> None:
    made = scheduler([*range(0, 100, 10)])
    first = chosen(made, 4, None)
    assert len({number for number, _ in first}) == 4
    assert {reason for _, reason in first} == {"chosen at random"}
    others = chosen(made, 100, None)
    assert {number for number, _ in first}.isdisjoint(number for number, _ in others)
    assert len(others) == 6
    assert chosen(made, 3, None) == []


def test_the_rules_take_turns() -> None:
    """The members disagree most about 90, the learner is paid for 20 only, and 0 was never asked."""
    isr = PlantedISR(lambda number: 1.0 * (number == 20))
    made = scheduler([*range(0, 100, 10)])
    assert chosen(made, 3, isr, asked=[*range(10, 100, 10)]) == [
        (90, "the members of the ISR disagree about it"),
        (20, "the learner is paid for it by the ISR"),
        (0, "nothing like it was asked before"),
    ]


def test_rules_can_be_chosen_and_disagreement_needs_members() -> None:
    isr = InternalSocialReward(BOX, DISCRETE, net_arch=(4,), device="cpu")
    made = scheduler([0, 10, 20, 30], rules=("uncertainty", "novelty"))
    assert [reason for _, reason in chosen(made, 2, isr)] == ["nothing like it was asked before"] * 2
    EpisodeQueries().check_isr(isr)
    with pytest.raises(ValueError, match=r'got n_members=1 with EpisodeQueries.*"n_members": 5'):
        EpisodeQueries(rules=("uncertainty",)).check_isr(isr)


@pytest.mark.parametrize("rule", ["random", "uncertainty", "income", "novelty"])
def test_no_rule_looks_at_a_label(rule: Any) -> None:
    opened: list[int] = []
    made = EpisodeScheduler(EpisodeQueries(max_steps=4, rules=(rule,)), np.random.default_rng(0))
    made.on_unattended(QueryPool(sealed(opened, 30)))
    made.on_unattended(QueryPool(sealed(opened, 30), envs=np.full(30, 1)))
    asked = [make_labels([0.0] * 4).transitions]
    windows = [each.window for each in made.choose(5, PlantedISR(), asked)]
    assert opened == []
    assert sum(len(window.pool.query(slice(None)).social_rewards) for window in windows) == len(opened) > 0


def test_answers_are_spread_over_the_rounds() -> None:
    schedule = EpisodeQueries(50, first=0.4, n_rounds=7)
    progress: Array = np.arange(0, 1, 1 / 70)
    due = [schedule.n_due(schedule.round_at(float(part))) for part in progress]
    assert sorted(set(due)) == [20, 25, 30, 35, 40, 45, 50]
    assert schedule.round_at(1.0) == 7
    assert [EpisodeQueries(50, n_rounds=1).n_due(1), EpisodeQueries(3, first=0.01).n_due(1)] == [50, 1]


def test_text_form_and_bad_arguments() -> None:
    assert query_schedule("episodes_30") == EpisodeQueries(30)
    with pytest.raises(ValueError, match=r"first must be a finite number in \(0, 1\], got 0"):
        EpisodeQueries(first=0)
    with pytest.raises(ValueError, match="max_steps must be a whole number, 1 or more, got 0"):
        EpisodeQueries(max_steps=0)
    for rules in ((), "novelty", ("praise",)):
        with pytest.raises(ValueError, match="rules must be some of random, uncertainty, income, novelty, in a tuple"):
            EpisodeQueries(rules=rules)  # type: ignore[arg-type]
