"""The equation of the whole project: the utility that a learner with social rewards maximizes."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating[Any]]


def utility(reward: Array, social_reward: Array, internal_reward: Array, presence: NDArray[Any]) -> Array:
    """
    Compute ``U = R_e + P * R_s + (1 - P) * R_i`` element by element (Rong & Kleiman-Weiner 2024, equation 1).

    ``R_e`` is not given by itself: environments report the whole true reward, of which the social part is known.

    :param reward: The true reward ``R_e + R_s``, shape ``[n_envs]``.
    :param social_reward: Its social part ``R_s``, shape ``[n_envs]``, 0 where no label was given.
    :param internal_reward: ``R_i``, shape ``[n_envs]``.
    :param presence: ``P``, shape ``[n_envs]``: 1 where the caregiver attends, 0 where it is absent.
    :return: ``U``, float64, shape ``[n_envs]``. Sums and differences of float32 numbers are exact in float64, so that
        with ``P = 1`` the true reward comes out bit for bit, and with ``P = 0`` no more of ``R_s`` is left in it than
        the environment's own rounding of ``R_e + R_s``; none where ``R_e = 0``.
    """
    environment_reward = np.subtract(reward, social_reward, dtype=np.float64)
    return environment_reward + presence * social_reward + (1 - presence) * internal_reward
