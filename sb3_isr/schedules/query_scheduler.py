"""Query schedulers: they carry out a query schedule while training goes on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sb3_isr.common.batches import Array
from sb3_isr.isr.model import InternalSocialReward
from sb3_isr.labels.batch import LabelBatch, QueryPool
from sb3_isr.schedules.presence import PresenceSchedule, attendance_probability
from sb3_isr.schedules.queries import RandomQueries, query_schedule
from sb3_isr.schedules.query_schedule import QuerySchedule

#: Number of equal parts of training in which the presence schedule is evaluated, to spread labels over them.
N_PARTS = 1000
#: A round of queries comes when this much of its interval has passed: soon, but the learner must have acted first.
ROUND_AFTER = 0.2


@dataclass
class QueryCounts:
    """
    Counts the queries so far.

    :param attended: Labels of transitions that the caregiver attended.
    :param rounds: Rounds of queries about transitions that it did not attend.
    :param unattended: Labels of such transitions.
    """

    attended: int = 0
    rounds: int = 0
    unattended: int = 0


class QueryScheduler:
    """Carries out a query schedule. This one queries everything that the caregiver attends, and nothing else."""

    #: Labels reserved for queries about transitions that the caregiver did not attend.
    n_reserved = 0

    def __init__(self) -> None:
        self.counts = QueryCounts()

    def on_labels(self, labels: LabelBatch, progress: float) -> LabelBatch:
        """
        Choose the transitions to query among those that the caregiver attended.

        :param labels: The labels that it would give.
        :param progress: Fraction of training that has passed.
        :return: The labels of the queried transitions.
        """
        return labels

    def on_unattended(self, unattended: QueryPool) -> None:
        """
        Add transitions that the caregiver did not attend to the query pool.

        :param unattended: The transitions.
        """

    def query_if_due(self, progress: float, isr: InternalSocialReward) -> LabelBatch | None:
        """
        Make a round of queries about the query pool if it is time for one.

        :param progress: Fraction of training that has passed.
        :param isr: The ISR as it is.
        :return: The labels; None if nothing was queried.
        """
        return None

    def query(self, n: int, isr: InternalSocialReward) -> LabelBatch | None:
        """
        Make a round of queries about the query pool, within the budget.

        :param n: How many labels are wanted.
        :param isr: The ISR as it is.
        :return: The labels; None if nothing was queried.
        """
        return None


class BudgetScheduler(QueryScheduler):
    """
    Carries out a query schedule with a budget.

    :param schedule: The schedule.
    :param presence: When the caregiver attends.
    :param rng: Source of randomness.
    """

    def __init__(self, schedule: RandomQueries, presence: PresenceSchedule, rng: np.random.Generator) -> None:
        super().__init__()
        self._schedule = schedule
        self._rng = rng
        self._pool: QueryPool | None = None
        passed = (np.arange(N_PARTS) + 0.5) / N_PARTS
        attendance = np.array([attendance_probability(presence, 1.0 - part) for part in passed])
        self._attended, self._absent = (np.append(0.0, np.cumsum(part)) for part in (attendance, 1.0 - attendance))
        attended_fraction = schedule.attended_fraction if self._absent[-1] else 1.0
        n_attended = round(schedule.budget * attended_fraction)
        self._n_attended = n_attended if self._attended[-1] else 0
        self.n_reserved = schedule.budget - self._n_attended if self._absent[-1] else 0

    def on_labels(self, labels: LabelBatch, progress: float) -> LabelBatch:
        """As :class:`QueryScheduler`'s, at random and within the budget."""
        due = max(0, int(self._n_attended * _share(self._attended, progress)) - self.counts.attended)
        queried = self._rng.permutation(len(labels.social_rewards))[:due]
        self.counts.attended += len(queried)
        return labels.select(np.sort(queried))

    def on_unattended(self, unattended: QueryPool) -> None:
        """As :class:`QueryScheduler`'s; the pool holds the newest transitions of the schedule's window."""
        pool = unattended if self._pool is None else self._pool.extend(unattended)
        self._pool = pool.newest(self._schedule.window)

    def query_if_due(self, progress: float, isr: InternalSocialReward) -> LabelBatch | None:
        """As :class:`QueryScheduler`'s."""
        n_rounds = self._schedule.n_rounds
        rounds_due = min(n_rounds, int(_share(self._absent, progress) * n_rounds + 1 - ROUND_AFTER))
        if rounds_due <= self.counts.rounds:
            return None
        self.counts.rounds = rounds_due
        return self.query(self.n_reserved * rounds_due // n_rounds - self.counts.unattended, isr)

    def query(self, n: int, isr: InternalSocialReward) -> LabelBatch | None:
        """As :class:`QueryScheduler`'s."""
        n = min(n, self.n_reserved - self.counts.unattended)
        if self._pool is None or n < 1:
            return None
        pool, self._pool = self._pool, None
        answers: list[LabelBatch] = []
        while n > 0 and len(pool):
            queried = self._schedule.choose(pool, n, isr, self._rng)
            labels = pool.query(queried)
            # Whether there is an answer is not known before the query; others take the place of those without one.
            answers.append(labels.select(np.flatnonzero(~np.isnan(labels.social_rewards))))
            n -= len(answers[-1].social_rewards)
            pool = pool.select(np.setdiff1d(np.arange(len(pool)), queried))
        labels = LabelBatch.concatenate(answers)
        self.counts.unattended += len(labels.social_rewards)
        return labels if len(labels.social_rewards) else None


def make_scheduler(schedule: QuerySchedule, presence: PresenceSchedule, rng: np.random.Generator) -> QueryScheduler:
    """
    Make the scheduler that carries out a query schedule.

    :param schedule: The schedule.
    :param presence: When the caregiver attends.
    :param rng: Source of randomness.
    :return: The scheduler.
    :raises ValueError: If the schedule is another one than :func:`~sb3_isr.schedules.queries.query_schedule` knows.
    """
    schedule = query_schedule(schedule)  # every other kind would count as all queries
    return BudgetScheduler(schedule, presence, rng) if isinstance(schedule, RandomQueries) else QueryScheduler()


def _share(cumulated: Array, progress: float) -> float:
    """Share of the whole that has accumulated at a fraction of training."""
    if not cumulated[-1]:
        return 0.0
    return float(np.interp(progress, np.linspace(0.0, 1.0, len(cumulated)), cumulated) / cumulated[-1])
