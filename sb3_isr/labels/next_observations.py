"""The next observations of a label store's rows; one that is another row's observation is not stored twice."""

from __future__ import annotations

import numpy as np

from sb3_isr.common.batches import Array, Observations, index_batch, write_batch
from sb3_isr.common.hashing import hash_rows

#: The row of a next observation that is no other row's observation.
OWN = -1


class NextObservations:
    """
    Next observations, each as the number of a newer row that has it as its observation, or by itself.

    Rows are overwritten in the order in which they were written. So a newer row is there as long as the older one.

    :param own: Array ``[capacity, *shape]`` of zeros, or a dictionary of such arrays. Where nothing is written it takes
        no memory.
    :param capacity: Number of rows.
    """

    def __init__(self, own: Observations, capacity: int) -> None:
        self.own = own
        #: For each row, the row whose observation is its next observation, int64 ``[capacity]``.
        self.rows = np.full(capacity, OWN)

    def write(self, index: Array, observations: Observations, next_observations: Observations) -> None:
        """
        Replace the next observations of some rows.

        :param index: Which rows, int ``[k]``, in the order in which they are written.
        :param observations: Their observations.
        :param next_observations: Their next observations.
        """
        newer = _newer_equal(_hashes(observations), _hashes(next_observations))
        is_own = newer == OWN
        self.rows[index] = np.where(is_own, OWN, index[newer])
        write_batch(self.own, index[is_own], index_batch(next_observations, is_own))

    def select(self, index: Array, observations: Observations) -> Observations:
        """
        Get the next observations of some rows.

        :param index: Which rows, int ``[k]``.
        :param observations: The observations of all rows.
        :return: A copy.
        """
        rows = self.rows[index]
        selected = index_batch(self.own, index)
        is_shared = rows != OWN
        write_batch(selected, is_shared, index_batch(observations, rows[is_shared]))
        return selected


def _hashes(observations: Observations) -> Array:
    return hash_rows(list(observations.values()) if isinstance(observations, dict) else [observations])


def _newer_equal(hashes: Array, next_hashes: Array) -> Array:
    """For each next observation the last row, if it is a later one, whose observation it is; otherwise ``OWN``."""
    n = len(hashes)
    order = np.argsort(hashes, kind="stable")
    last = np.searchsorted(hashes[order], next_hashes, side="right") - 1
    newer = order[last]
    is_equal = (last >= 0) & (hashes[newer] == next_hashes) & (newer > np.arange(n))
    return np.where(is_equal, newer, OWN)
