"""Episode queries: which episodes a respondent is asked about, chosen without a look at any label."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from sb3_isr.common.arguments import number, whole_number
from sb3_isr.isr.model import InternalSocialReward
from sb3_isr.labels.transitions import Transitions
from sb3_isr.schedules.query_schedule import QuerySchedule
from sb3_isr.schedules.window_scores import income, novelty, uncertainty
from sb3_isr.schedules.windows import Windows

#: By what an episode can be chosen.
Rule = Literal["random", "uncertainty", "income", "novelty"]

#: What a respondent is told.
REASONS: dict[Rule, str] = {
    "random": "chosen at random",
    "uncertainty": "the members of the ISR disagree about it",
    "income": "the learner is paid for it by the ISR",
    "novelty": "nothing like it was asked before",
}


@dataclass(frozen=True)
class EpisodeQueries(QuerySchedule):
    """
    Ask a respondent about whole episodes, or windows of long ones.

    The first episodes are chosen at random, a few more in each rollout until ``enough`` of them have been praised or
    scolded: a learner that is paid for nothing soon does nothing that could be praised. After that they are chosen in
    turn by each of ``rules``: where the members of the ISR disagree, what the learner is paid for, and what is unlike
    all that was asked before.

    :param budget: The largest number of answers. A question that is skipped or withdrawn costs nothing.
    :param first: Fraction of the budget, in (0, 1], that is asked at the start.
    :param enough: Number of answers that say more than 0 or less; until there are so many, more is asked at random.
    :param n_rounds: Number of rounds, at equal intervals of training, the first of them at the start. In each,
        questions that are still waiting are withdrawn, and others about what the learner does by then take their place.
    :param max_steps: The largest number of transitions that are shown together.
    :param window: Number of transitions, the newest ones, from which episodes are chosen.
    :param rules: By what episodes are chosen once there is an ISR; ``uncertainty`` is left out if it has one member.
    :raises ValueError: If a number is out of range, or a rule is not known.
    """

    budget: int = 50
    first: float = 0.4
    enough: int = 5
    n_rounds: int = 10
    max_steps: int = 64
    window: int = 4096
    rules: tuple[Rule, ...] = ("uncertainty", "income", "novelty")

    def __post_init__(self) -> None:
        for name in ("budget", "n_rounds", "max_steps", "window"):
            object.__setattr__(self, name, whole_number(name, getattr(self, name)))
        object.__setattr__(self, "enough", whole_number("enough", self.enough, low=0))
        object.__setattr__(self, "first", number("first", self.first, "(0, 1]"))
        known = get_args(Rule)
        if isinstance(self.rules, str) or not self.rules or any(rule not in known for rule in self.rules):
            raise ValueError(f"rules must be some of {', '.join(known)}, in a tuple, got {self.rules!r}.")
        object.__setattr__(self, "rules", tuple(self.rules))

    def check_isr(self, isr: InternalSocialReward) -> None:
        """
        Check that there is a rule that can be followed with an ISR.

        :param isr: The ISR.
        :raises ValueError: If there is none.
        """
        if isr.n_members == 1 and set(self.rules) == {"uncertainty"}:
            raise ValueError(
                f"Uncertainty queries need an ISR of several members, got n_members=1 with {self!r}; "
                'use isr_kwargs={"n_members": 5}.'
            )

    def round_at(self, progress: float) -> int:
        """
        Count the rounds that are due.

        :param progress: Fraction of training that has passed.
        :return: Their number, from 1.
        """
        return min(self.n_rounds, int(progress * self.n_rounds) + 1)

    def n_due(self, rounds: int, n_answered: int = 0, is_enough: bool = True) -> int:
        """
        Count the answers that are wanted.

        :param rounds: The rounds that are due.
        :param n_answered: Number of answers so far.
        :param is_enough: Whether ``enough`` of them say more than 0 or less.
        :return: How many answers there should be, at least 1 and at most the budget.
        """
        at_first = self.budget * self.first if self.n_rounds > 1 else self.budget
        later = (self.budget - at_first) * (rounds - 1) / max(1, self.n_rounds - 1)
        due = max(1, round(at_first + later))
        if not is_enough:
            due = max(due, n_answered + max(1, round(at_first / 2)))
        return min(due, self.budget)

    def choose(
        self,
        windows: Windows,
        n: int,
        isr: InternalSocialReward | None,
        asked: Sequence[Transitions],
        rng: np.random.Generator,
    ) -> list[tuple[int, Rule]]:
        """
        Choose windows to ask about.

        :param windows: The windows to choose from.
        :param n: How many are wanted.
        :param isr: The ISR; None if there is none yet.
        :param asked: What was asked before.
        :param rng: Source of randomness.
        :return: Number of each chosen window, and by which rule it was chosen; fewer than ``n`` if there are no more.
        """
        n = min(n, len(windows))
        rules = self._usable_rules(isr)
        chosen: dict[int, Rule] = {}
        orders = {rule: _order(rule, windows, isr, asked, rng) for rule in rules}
        while len(chosen) < n:
            rule = rules[len(chosen) % len(rules)]
            chosen[next(i for i in orders[rule] if i not in chosen)] = rule
        return list(chosen.items())

    def _usable_rules(self, isr: InternalSocialReward | None) -> list[Rule]:
        if isr is None:
            return ["random"]
        return [rule for rule in self.rules if rule != "uncertainty" or isr.n_members > 1] or ["random"]


def _order(
    rule: Rule,
    windows: Windows,
    isr: InternalSocialReward | None,
    asked: Sequence[Transitions],
    rng: np.random.Generator,
) -> list[int]:
    """All windows, the most wanted one first."""
    shuffled = rng.permutation(len(windows))
    if isr is None or rule == "random":
        return [int(i) for i in shuffled]
    batches = [windows[i].pool.transitions for i in shuffled.tolist()]
    if rule == "income":
        paid = income(isr, batches)
        # In proportion to the income: the greatest of exponential waiting times (Efraimidis & Spirakis 2006).
        scores = np.log(rng.random(len(paid))) / np.maximum(paid, 1e-12)
    else:
        scores = uncertainty(isr, batches) if rule == "uncertainty" else novelty(isr, batches, asked)
    return [int(i) for i in shuffled[np.argsort(-scores, kind="stable")]]
