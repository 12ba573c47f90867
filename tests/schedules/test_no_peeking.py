"""No query rule looks at a label before it is queried."""

from __future__ import annotations

import numpy as np
import pytest

from sb3_isr import LabelBatch, RandomQueries, UncertaintyQueries
from sb3_isr.labels import QueryPool
from sb3_isr.schedules.presence import presence_schedule
from sb3_isr.schedules.query_schedule import QuerySchedule
from sb3_isr.schedules.query_scheduler import QueryScheduler, make_scheduler
from tests.schedules.planted_isr import PlantedISR, transitions


def scheduler(schedule: QuerySchedule, presence: str) -> QueryScheduler:
    return make_scheduler(schedule, presence_schedule(presence), np.random.default_rng(0))


class Sealed:
    """A label that raises when it is looked at, but for the query that reveals it."""

    def __init__(self, opened: list[int], number: int) -> None:
        self._opened = opened
        self._number = number

    def __float__(self) -> float:
        self._opened.append(self._number)
        return 0.0

    def __eq__(self, other: object) -> bool:
        raise AssertionError("a label was looked at before it was queried")

    __ne__ = __lt__ = __gt__ = __le__ = __ge__ = __bool__ = __hash__ = __eq__  # type: ignore[assignment]


def sealed(opened: list[int], n: int) -> LabelBatch:
    """Transitions whose labels write down which of them are opened."""
    labels = transitions(*range(n))
    return labels._replace(social_rewards=np.array([Sealed(opened, i) for i in range(n)], object))


@pytest.mark.parametrize("schedule", [RandomQueries(12, 0.5), UncertaintyQueries(12)], ids=str)
def test_no_rule_looks_at_a_label_before_it_is_queried(schedule: RandomQueries) -> None:
    opened: list[int] = []
    queries = scheduler(schedule, "leave_at_0.5")
    assert len(queries.on_labels(sealed(opened, 50), 0.5).social_rewards) == 6
    assert opened == []  # the scheduler hands them on as they are
    queries.on_unattended(QueryPool(sealed(opened, 30)))
    queries.on_unattended(QueryPool(sealed(opened, 30)))
    labels = queries.query(6, PlantedISR())
    assert labels is not None
    assert len(labels.social_rewards) == len(opened) == 6


def test_attended_queries_are_random_whatever_is_praised() -> None:
    chosen = []
    for praise in (0, 1):
        numbers = np.arange(100)
        labels = transitions(*numbers)._replace(social_rewards=(numbers < 3) * float(praise))
        queried = scheduler(RandomQueries(10), "always").on_labels(labels, 1.0)
        chosen.append(np.asarray(queried.transitions.observations)[:, 0].tolist())
    assert chosen[0] == chosen[1]
