"""Hashes of the rows of arrays, to find equal ones."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from sb3_isr.common.batches import Array


def hash_rows(arrays: Sequence[Array]) -> Array:
    """
    Hash rows by multilinear hashing modulo 2**64 (Carter & Wegman 1979).

    :param arrays: Arrays ``[n, ...]``, whose first axes go together.
    :return: uint64 ``[n]``, the same for equal rows and (but for a chance of about 2**-56 each) for no others.
    """
    hashes = np.zeros(len(arrays[0]), np.uint64)
    if not len(hashes):
        return hashes
    for number, part in enumerate(arrays):
        rows = np.ascontiguousarray(part).reshape(len(part), -1).view(np.uint8)
        # The same weights at every call, but others for each part: equal bytes in two parts must not cancel out.
        weights = np.random.default_rng(number).integers(2**64, size=rows.shape[1], dtype=np.uint64)
        hashes += rows.astype(np.uint64) @ weights
    return hashes
