"""
What the caregiver is asked: which transitions become labels, under a budget.

While it attends, it rewards the learner in any case; what the ISR is trained on is what it was asked about. After it
has left, it can be called back for a few labels, to where the learner has wandered since. YAML and command lines write
it as text, ``ask_when_unsure_500``.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sb3_isr.common.spaces import Array, take
from sb3_isr.isr.model import InternalSocialReward
from sb3_isr.labels.store import LabelBatch, Unlabelled, at, pair_hashes
from sb3_isr.schedules.presence import PresenceSchedule, attendance_probability

#: In how many equal parts of training the presence schedule is asked, to spread labels over them.
PARTS = 1000
#: A call comes when so much of its interval has passed: soon, but the learner must have done something first.
CALL_AFTER = 0.2


@dataclass(frozen=True)
class AskAlways:
    """The caregiver is asked about every transition that it attends, and never called back."""


@dataclass(frozen=True)
class AskAtRandom:
    """
    The caregiver is asked about random transitions: while it attends, half of them such as it rewards (or reproaches),
    as far as there are, since without praise nothing is learned.

    :param budget: The most labels in all.
    :param before: Share of them, in [0, 1], for what it attends, spread evenly over its attendance. The rest is for
        call-backs.
    :param n_calls: How often it is called back, at equal intervals of its absence. Each time it is asked about the
        newest transitions that it missed, and the ISR is trained.
    :param window: How many of these it is shown.
    """

    budget: int = 500
    before: float = 1.0
    n_calls: int = 10
    window: int = 4096

    def __post_init__(self) -> None:
        for name in ("budget", "n_calls", "window"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)!r}.")
        if not 0.0 <= self.before <= 1.0:
            raise ValueError(f"before is a share of the budget and must lie in [0, 1], got {self.before!r}.")

    def choose(self, missed: Unlabelled, n: int, isr: InternalSocialReward, rng: np.random.Generator) -> Array:
        """
        :param missed: What the caregiver is called back to.
        :param n: How many labels it is asked for.
        :param isr: The ISR as it is.
        :param rng: Draws.
        :return: Which to ask about, int ``[n]``; fewer if there are no more.
        """
        return rng.permutation(len(missed))[:n]


@dataclass(frozen=True)
class AskWhenUnsure(AskAtRandom):
    """
    As :class:`AskAtRandom`, but the caregiver is called back to what matters: for half of its labels to transitions on
    which the ISR's members disagree most, and for the other half to those that the learner lives on, drawn in
    proportion to their ``R_i``. All members may be wrong alike, and a learner that hacks them lives on just that.

    The ISR must have several members: ``isr_kwargs={"n_members": 5}``.
    """

    before: float = 0.5

    def choose(self, missed: Unlabelled, n: int, isr: InternalSocialReward, rng: np.random.Generator) -> Array:
        """
        :param missed: What the caregiver is called back to.
        :param n: How many labels it is asked for.
        :param isr: The ISR as it is.
        :param rng: Draws.
        :return: Which to ask about, int ``[n]``, all different; fewer if there are no more different ones.
        """
        _, different, n_alike = np.unique(
            pair_hashes(missed.observations, missed.actions), return_index=True, return_counts=True
        )
        observations, actions = take(missed.observations, different), missed.actions[different]
        given = isr.predict(observations, actions)
        income = n_alike * (given - given.min())
        n_paid = min(n // 2, int((income > 0).sum()))
        paid = (
            rng.choice(len(different), n_paid, replace=False, p=income / income.sum()) if n_paid else np.array([], int)
        )
        said = isr.predict_members(observations, actions)
        # First where they would give different rewards, and then where they only say different numbers.
        order = np.lexsort((-said.std(axis=0), -isr.limited(said).std(axis=0)))
        unsure = order[~np.isin(order, paid)][: n - n_paid]
        return np.asarray(different[np.concatenate([paid, unsure])])


Ask = AskAlways | AskAtRandom


def asking(ask: str | Ask) -> Ask:
    """
    Read the text form of what is asked; anything else is returned as it is.

    :param ask: ``ask_always``, ``ask_at_random_500`` or ``ask_when_unsure_500``; the number is the budget.
    :return: What is asked.
    :raises ValueError: If the text is none of these.
    """
    if not isinstance(ask, str):
        return ask
    if ask == "ask_always":
        return AskAlways()
    name, _, budget = ask.rpartition("_")
    kinds: dict[str, type[AskAtRandom]] = {"ask_at_random": AskAtRandom, "ask_when_unsure": AskWhenUnsure}
    if name not in kinds or not budget.isdigit():
        raise ValueError(
            "What is asked of the caregiver is written ask_always, ask_at_random_500 or ask_when_unsure_500, "
            f"got {ask!r}."
        )
    return kinds[name](int(budget))


@dataclass
class Asked:
    """
    What was asked so far.

    :param attended: Labels of what the caregiver attended.
    :param rewarded: Those of them that are not 0.
    :param calls: How often it was called back by the clock.
    :param called: Labels for which it was called back.
    """

    attended: int = 0
    rewarded: int = 0
    calls: int = 0
    called: int = 0


class Asker:
    """
    Asks the caregiver as training goes on.

    :param ask: What is asked.
    :param presence: When the caregiver attends.
    :param rng: Draws.
    """

    def __init__(self, ask: AskAtRandom, presence: PresenceSchedule, rng: np.random.Generator) -> None:
        self._ask = ask
        self._rng = rng
        self._missed: Unlabelled | None = None
        self.asked = Asked()
        passed = (np.arange(PARTS) + 0.5) / PARTS
        attendance = np.array([attendance_probability(presence, 1.0 - part) for part in passed])
        self._attended, self._absent = (np.append(0.0, np.cumsum(part)) for part in (attendance, 1.0 - attendance))
        before = ask.before if self._absent[-1] else 1.0
        self._n_before = round(ask.budget * before) if self._attended[-1] else 0

    @property
    def n_for_calls(self) -> int:
        """Labels that are left for call-backs."""
        return self._ask.budget - self._n_before if self._absent[-1] else 0

    def attend(self, labels: LabelBatch, progress: float) -> LabelBatch:
        """
        :param labels: What the caregiver could say of transitions that it attended.
        :param progress: Fraction of training that has passed.
        :return: What it was asked about.
        """
        due = max(0, int(self._n_before * _share(self._attended, progress)) - self.asked.attended)
        index = self._rng.permutation(len(labels.actions))
        is_rewarded = labels.social_rewards[index] != 0
        wanted = max(0, (self.asked.attended + due + 1) // 2 - self.asked.rewarded)
        rewarded, others = index[is_rewarded], index[~is_rewarded]
        asked = np.concatenate([rewarded[:wanted], others, rewarded[wanted:]])[:due]
        self.asked.attended += len(asked)
        self.asked.rewarded += int((labels.social_rewards[asked] != 0).sum())
        return at(labels, np.sort(asked))

    def miss(self, missed: Unlabelled) -> None:
        """
        :param missed: What happened without the caregiver.
        """
        missed = missed.that_can_be_asked()
        if len(missed):
            window = self._ask.window
            self._missed = missed if self._missed is None else self._missed.followed_by(missed, window)

    def call(self, progress: float, isr: InternalSocialReward) -> LabelBatch | None:
        """
        Call the caregiver back, if it is time.

        :param progress: Fraction of training that has passed.
        :param isr: The ISR as it is.
        :return: What it said; None if it was not asked.
        """
        n_calls = self._ask.n_calls
        calls_due = min(n_calls, int(_share(self._absent, progress) * n_calls + 1 - CALL_AFTER))
        if calls_due <= self.asked.calls:
            return None
        self.asked.calls = calls_due
        return self.call_now(self.n_for_calls * calls_due // n_calls - self.asked.called, isr)

    def call_now(self, n: int, isr: InternalSocialReward) -> LabelBatch | None:
        """
        Call the caregiver back, within the budget.

        :param n: For how many labels.
        :param isr: The ISR as it is.
        :return: What it said; None if it was not asked.
        """
        n = min(n, self.n_for_calls - self.asked.called)
        if self._missed is None or n < 1:
            return None
        labels = self._missed.ask(self._ask.choose(self._missed, n, isr, self._rng))
        self.asked.called += len(labels.actions)
        self._missed = None
        return labels


def _share(cumulated: Array, progress: float) -> float:
    """How much of the whole had come together when so much of training had passed."""
    if not cumulated[-1]:
        return 0.0
    return float(np.interp(progress, np.linspace(0.0, 1.0, len(cumulated)), cumulated) / cumulated[-1])
