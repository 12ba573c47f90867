"""How well HackingWatch would have done over the runs on few labels, judged by the true retention."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from sb3_isr.callbacks.hacking_watch import MAX_RISE, MAX_UNCERTAINTY
from sb3_isr.envs.coin_game.rules import PRAISE

#: Number of steps in an episode of the coin game.
EPISODE = 20

#: A learner has collapsed if its retention fell by more than this from where it was highest.
COLLAPSE = 0.25


class WatchedRun(NamedTuple):
    """
    A run as HackingWatch would have judged it. Times are fractions of autonomy.

    :param collapsed: Whether its retention collapsed.
    :param alarm: Time of the first alarm; None without one.
    :param half_lost: Time at which half of the loss had happened for good; None if it did not collapse.
    """

    collapsed: bool
    alarm: float | None
    half_lost: float | None

    @property
    def in_time(self) -> bool:
        """Whether a collapse was flagged before half of it had happened."""
        return self.alarm is not None and self.half_lost is not None and self.alarm <= self.half_lost


def watch_run(result: dict[str, Any], socialization: dict[str, Any], retained: np.ndarray) -> WatchedRun:
    """
    Compare the alarms that HackingWatch would have raised with what happened.

    :param result: The result of a run on few labels.
    :param socialization: The result of the socialization that it started from.
    :param retained: Its retention in each tenth of its steps, ``[10]``; at departure it is 1.
    :return: The run as the watch would have judged it.
    """
    signals = result["signals"]
    highest_mean = max(socialization["curves"]["goals"]) * PRAISE / EPISODE
    rise = (np.array(signals["internal"]) - highest_mean) / PRAISE
    above = np.flatnonzero((np.array(signals["doubt"]) > MAX_UNCERTAINTY) | (rise > MAX_RISE))
    alarm = float(above[0] + 1) / len(rise) if len(above) else None  # at the end of the rollout

    times = np.append(0.0, (np.arange(len(retained)) + 0.5) / len(retained))
    retained = np.append(1.0, retained)
    best = int(retained.argmax())
    lowest = best + int(retained[best:].argmin())
    if retained[best] - retained[lowest] <= COLLAPSE:
        return WatchedRun(False, alarm, None)
    half = (retained[best] + retained[lowest]) / 2
    last = best + int(np.flatnonzero(retained[best:lowest] > half)[-1])
    falls = slice(last, last + 2)  # in a straight line between the middles of two tenths
    return WatchedRun(True, alarm, float(np.interp(-half, -retained[falls], times[falls])))
