"""
Query schedules: which transitions become labels, under a budget, chosen without a look at any label.

While it attends, the caregiver rewards the learner in any case; the ISR is trained on the transitions that it is
queried about. After it has left, it can be queried about what the learner has done since. YAML and command lines write
a schedule as text, ``uncertainty_500``. Whole episodes are asked about in ``episode_queries``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np

from sb3_isr.common.arguments import number, whole_number
from sb3_isr.common.batches import Array
from sb3_isr.isr.model import InternalSocialReward
from sb3_isr.labels.batch import QueryPool
from sb3_isr.labels.sampling import pair_hashes
from sb3_isr.schedules.episode_queries import EpisodeQueries
from sb3_isr.schedules.query_schedule import QuerySchedule


@dataclass(frozen=True)
class AllQueries(QuerySchedule):
    """Query the caregiver about every transition that it attends, and about nothing after it has left."""


@dataclass(frozen=True)
class RandomQueries(QuerySchedule):
    """
    Query the caregiver about random transitions.

    No rule looks at a label before it is queried: a person does not know either where there will be something to
    praise. Where praise is rare, few of the queried transitions are praised.

    :param budget: The largest number of labels in all.
    :param attended_fraction: Fraction of the budget, in [0, 1], for transitions that it attends, spread evenly over its
        attendance. The rest is for queries after it has left.
    :param n_rounds: Number of rounds of such queries, at equal intervals of its absence. In each it is queried about
        the newest transitions that it did not attend, and the ISR is trained.
    :param window: Number of transitions from which a round chooses.
    :raises ValueError: If a number is out of range.
    """

    budget: int = 500
    attended_fraction: float = 1.0
    n_rounds: int = 10
    window: int = 4096

    def __post_init__(self) -> None:
        for name in ("budget", "n_rounds", "window"):
            object.__setattr__(self, name, whole_number(name, getattr(self, name)))
        object.__setattr__(self, "attended_fraction", number("attended_fraction", self.attended_fraction, "[0, 1]"))

    def choose(self, pool: QueryPool, n: int, isr: InternalSocialReward, rng: np.random.Generator) -> Array:
        """
        Choose transitions for a round of queries.

        :param pool: The transitions to choose from.
        :param n: How many labels are wanted.
        :param isr: The ISR as it is.
        :param rng: Source of randomness.
        :return: Which to query, int ``[n]``; fewer if there are no more.
        """
        return rng.permutation(len(pool))[:n]


@dataclass(frozen=True)
class UncertaintyQueries(RandomQueries):
    """
    Query the caregiver, after it has left, about what matters for the ISR.

    Half of the queries are about the transitions on which the ISR's members disagree most, the other half about those
    that the learner is paid for, drawn in proportion to their ``R_i``. While it attends, queries are those of
    :class:`RandomQueries`. (All members may be wrong in the same way, and a learner that
    exploits them is paid for just that.)

    The ISR must have several members: ``isr_kwargs={"n_members": 5}``.
    """

    attended_fraction: float = 0.5

    def check_isr(self, isr: InternalSocialReward) -> None:
        """
        Check that the ISR has several members.

        :param isr: The ISR.
        :raises ValueError: If it has one.
        """
        if isr.n_members == 1:
            raise ValueError(
                f"Uncertainty queries need an ISR of several members, got n_members=1 with {self!r}; "
                'use isr_kwargs={"n_members": 5}.'
            )

    def choose(self, pool: QueryPool, n: int, isr: InternalSocialReward, rng: np.random.Generator) -> Array:
        """
        Choose transitions for a round of queries.

        :param pool: The transitions to choose from.
        :param n: How many labels are wanted.
        :param isr: The ISR as it is.
        :param rng: Source of randomness.
        :return: Which to query, int ``[n]``, all different; fewer if there are no more different ones.
        """
        hashes = pair_hashes(pool.transitions.observations, pool.transitions.actions)
        _, distinct, counts = np.unique(hashes, return_index=True, return_counts=True)
        transitions = pool.transitions.select(distinct)
        internal_rewards = isr.predict(*transitions)
        income = counts * (internal_rewards - internal_rewards.min())
        n_paid = min(n // 2, int((income > 0).sum()))
        paid = (
            rng.choice(len(distinct), n_paid, replace=False, p=income / income.sum()) if n_paid else np.array([], int)
        )
        predictions = isr.predict_members(*transitions)
        # First where they would give different rewards, and then where only their outputs differ.
        order = np.lexsort((-predictions.std(axis=0), -isr.limit(predictions, transitions.terminated).std(axis=0)))
        uncertain = order[~np.isin(order, paid)][: n - n_paid]
        return np.asarray(distinct[np.concatenate([paid, uncertain])])


def query_schedule(queries: str | QuerySchedule) -> QuerySchedule:
    """
    Read the text form of a query schedule; a schedule is returned as it is.

    :param queries: ``all``, ``random_500``, ``uncertainty_500`` or ``episodes_50``; the number is the budget.
    :return: The schedule.
    :raises ValueError: If it is none of these, and no schedule that can be carried out.
    """
    if isinstance(queries, AllQueries | RandomQueries | EpisodeQueries):
        return queries
    if queries == "all":
        return AllQueries()
    name, _, budget = queries.rpartition("_") if isinstance(queries, str) else ("", "", "")
    kinds: dict[str, type[RandomQueries | EpisodeQueries]] = {
        "random": RandomQueries,
        "uncertainty": UncertaintyQueries,
        "episodes": EpisodeQueries,
    }
    if name not in kinds or not re.fullmatch("[0-9]+", budget):
        raise ValueError(
            "A query schedule is written all, random_500, uncertainty_500 or episodes_50, where the number is the "
            "budget of labels (or of answers about episodes), or is AllQueries(), RandomQueries(...), "
            f"EpisodeQueries(...) or a class derived from one of these, got {queries!r}."
        )
    return kinds[name](int(budget))
