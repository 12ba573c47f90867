"""The one place where the equation is applied to transitions; both ISR wrappers are shells around it."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from sb3_isr.common.batches import Array, Observations
from sb3_isr.common.reward_parts import SOCIAL_REWARD, check_parts, read_parts
from sb3_isr.labels.transitions import Transitions
from sb3_isr.wrappers.attendance import Attendance
from sb3_isr.wrappers.isr_actions import ISRActions
from sb3_isr.wrappers.recorder import Record, Recorder
from sb3_isr.wrappers.utility import utility

#: ``R_i`` of transitions: ``InternalSocialReward.predict``, or any function of their parts like it.
InternalReward = Callable[[Observations, Array, Observations, Array], Array]


class RewardComposer:
    """
    Turns the true rewards of environments that step together into utilities, and records what happened.

    Until something is connected it returns rewards as they come. So it does, while connected, at each step that must be
    announced and is not: somebody else than the learner steps, in an evaluation or after an interrupt.

    :param n_envs: Number of environments that step together.
    :param isr_actions: The actions that the ISR is given.
    :param internal_reward: If given, it is connected for good, and no caregiver ever attends.
    """

    def __init__(self, n_envs: int, isr_actions: ISRActions, internal_reward: InternalReward | None = None) -> None:
        self.n_envs = n_envs
        self.attendance = Attendance(n_envs)
        self.recorder = Recorder(n_envs)
        self._isr_actions = isr_actions
        self._is_permanent = False
        self._internal_reward: InternalReward | None = None
        self._coefficient = 1.0
        self._only_announced = False
        self._is_announced = False
        self._is_for_learning = False
        self._no_internal_rewards = np.full(n_envs, np.nan)
        self._nowhere = np.zeros(n_envs, bool)
        #: ``R_i`` in the utilities of the last step, ``[n_envs]``; NaN where the caregiver attended.
        self.last_internal_rewards: Array = self._no_internal_rewards
        if internal_reward is not None:
            self.connect(internal_reward, probability=0.0)
            self._is_permanent = True

    def connect(
        self,
        internal_reward: InternalReward,
        probability: float,
        coefficient: float = 1.0,
        rngs: Sequence[np.random.Generator] | None = None,
        keeps_unattended: bool = False,
        only_announced: bool = False,
    ) -> None:
        """
        Turn rewards into utilities from now on.

        :param internal_reward: Gives ``R_i``.
        :param probability: That the caregiver attends an episode.
        :param coefficient: ``R_i`` is multiplied by it; with 0 the internal reward is not computed.
        :param rngs: One generator for each environment, from which its caregiver's presence is drawn.
        :param keeps_unattended: Whether to record transitions that the caregiver does not attend, too.
        :param only_announced: Whether only the steps that are announced, see :meth:`announce_step`, are the learner's.
        :raises ValueError: If an ISR is connected for good.
        """
        if self._is_permanent:
            raise ValueError(
                "An ISR wrapper that was made with its own ISR cannot be connected to an ISRCallback; "
                "give the ISR to the callback instead: ISRCallback(presence=..., isr=isr)."
            )
        self.attendance.rngs = list(rngs or np.random.default_rng().spawn(self.n_envs))
        self.recorder.keeps_unattended = keeps_unattended
        self._only_announced = only_announced
        self._is_announced = False
        self.update(internal_reward, probability, coefficient)

    def update(self, internal_reward: InternalReward, probability: float, coefficient: float) -> None:
        """
        Change what rewards are turned into from now on.

        :param internal_reward: Gives ``R_i``.
        :param probability: That the caregiver attends an episode that starts.
        :param coefficient: ``R_i`` is multiplied by it.
        """
        self._internal_reward = internal_reward
        self._coefficient = coefficient
        self.attendance.probability = probability

    def announce_step(self) -> None:
        """Announce that the next step is the learner's, unless the environments are reset before it."""
        self._is_announced = True

    def disconnect(self) -> None:
        """Leave rewards as they come from now on. The attendance of the running episodes is remembered."""
        self._internal_reward = None

    def reset(self) -> None:
        """Start an episode in every environment."""
        self._is_announced = False
        self._is_for_learning = _is_called_by("_setup_learn")
        self.attendance.end_episodes(True)
        self.recorder.reset()

    def collect(self) -> Record:
        """
        Get what happened since the last call.

        :return: Labels, unattended transitions and sums of rewards.
        """
        return self.recorder.collect()

    def compose(
        self,
        transitions: Transitions,
        rewards: Array,
        dones: Array,
        infos: Sequence[dict[str, Any]],
        idle: Array | None = None,
    ) -> Array:
        """
        Turn the true rewards of one step into utilities. Nothing that is given is kept or written into.

        :param transitions: One for each environment; actions as the environments were told them.
        :param rewards: The true rewards ``R_e + R_s``, ``[n_envs]``; may be a list.
        :param dones: Whether an episode ended, ``[n_envs]``; may be a list.
        :param infos: ``social_reward`` is the caregiver's label; without the key there is none.
        :param idle: Where the learner did nothing, bool ``[n_envs]``: ``R_i`` is 0 and there is no label; None for
            nowhere.
        :return: The utilities in a fresh floating array ``[n_envs]``; the rewards themselves if unconnected, or if the
            step is not the learner's.
        :raises ValueError: If a label is not one finite number, or social reward would be left in the utility.
        """
        dones = np.asarray(dones, bool)  # SuperSuit's are uint8
        is_learners, self._is_announced = self._is_announced or not self._only_announced, False
        if self._internal_reward is None or not is_learners:
            if self._is_for_learning and self._internal_reward is None:
                self._is_for_learning = False
                warnings.warn(
                    "A learner learns in environments with an ISR wrapper, but no ISRCallback is connected to it, so "
                    "that nothing is internalized; pass one to learn: model.learn(..., callback=ISRCallback(...)).",
                    stacklevel=2,
                )
            self.attendance.end_episodes(dones)
            return rewards
        rewards = np.broadcast_to(rewards, self.n_envs)
        infos = [*infos, *[{}] * (self.n_envs - len(infos))]  # SB3 does without them
        self.attendance.draw()
        present = self.attendance.present
        transitions = transitions._replace(actions=self._isr_actions(transitions.actions, infos))
        dtype = np.promote_types(rewards.dtype, np.float32)
        labels = read_parts(infos, SOCIAL_REWARD, self.attendance.steps)
        social_rewards = np.nan_to_num(labels).astype(dtype)
        check_parts(rewards, social_rewards, infos, self.attendance.steps)
        if idle is None:
            idle = self._nowhere
        absent = ~(present | idle)
        internal_rewards = np.zeros(self.n_envs)
        if self.attendance.all_present:
            utilities = rewards.astype(dtype)  # what the equation gives where P = 1
            self.last_internal_rewards = self._no_internal_rewards
        else:
            if self._coefficient:
                internal_rewards = self._coefficient * self._internal_reward(*transitions) * absent
            utilities = utility(rewards, social_rewards, internal_rewards, present).astype(dtype)
            self.last_internal_rewards = np.where(absent, internal_rewards, np.nan)
        labelled = present & ~idle & ~np.isnan(labels)
        self.recorder.record_transitions(transitions, labels, labelled, absent, dones)
        self.recorder.record_rewards(utilities, rewards - social_rewards, social_rewards, internal_rewards, present)
        if dones.any():
            self.attendance.end_episodes(dones)
            self.recorder.end_episodes(dones)
        return utilities

    def __getstate__(self) -> dict[str, Any]:
        """Leave the callback's ISR out: a checkpoint of the environments holds no copy of it."""
        return {**vars(self), "_internal_reward": self._internal_reward if self._is_permanent else None}


def _is_called_by(name: str) -> bool:
    """Whether a reset, through however many wrappers, is that of a function."""
    frame = sys._getframe(1)
    while frame.f_back is not None and frame.f_code.co_name == "reset":
        frame = frame.f_back
    return frame.f_code.co_name == name
