"""The rewards of an answer: checked, and as bytes that are the same on every machine."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from sb3_isr.common.batches import Array
from sb3_isr.respondents.mailbox_file import MailboxError

_DTYPE = np.dtype("<f4")


def checked_rewards(rewards: ArrayLike) -> Array:
    """
    Convert what somebody answers.

    :param rewards: Numbers; NaN where nothing is said.
    :return: The same in float32.
    :raises MailboxError: If they are no numbers, or one is infinite or too large.
    """
    try:
        with np.errstate(over="ignore"):
            values = np.asarray(rewards, np.float64).astype(np.float32)
    except (TypeError, ValueError, OverflowError) as error:
        raise MailboxError(f"Rewards must be numbers, got {rewards!r:.100}.") from error
    if np.isinf(values).any():
        raise MailboxError(
            "Rewards must be finite in float32, or NaN where nothing is said, got an infinite or too large one; scale "
            "them."
        )
    return values


def rewards_to_bytes(rewards: Array) -> bytes:
    """
    Write rewards as bytes.

    :param rewards: float32 ``[k]``.
    :return: ``4 * k`` bytes, little-endian.
    """
    return rewards.astype(_DTYPE).tobytes()


def rewards_from_bytes(data: bytes) -> Array:
    """
    Read what :func:`rewards_to_bytes` wrote.

    :param data: The bytes.
    :return: float32 ``[k]``.
    """
    return np.frombuffer(data, _DTYPE).astype(np.float32)
