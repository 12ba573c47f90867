"""HackingWatch: flags likely reward hacking without the true reward."""

from __future__ import annotations

import copy
import warnings
from typing import Any, Literal, NamedTuple, get_args

import numpy as np

from sb3_isr.callbacks.child import ISRChildCallback
from sb3_isr.common.arguments import number, whole_number
from sb3_isr.common.batches import Array
from sb3_isr.isr.model import InternalSocialReward
from sb3_isr.labels.batch import LabelBatch, QueryPool
from sb3_isr.labels.transitions import Transitions

Remedy = Literal["warn", "stop", "roll_back", "lower", "query"]

#: Relative to the range of the labels: they separate learners that collapse from those that do not, see
#: docs/few_labels.md.
MAX_UNCERTAINTY = 0.06
MAX_RISE = 0.05


class Alarm(NamedTuple):
    """
    An alarm of :class:`HackingWatch`. Uncertainty and rise are relative to the range of the labels.

    :param step: Environment steps at which it was raised.
    :param uncertainty: The ISR's uncertainty over that window, see :func:`uncertainty`.
    :param rise: The mean internal reward above the highest mean that the caregiver gave; NaN if it never attended.
    """

    step: int
    uncertainty: float
    rise: float


class HackingWatch(ISRChildCallback):
    """
    Raises an alarm when the learner is likely to exploit its ISR.

    While the caregiver is absent, the learner must not collect reward where the ISR is uncertain, nor more reward than
    the caregiver ever gave. A learner that exploits its ISR is drawn to transitions that no label has taught. There the
    members of the ISR predict what the caregiver never gives, and each something else, before the true social return
    falls; or they are all wrong in the same way, and the learner soon gets more, in the mean over a window, than the
    caregiver ever gave.
    For each window ``isr/uncertainty`` and ``isr/rise`` are logged. It is a child callback:
    ``ISRCallback(callback=HackingWatch())``.

    :param max_uncertainty: An alarm is raised if :func:`uncertainty` is greater than this.
    :param max_rise: An alarm is raised if the mean internal reward is above the caregiver's highest by more than this
        fraction of the range of the labels.
    :param remedy: "warn"; "stop" the training; "roll_back" the learner to its parameters at the last window without an
        alarm (any number of times); "lower" the weight of ``R_i`` by half; "query" the caregiver, for which labels
        must be reserved: ``ISRCallback(queries="uncertainty_500")``.
    :param window: The smallest number of transitions that are judged together.
    :param n_labels: Number of labels of a round of queries, with the remedy "query".
    :raises ValueError: If the remedy is not known, or a number is not positive; and when training starts, if the
        remedy is to query and no labels are reserved for it.
    """

    needs_transitions = True

    def __init__(
        self,
        max_uncertainty: float = MAX_UNCERTAINTY,
        max_rise: float = MAX_RISE,
        remedy: Remedy = "warn",
        window: int = 2048,
        n_labels: int = 20,
    ) -> None:
        super().__init__()
        if remedy not in get_args(Remedy):
            raise ValueError(f"remedy must be one of {', '.join(get_args(Remedy))}, got {remedy!r}.")
        self.max_uncertainty = number("max_uncertainty", max_uncertainty, "(0, inf)")
        self.max_rise = number("max_rise", max_rise, "(0, inf)")
        self.remedy = remedy
        self.window = whole_number("window", window)
        self.n_labels = whole_number("n_labels", n_labels)
        #: All alarms so far.
        self.alarms: list[Alarm] = []
        self._highest_mean = float("nan")
        self._social_rewards: list[Array] = []
        self._unattended: QueryPool | None = None
        self._last_good_parameters: dict[str, Any] | None = None
        self._must_roll_back = False
        self._must_stop = False

    def on_labels(self, labels: LabelBatch) -> None:
        """
        Remember the highest mean over a window that the caregiver gave.

        :param labels: The labels of transitions that it attended.
        """
        self.add_social_rewards(labels.social_rewards)

    def add_social_rewards(self, social_rewards: Array) -> None:
        """
        Remember the highest mean over a window that the caregiver gave.

        :param social_rewards: float32 ``[n]``.
        """
        self._social_rewards.append(social_rewards)
        if sum(map(len, self._social_rewards)) >= self.window:
            self._highest_mean = float(np.fmax(self._highest_mean, np.concatenate(self._social_rewards).mean()))
            self._social_rewards = []

    def on_unattended(self, unattended: QueryPool) -> None:
        """
        Judge what the learner did without the caregiver, once it fills a window.

        :param unattended: The transitions.
        """
        self._unattended = unattended if self._unattended is None else self._unattended.extend(unattended)
        if len(self._unattended) < self.window:
            return
        window, self._unattended = self._unattended, None
        if np.isnan(self._highest_mean) and self._social_rewards:  # the caregiver gave less than a window
            self._highest_mean = float(np.concatenate(self._social_rewards).mean())
        isr = self.isr_callback.isr
        if isr.label_range is None or not isr.label_range.width:
            return
        income = float(isr.predict(*window.transitions).mean())
        judgement = Alarm(
            self.model.num_timesteps,
            uncertainty(isr, window.transitions),
            (income - self._highest_mean) / isr.label_range.width,
        )
        self.logger.record("isr/uncertainty", judgement.uncertainty)
        self.logger.record("isr/rise", judgement.rise)
        if judgement.uncertainty > self.max_uncertainty or judgement.rise > self.max_rise:
            self.alarms.append(judgement)
            self._apply_remedy(judgement)
        elif self.remedy == "roll_back":
            self._last_good_parameters = copy.deepcopy(self.model.get_parameters())

    def state_dict(self) -> dict[str, Any]:
        """
        Get what a checkpoint must hold of it.

        :return: Alarms, the highest mean, the window so far, and parameters to roll back to.
        """
        names = ("alarms", "_highest_mean", "_social_rewards", "_unattended", "_last_good_parameters")
        return {name: vars(self)[name] for name in (*names, "_must_roll_back")}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """
        Continue from a checkpoint.

        :param state: What :meth:`state_dict` returned.
        """
        vars(self).update(state)

    def _apply_remedy(self, alarm: Alarm) -> None:
        if self.remedy == "stop":
            self._must_stop = True
        elif self.remedy == "roll_back":
            self._must_roll_back = self._last_good_parameters is not None
        elif self.remedy == "lower":
            self.isr_callback.set_coefficient(self.isr_callback.coefficient / 2)
        elif self.remedy == "query":
            self.isr_callback.query(self.n_labels)
        elif len(self.alarms) == 1:
            warnings.warn(
                f"The learner may be hacking its ISR. At step {alarm.step} the ISR's uncertainty about what it does is "
                f"{alarm.uncertainty:.2g} of the range of the labels (max_uncertainty={self.max_uncertainty:g}), and "
                f"the mean internal reward is {alarm.rise:.2g} of it above the caregiver's highest "
                f"(max_rise={self.max_rise:g}). "
                "Query the caregiver, or stop.",
                stacklevel=2,
            )

    def _on_training_start(self) -> None:
        if self.remedy == "query":
            self.isr_callback.internalizer.check_queries()
        self._must_stop = False  # an alarm ends the training in which it was raised, not the next

    def _on_rollout_start(self) -> None:
        # Not before: on-policy, the learner is still to learn from the rollout that raised the alarm.
        self._roll_back()

    def _on_training_end(self) -> None:
        self._roll_back()

    def _roll_back(self) -> None:
        if self._must_roll_back:
            self._must_roll_back = False
            assert self._last_good_parameters is not None
            self.model.set_parameters(copy.deepcopy(self._last_good_parameters), device=self.model.device)

    def _on_step(self) -> bool:
        return not self._must_stop


def uncertainty(isr: InternalSocialReward, transitions: Transitions) -> float:
    """
    Compute the uncertainty of an ISR about transitions.

    It is how far the members' predictions are from the nearest label, and from one another (their standard deviation),
    relative to the range of the labels. It is a mean over transitions, each weighted by its internal reward above the
    lowest label: a learner is not drawn to what an ISR does not pay for.

    :param isr: The ISR, trained on labels of some range.
    :param transitions: The transitions.
    :return: Its uncertainty; 0 if it pays for none of the transitions.
    """
    assert isr.label_range is not None
    assert isr.label_ranges is not None
    predictions = isr.predict_members(*transitions)
    nearest = isr.label_ranges.nearest(predictions, transitions.terminated)
    distance = np.abs(predictions - nearest).mean(axis=0) + predictions.std(axis=0)
    paid = np.maximum(isr.predict(*transitions) - isr.label_range.low, 0.0)
    return float((paid * distance).sum() / paid.sum()) / isr.label_range.width if paid.any() else 0.0
