"""The recorder: what happened in the environments since the callback last collected it."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from sb3_isr.common.batches import Array
from sb3_isr.labels.batch import LabelBatch, QueryPool
from sb3_isr.labels.transitions import Transitions
from sb3_isr.wrappers.reward_statistics import RewardStatistics


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
        # U, R_e, R_s, R_i and P of each environment: adding five rows costs less than summing each.
        self._sums = np.zeros((5, n_envs))
        self._transitions = 0
        self._episodes = 0
        self._social_return = 0.0
        self._social_returns = np.zeros(n_envs)

    def reset(self) -> None:
        """Start an episode in every environment."""
        self._social_returns[:] = 0.0

    def record_transitions(
        self, transitions: Transitions, labels: Array, labelled: Array, unattended: Array, ended: Array
    ) -> None:
        """
        Record the transitions of one step.

        :param transitions: One for each environment.
        :param labels: The caregiver's labels, float ``[n_envs]``; NaN where there is none.
        :param labelled: The transitions that become labels, bool ``[n_envs]``.
        :param unattended: Those that the caregiver did not attend, bool ``[n_envs]``; kept if they are of use.
        :param ended: Whether the episode ended, bool ``[n_envs]``.
        """
        batch = LabelBatch(transitions, labels.astype(np.float32))
        if labelled.any():
            self._labels.append(_copy_of(batch, labelled))
        if self.keeps_unattended and unattended.any():
            self._unattended.append(_copy_of(batch, unattended))
            self._places.append((np.flatnonzero(unattended), ended[unattended]))

    def record_rewards(
        self,
        utilities: Array,
        environment_rewards: Array,
        social_rewards: Array,
        internal_rewards: Array,
        present: Array,
    ) -> None:
        """
        Record the rewards of one step, each ``[n_envs]``.

        :param utilities: ``U``.
        :param environment_rewards: ``R_e``.
        :param social_rewards: The true ``R_s``.
        :param internal_rewards: ``R_i``, 0 where the caregiver is present.
        :param present: ``P``.
        """
        self._transitions += len(utilities)
        self._sums += (utilities, environment_rewards, social_rewards, internal_rewards, present)
        self._social_returns += social_rewards

    def end_episodes(self, dones: Array) -> None:
        """
        Record the episodes that ended at this step.

        :param dones: Whether an episode ended, bool ``[n_envs]``.
        """
        self._episodes += int(dones.sum())
        self._social_return += float(self._social_returns[dones].sum())
        self._social_returns[dones] = 0.0

    def collect(self) -> Record:
        """
        Get what was recorded since the last call.

        :return: The record; the recorder is empty afterwards.
        """
        step_sums = self._sums.sum(axis=1).tolist()
        statistics = RewardStatistics(*(self._transitions, *step_sums, self._episodes, self._social_return))
        labels = LabelBatch.concatenate(self._labels) if self._labels else None
        unattended = None
        if self._unattended:
            envs, ended = map(np.concatenate, zip(*self._places, strict=True))
            unattended = QueryPool(LabelBatch.concatenate(self._unattended), envs, ended)
        self._labels, self._unattended, self._places = [], [], []
        self._sums[:] = 0.0
        self._transitions, self._episodes, self._social_return = 0, 0, 0.0
        return Record(labels, unattended, statistics)


def _copy_of(batch: LabelBatch, which: Array) -> LabelBatch:
    if which.all():  # faster than by index
        return batch._replace(transitions=batch.transitions.copy())
    return batch.select(np.flatnonzero(which))
