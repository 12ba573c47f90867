"""A watch on reward hacking, which needs no truth."""

from __future__ import annotations

import copy
import warnings
from typing import Any, Literal, NamedTuple

import numpy as np
from stable_baselines3.common.callbacks import BaseCallback

from sb3_isr.callbacks.isr_callback import ISRCallback
from sb3_isr.common.spaces import Array, Observations
from sb3_isr.isr.model import InternalSocialReward
from sb3_isr.labels.store import Unlabelled

Remedy = Literal["warn", "stop", "roll_back", "lower", "ask"]
_REMEDIES = ("warn", "stop", "roll_back", "lower", "ask")

#: Of the labels' range: what separates learners that will collapse from those that will not, see docs/few_labels.md.
MOST_DOUBT = 0.06
MOST_RISE = 0.05


#: What a watch remembers of a training.
_STATE = ("alarms", "_most_given", "_given", "_missed", "_healthy", "_must_roll_back")


class Alarm(NamedTuple):
    """
    :param step: Environment steps made when it was raised.
    :param doubt: The ISR's at that window, see :func:`doubt`.
    :param rise: How far the mean internal reward was above the most that the caregiver ever gave; NaN if it never
        attended. Both are relative to the labels' range.
    """

    step: int
    doubt: float
    rise: float


class HackingWatch(BaseCallback):
    """
    Raises an alarm when the learner, whose caregiver is gone, lives on what its ISR doubts, or is paid too well.

    A learner that hacks its ISR is drawn to what no label has taught. There the members of the ISR say what the
    caregiver never would, and each says something else: that is seen before the true social return falls. Or else they
    are all wrong alike; then the learner soon gets more, in the mean over a window, than the caregiver ever gave. For
    each window ``isr/doubt`` and ``isr/rise`` are logged, and at an alarm the remedy is taken.

    :param internalizing: Whose ISR is watched. Give both to ``learn``, this one second.
    :param most_doubt: An alarm is raised where :func:`doubt` is greater than this.
    :param most_rise: And where the mean internal reward is higher than the caregiver's highest by more than this, a
        fraction of the labels' range.
    :param remedy: "warn"; "stop" the training; "roll_back" the learner to what it was at the last window without an
        alarm (as often as there is one); "lower" the weight of ``R_i`` to half of what it was; "ask" the caregiver, who
        needs a budget: ``ISRCallback(ask="ask_when_unsure_500")``.
    :param window: How many transitions are looked at together, at least.
    :param n_labels: For how many labels the caregiver is called back, where that is the remedy.
    :raises ValueError: If the remedy is not known, or a number is not positive; and when training starts, if the
        remedy is to ask and there is no budget for call-backs.
    """

    def __init__(
        self,
        internalizing: ISRCallback,
        most_doubt: float = MOST_DOUBT,
        most_rise: float = MOST_RISE,
        remedy: Remedy = "warn",
        window: int = 2048,
        n_labels: int = 20,
    ) -> None:
        super().__init__()
        if remedy not in _REMEDIES:
            raise ValueError(f"remedy must be one of {', '.join(_REMEDIES)}, got {remedy!r}.")
        if not (most_doubt > 0 and most_rise > 0 and window >= 1 and n_labels >= 1):
            raise ValueError(
                "most_doubt, most_rise, window and n_labels must be positive, "
                f"got most_doubt={most_doubt!r}, most_rise={most_rise!r}, window={window!r}, n_labels={n_labels!r}."
            )
        self.internalizing = internalizing
        self.most_doubt = most_doubt
        self.most_rise = most_rise
        self.remedy = remedy
        self.window = window
        self.n_labels = n_labels
        #: All alarms so far.
        self.alarms: list[Alarm] = []
        self._most_given = float("nan")
        self._given: list[np.ndarray] = []
        self._missed: Unlabelled | None = None
        self._healthy: dict[str, Any] | None = None
        self._must_roll_back = False
        self._must_stop = False
        internalizing.listeners.append(self)

    def attend(self, social_rewards: np.ndarray) -> None:
        """
        :param social_rewards: What the caregiver gave for what it attended, float32 ``[n]``.
        """
        self._given.append(social_rewards)
        if sum(map(len, self._given)) >= self.window:
            self._most_given = float(np.fmax(self._most_given, np.concatenate(self._given).mean()))
            self._given = []

    def miss(self, missed: Unlabelled) -> None:
        """
        :param missed: What the learner did without the caregiver.
        """
        self._missed = missed if self._missed is None else self._missed.followed_by(missed, self.window)
        if len(self._missed) < self.window:
            return
        window, self._missed = self._missed, None
        if np.isnan(self._most_given) and self._given:  # it gave less than a window
            self._most_given = float(np.concatenate(self._given).mean())
        isr = self.internalizing.isr
        low, high = isr.label_range or (0.0, 0.0)
        if low == high:
            return
        income = float(isr.predict(window.observations, window.actions).mean())
        seen = Alarm(
            self.model.num_timesteps,
            doubt(isr, window.observations, window.actions),
            (income - self._most_given) / (high - low),
        )
        self.logger.record("isr/doubt", seen.doubt)
        self.logger.record("isr/rise", seen.rise)
        if seen.doubt > self.most_doubt or seen.rise > self.most_rise:
            self.alarms.append(seen)
            self._remedy(seen)
        elif self.remedy == "roll_back":
            self._healthy = copy.deepcopy(self.model.get_parameters())

    def state(self) -> dict[str, Any]:
        """
        :return: What a checkpoint holds of it.
        """
        return {name: vars(self)[name] for name in _STATE}

    def restore(self, state: dict[str, Any]) -> None:
        """
        :param state: What a checkpoint held.
        """
        vars(self).update(state)
        if self.remedy == "lower":
            self.internalizing.coefficient /= 2 ** len(self.alarms)

    def _remedy(self, alarm: Alarm) -> None:
        if self.remedy == "stop":
            self._must_stop = True
        elif self.remedy == "roll_back":
            self._must_roll_back = self._healthy is not None
        elif self.remedy == "lower":
            self.internalizing.weigh(self.internalizing.coefficient / 2)
        elif self.remedy == "ask":
            self.internalizing.call_back(self.n_labels)
        elif len(self.alarms) == 1:
            warnings.warn(
                f"The learner may be hacking its ISR. At step {alarm.step} the ISR's doubt of what it does is "
                f"{alarm.doubt:.2g} of the labels' range (most_doubt={self.most_doubt:g}), and the mean internal "
                f"reward is {alarm.rise:.2g} of it above the caregiver's highest (most_rise={self.most_rise:g}). "
                "Call the caregiver back, or stop.",
                stacklevel=2,
            )

    def _on_training_start(self) -> None:
        if self.remedy == "ask":
            self.internalizing.check_call_back()
        self._must_stop = False  # an alarm ends the training it was raised in, not the next

    def _on_rollout_start(self) -> None:
        # Not before: on-policy, the learner is still to learn from the rollout that raised the alarm.
        self._roll_back()

    def _on_training_end(self) -> None:
        self._roll_back()

    def _roll_back(self) -> None:
        if self._must_roll_back:
            self._must_roll_back = False
            assert self._healthy is not None
            self.model.set_parameters(copy.deepcopy(self._healthy), device=self.model.device)

    def _on_step(self) -> bool:
        return not self._must_stop


def doubt(isr: InternalSocialReward, observations: Observations, actions: Array) -> float:
    """
    How far what the members say is from the nearest thing that the caregiver would say, and from one another (their
    standard deviation), relative to the labels' range. It is a mean over transitions, each weighted by what it is paid
    above the lowest label: a learner is not drawn to what an ISR is in doubt of and does not pay for.

    :param isr: The ISR, trained on labels of some range.
    :param observations: Array ``[n, *shape]``, or a dictionary of such arrays.
    :param actions: Array ``[n, *shape]``.
    :return: Its doubt of these; 0 if it pays for none.
    """
    assert isr.label_range is not None
    low, high = isr.label_range
    said = isr.predict_members(observations, actions)
    distance = np.abs(said - isr.nearest_labels(said)).mean(axis=0) + said.std(axis=0)
    paid = np.maximum(isr.predict(observations, actions) - low, 0.0)
    return float((paid * distance).sum() / paid.sum()) / (high - low) if paid.any() else 0.0
