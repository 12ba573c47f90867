"""A watch on reward hacking, which needs no truth: does the learner go where the ISR does not know what it says?"""

from __future__ import annotations

import copy
import warnings
from typing import Any, Literal

import numpy as np
from stable_baselines3.common.callbacks import BaseCallback

from sb3_isr.callbacks.internalize import ISRCallback
from sb3_isr.labels import Unlabelled
from sb3_isr.model import InternalSocialReward

Remedy = Literal["warn", "stop", "roll_back", "lower", "ask"]
#: Of the labels' range: what separated learners that were to collapse from those that were not, see docs/few_labels.md.
MOST_DOUBT = 0.03
_REMEDIES = ("warn", "stop", "roll_back", "lower", "ask")


class HackingWatch(BaseCallback):
    """
    Raises an alarm when the learner, whose caregiver is gone, does what its ISR is in doubt of.

    A learner that hacks its ISR is drawn to what no label has taught: there the members of the ISR say what the
    caregiver never would, and each says something else. That is seen before the true social return falls. At each
    window, ``isr/doubt`` is logged, and at an alarm the remedy is taken; in any case ``alarms`` holds it.

    :param internalizing: Whose ISR is watched. Give both to ``learn``, this one second.
    :param most_doubt: An alarm is raised where :func:`doubt` is greater than this.
    :param remedy: "warn"; "stop" the training; "roll_back" the learner to what it was at the last window without an
        alarm (as often as there is one); "lower" the weight of ``R_i`` to half of what it was; "ask" the caregiver, who
        needs a budget: ``ISRCallback(ask="ask_when_unsure_500")``.
    :param window: How many transitions are looked at together, at least.
    :param n_labels: For how many labels the caregiver is called back, where that is the remedy.
    :raises ValueError: If the remedy is not known, or a number is not positive.
    """

    def __init__(
        self,
        internalizing: ISRCallback,
        most_doubt: float = MOST_DOUBT,
        remedy: Remedy = "warn",
        window: int = 2048,
        n_labels: int = 20,
    ) -> None:
        super().__init__()
        if remedy not in _REMEDIES:
            raise ValueError(f"remedy must be one of {', '.join(_REMEDIES)}, got {remedy!r}.")
        if not (most_doubt > 0 and window >= 1 and n_labels >= 1):
            raise ValueError(
                "most_doubt, window and n_labels must be positive, "
                f"got most_doubt={most_doubt!r}, window={window!r}, n_labels={n_labels!r}."
            )
        self.internalizing = internalizing
        self.most_doubt = most_doubt
        self.remedy = remedy
        self.window = window
        self.n_labels = n_labels
        #: Environment steps at which an alarm was raised.
        self.alarms: list[int] = []
        self._missed: Unlabelled | None = None
        self._healthy: dict[str, Any] | None = None
        self._must_roll_back = False
        self._must_stop = False
        internalizing.listeners.append(self._look)

    def _look(self, missed: Unlabelled) -> None:
        self._missed = missed if self._missed is None else self._missed.followed_by(missed, self.window)
        if len(self._missed) < self.window:
            return
        level = doubt(self.internalizing.isr, self._missed)
        self._missed = None
        self.logger.record("isr/doubt", level)
        if level > self.most_doubt:
            self.alarms.append(self.model.num_timesteps)
            self._remedy(level)
        elif self.remedy == "roll_back":
            self._healthy = copy.deepcopy(self.model.get_parameters())

    def _remedy(self, level: float) -> None:
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
                f"The learner may be hacking its ISR: from step {self.model.num_timesteps} it does what the ISR is in "
                f"doubt of ({level:.2g} of the labels' range, at most {self.most_doubt:g} was allowed). Call the "
                "caregiver back, or stop.",
                stacklevel=2,
            )

    def _on_rollout_start(self) -> None:
        # Not before: on-policy, the learner is still to learn from the rollout that raised the alarm.
        if self._must_roll_back:
            self._must_roll_back = False
            assert self._healthy is not None
            self.model.set_parameters(copy.deepcopy(self._healthy), device=self.model.device)

    def _on_step(self) -> bool:
        return not self._must_stop


def doubt(isr: InternalSocialReward, missed: Unlabelled) -> float:
    """
    :param isr: The ISR.
    :param missed: What the learner did without the caregiver.
    :return: How far what a member says is from the nearest thing that the caregiver would say, and from what the other
        members say (their standard deviation): means over members and transitions, added, relative to the range of
        the labels. 0 where the labels have no range.
    """
    low, high = isr.label_range or (0.0, 0.0)
    if low == high:
        return 0.0
    said = isr.predict_members(missed.observations, missed.actions)
    return float(np.abs(said - isr.nearest_labels(said)).mean() + said.std(axis=0).mean()) / (high - low)
