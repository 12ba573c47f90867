"""Sums over transitions and episodes, from which the logged means are made."""

from __future__ import annotations

from typing import NamedTuple


class RewardStatistics(NamedTuple):
    """
    Sums over transitions (or, for the last two, over episodes).

    :param transitions: Number of transitions.
    :param utility: Sum of ``U``.
    :param environment_reward: Sum of ``R_e``.
    :param social_reward: Sum of ``R_s``, the true one also while the caregiver is absent.
    :param internal_reward: Sum of ``R_i`` while it is absent.
    :param presence: Sum of ``P``.
    :param episodes: Number of finished episodes.
    :param social_return: Sum of their true social returns.
    """

    transitions: float = 0.0
    utility: float = 0.0
    environment_reward: float = 0.0
    social_reward: float = 0.0
    internal_reward: float = 0.0
    presence: float = 0.0
    episodes: float = 0.0
    social_return: float = 0.0

    def merge(self, other: RewardStatistics) -> RewardStatistics:
        """
        Add the sums of other transitions.

        :param other: Their statistics.
        :return: The statistics of all of them.
        """
        return RewardStatistics(*(mine + theirs for mine, theirs in zip(self, other, strict=True)))
