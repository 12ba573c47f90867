"""The base class of query schedules."""

from __future__ import annotations

from sb3_isr.isr.model import InternalSocialReward


class QuerySchedule:
    """Base class of query schedules."""

    def check_isr(self, isr: InternalSocialReward) -> None:
        """
        Check that the schedule can be used with an ISR.

        :param isr: The ISR.
        :raises ValueError: If it cannot.
        """
