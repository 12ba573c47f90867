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
from sb3_isr.wrappers.transition_log import TransitionLog
from sb3_isr.wrappers.utility import utility

#: ``R_i`` of transitions: ``InternalSocialReward.predict``, or any function of their parts like it.
InternalReward = Callable[[Observations, Array, Observations, Array], Array]
#: Adds late internal rewards, ``[n_steps, n_envs]``, given also the utilities that were returned at the newest step.
LateRewards = Callable[[Array, Array], None]

#: Transitions in one call of the ISR: for networks as small as the ISR's, larger batches take longer for each.
BATCH_SIZE = 128


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
        self._log = TransitionLog(n_envs)
        self._recorder = Recorder(n_envs)
        self._isr_actions = isr_actions
        self._is_permanent = False
        self._internal_reward: InternalReward | None = None
        self._coefficient = 1.0
        self._add_late_rewards: LateRewards | None = None
        self._n_rewarded = 0  # steps in the log whose internal rewards are known
        self._returned: Array = np.zeros(n_envs)
        self._only_announced = False
        self._is_announced = False
        self._is_for_learning = False
        #: ``R_i`` in the utilities of the last step, ``[n_envs]``; NaN where there is none, and where it is deferred.
        self.last_internal_rewards: Array = np.full(n_envs, np.nan)
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
        add_late_rewards: LateRewards | None = None,
    ) -> None:
        """
        Turn rewards into utilities from now on.

        :param internal_reward: Gives ``R_i``.
        :param probability: That the caregiver attends an episode.
        :param coefficient: ``R_i`` is multiplied by it; with 0 the internal reward is not computed.
        :param rngs: One generator for each environment, from which its caregiver's presence is drawn.
        :param keeps_unattended: Whether to record transitions that the caregiver does not attend, too.
        :param only_announced: Whether only the steps that are announced, see :meth:`announce_step`, are the learner's.
        :param add_late_rewards: If given, ``R_i`` is deferred: utilities are returned without it, and it is computed
            for many steps in one call and given to this function.
        :raises ValueError: If an ISR is connected for good.
        """
        if self._is_permanent:
            raise ValueError(
                "An ISR wrapper that was made with its own ISR cannot be connected to an ISRCallback; "
                "give the ISR to the callback instead: ISRCallback(presence=..., isr=isr)."
            )
        self._work_off()
        self.attendance.rngs = list(rngs or np.random.default_rng().spawn(self.n_envs))
        self._recorder.keeps_unattended = keeps_unattended
        self._add_late_rewards = add_late_rewards
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
        if (internal_reward, coefficient) != (self._internal_reward, self._coefficient):
            self.compute_late_rewards()
        self._internal_reward = internal_reward
        self._coefficient = coefficient
        self.attendance.probability = probability

    def announce_step(self) -> None:
        """Announce that the next step is the learner's, unless the environments are reset before it."""
        self._is_announced = True

    def disconnect(self) -> None:
        """Leave rewards as they come from now on. The attendance of the running episodes is remembered."""
        self.compute_late_rewards()
        self._internal_reward = None

    def reset(self) -> None:
        """Start an episode in every environment."""
        self._work_off()
        self._is_announced = False
        self._is_for_learning = _is_called_by("_setup_learn")
        self.attendance.end_episodes(True)
        self._recorder.reset()

    def compute_late_rewards(self) -> None:
        """Compute the internal rewards that were deferred, and add them."""
        log, start = self._log, self._n_rewarded
        if start == log.n_steps:
            return
        self._n_rewarded = log.n_steps
        absent = log.absent(start)
        internal_rewards = log.internal_rewards[start : log.n_steps]
        if self._coefficient and absent.any():
            internal_rewards[absent] = self._coefficient * self._predict(log.transitions(start), absent.ravel())
        if self._add_late_rewards is not None:
            self._add_late_rewards(internal_rewards, self._returned)

    def collect(self) -> Record:
        """
        Get what happened since the last call.

        :return: Labels, unattended transitions and sums of rewards.
        """
        self._work_off()
        return self._recorder.collect()

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
        :return: The utilities in a fresh floating array ``[n_envs]``, without ``R_i`` if it is deferred; the rewards
            themselves if unconnected, or if the step is not the learner's.
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
        if np.shape(rewards) != (self.n_envs,):
            rewards = np.broadcast_to(rewards, self.n_envs)
        rewards = np.asarray(rewards)
        if len(infos) < self.n_envs:  # SB3 does without them
            infos = [*infos, *[{}] * (self.n_envs - len(infos))]
        self.attendance.draw()
        transitions = transitions._replace(actions=self._isr_actions(transitions.actions, infos))
        dtype = np.promote_types(rewards.dtype, np.float32)
        labels = read_parts(infos, SOCIAL_REWARD, self.attendance.steps).astype(dtype)
        social_rewards = np.where(np.isnan(labels), 0.0, labels)
        check_parts(rewards, social_rewards, infos, self.attendance.steps)
        log, present = self._log, self.attendance.present
        if not log.has_room_for(transitions):
            self._work_off()
        log.add(transitions, rewards, labels, dones, present, idle)
        newest = log.n_steps - 1
        internal_rewards = log.internal_rewards[newest]
        if self._add_late_rewards is None:
            self.compute_late_rewards()
            self.last_internal_rewards = np.where(log.absent(newest)[0], internal_rewards, np.nan)
        if self.attendance.all_present:
            utilities = rewards.astype(dtype)  # what the equation gives where P = 1
        else:
            utilities = utility(rewards, social_rewards, internal_rewards, present).astype(dtype)
        self._returned = utilities
        if dones.any():
            self.attendance.end_episodes(dones)
        return utilities

    def _predict(self, transitions: Transitions, which: Array) -> Array:
        assert self._internal_reward is not None
        if not which.all():
            transitions = transitions.select(np.flatnonzero(which))
        parts = [self._internal_reward(*part) for part in transitions.parts(BATCH_SIZE)]
        return np.concatenate(parts)

    def _work_off(self) -> None:
        """Record the steps in the log, and clear it."""
        self.compute_late_rewards()
        if self._log.n_steps:
            self._recorder.record(self._log)
            self._log.clear()
            self._n_rewarded = 0

    def __getstate__(self) -> dict[str, Any]:
        """Leave the callback's ISR out: a checkpoint of the environments holds no copy of it."""
        self._work_off()
        internal_reward = self._internal_reward if self._is_permanent else None
        left_out = {"_log": TransitionLog(self.n_envs), "_internal_reward": internal_reward, "_add_late_rewards": None}
        return {**vars(self), **left_out}


def _is_called_by(name: str) -> bool:
    """Whether a reset, through however many wrappers, is that of a function."""
    frame = sys._getframe(1)
    while frame.f_back is not None and frame.f_code.co_name == "reset":
        frame = frame.f_back
    return frame.f_code.co_name == name
