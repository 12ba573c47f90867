"""The recorder: what happened in the environments since the callback last collected it."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from sb3_isr.common.batches import Array
from sb3_isr.labels.batch import LabelBatch, QueryPool
from sb3_isr.wrappers.reward_statistics import RewardStatistics
from sb3_isr.wrappers.transition_log import TransitionLog
from sb3_isr.wrappers.utility import utility


class Record(NamedTuple):
    """
    What happened in some environments.

    :param labels: The labels of attended transitions, oldest first; None if there are none.
    :param unattended: The transitions that the caregiver did not attend, oldest first; None if there are none, or if
        they are not kept.
    :param statistics: Sums of the rewards.
    """

    labels: LabelBatch | None
    unattended: QueryPool | None
    statistics: RewardStatistics


class Recorder:
    """
    Records labels, unattended transitions and rewards.

    :param n_envs: Number of environments that step together.
    """

    def __init__(self, n_envs: int) -> None:
        #: Whether to keep the transitions that the caregiver does not attend, too.
        self.keeps_unattended = False
        self._labels: list[LabelBatch] = []
        self._unattended: list[LabelBatch] = []
        self._places: list[tuple[Array, Array]] = []  # environment and ending of each unattended transition
        self._statistics = RewardStatistics()
        self._social_returns = np.zeros(n_envs)  # of the running episodes

    def reset(self) -> None:
        """Start an episode in every environment."""
        self._social_returns[:] = 0.0

    def record(self, log: TransitionLog) -> None:
        """
        Record steps.

        :param log: The steps; what is kept of them is copied.
        """
        steps = slice(0, log.n_steps)
        labels, present, absent = log.labels[steps], log.present[steps], log.absent()
        internal_rewards, dones = log.internal_rewards[steps], log.dones[steps]
        batch = LabelBatch(log.transitions(), labels.ravel().astype(np.float32))
        if (labelled := log.labelled()).any():
            self._labels.append(_copy_of(batch, labelled.ravel()))
        if self.keeps_unattended and absent.any():
            self._unattended.append(_copy_of(batch, absent.ravel()))
            self._places.append((np.nonzero(absent)[1], dones[absent]))
        rewards, social_rewards = log.rewards[steps], np.where(np.isnan(labels), 0.0, labels)
        sums = RewardStatistics(
            transitions=labels.size,
            utility=float(utility(rewards, social_rewards, internal_rewards, present).sum()),
            environment_reward=float((rewards - social_rewards).sum()),
            social_reward=float(social_rewards.sum()),
            internal_reward=float(internal_rewards.sum()),
            presence=int(present.sum()),
            episodes=int(dones.sum()),
            social_return=self._end_episodes(social_rewards, dones),
        )
        self._statistics = self._statistics.merge(sums)

    def _end_episodes(self, social_rewards: Array, dones: Array) -> float:
        """Returns the sum of the social returns of the episodes that ended."""
        # At each step: whether an episode ends there or later.
        ends = np.logical_or.accumulate(dones[::-1], axis=0)[::-1]
        ended = ends[0]
        of_ended = (social_rewards * ends).sum(axis=0)
        social_return = float((self._social_returns + of_ended)[ended].sum())
        self._social_returns = np.where(ended, 0.0, self._social_returns) + (social_rewards * ~ends).sum(axis=0)
        return social_return

    def collect(self) -> Record:
        """
        Get what was recorded since the last call.

        :return: The record; the recorder is empty afterwards.
        """
        statistics, self._statistics = self._statistics, RewardStatistics()
        labels = LabelBatch.concatenate(self._labels) if self._labels else None
        unattended = None
        if self._unattended:
            envs, ended = map(np.concatenate, zip(*self._places, strict=True))
            unattended = QueryPool(LabelBatch.concatenate(self._unattended), envs, ended)
        self._labels, self._unattended, self._places = [], [], []
        return Record(labels, unattended, statistics)


def _copy_of(batch: LabelBatch, which: Array) -> LabelBatch:
    if which.all():  # faster than by index
        return batch._replace(transitions=batch.transitions.copy())
    return batch.select(np.flatnonzero(which))
