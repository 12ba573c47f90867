"""How well the watch on hacking would have done over the runs on few labels, judged by what was truly retained."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from sb3_isr.callbacks.watch import MOST_DOUBT, MOST_RISE
from sb3_isr.envs.coin_game_rules import PRAISE

#: Steps in an episode of the coin game.
EPISODE = 20

#: A learner has collapsed if its retention fell by more than this from its best tenth of autonomy.
COLLAPSE = 0.25


class Watched(NamedTuple):
    """
    :param collapsed: Whether its retention collapsed.
    :param alarm: In which part of autonomy (of as many as there are rollouts) the alarm was raised; None if it was not.
    :param half_lost: From which on half of what was lost stayed lost; None if it did not collapse.
    """

    collapsed: bool
    alarm: int | None
    half_lost: int | None

    @property
    def in_time(self) -> bool:
        """Whether a collapse was announced before half of it had happened."""
        return self.alarm is not None and self.half_lost is not None and self.alarm < self.half_lost


def watched(result: dict[str, Any], socialization: dict[str, Any], retained: np.ndarray) -> Watched:
    """
    :param result: Of a run on few labels.
    :param socialization: That of the socialization that it started from.
    :param retained: What it retained in each tenth of its steps, ``[10]``.
    :return: What the watch would have said, and what was true.
    """
    signals = result["signals"]
    most_given = max(socialization["curves"]["goals"]) * PRAISE / EPISODE
    rise = (np.array(signals["internal"]) - most_given) / PRAISE
    above = np.flatnonzero((np.array(signals["doubt"]) > MOST_DOUBT) | (rise > MOST_RISE))
    alarm = int(above[0]) if len(above) else None

    best = int(retained.argmax())
    lowest = best + int(retained[best:].argmin())
    if retained[best] - retained[lowest] <= COLLAPSE:
        return Watched(False, alarm, None)
    is_above_half = retained[best:lowest] > (retained[best] + retained[lowest]) / 2
    half = best + int(np.flatnonzero(is_above_half)[-1]) + 1
    return Watched(True, alarm, half * len(rise) // 10)
