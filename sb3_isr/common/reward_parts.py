"""The parts of a reward, as infos give them: the caregiver's, and what the environment itself gave."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from sb3_isr.common.batches import Array
from sb3_isr.common.numbers import MAX_FLOAT, as_number

#: The caregiver's label ``R_s``; without the key there is none.
SOCIAL_REWARD = "social_reward"
#: ``R_e``, written wherever ``R_s`` is. It is compared with the reward, and used for nothing else.
ENVIRONMENT_REWARD = "environment_reward"
#: Difference that the rounding of rewards to float32 may make, relative to the sizes of the numbers.
TOLERANCE = 1e-5

# A thousand numbers of these types are converted at once; what else may be a number is converted one by one.
_PLAIN = {float, int, bool, np.float64, np.float32, type(None)}


def read_parts(infos: Sequence[dict[str, Any]], key: str, step: int | None = None) -> Array:
    """
    Read one part of the rewards of a step.

    :param infos: The infos of each environment.
    :param key: ``social_reward`` or ``environment_reward``.
    :param step: The number of the step for the error's text, if known.
    :return: float64 ``[n_envs]``; NaN where the key is missing or None.
    :raises ValueError: If a value is not one finite number.
    """
    values = [info.get(key) for info in infos]
    if _PLAIN.issuperset(map(type, values)):
        parts = np.array(values, float)
        if np.count_nonzero(np.abs(parts) <= MAX_FLOAT) == len(values) - values.count(None):
            return parts
    return np.array([_as_part(value, key, env, step) for env, value in enumerate(values)])


def check_parts(
    rewards: Array, social_rewards: Array, infos: Sequence[dict[str, Any]], step: int | None = None
) -> None:
    """
    Check that what is not social in rewards is what the environments gave, where infos say what that is.

    :param rewards: The true rewards, ``[n_envs]``.
    :param social_rewards: ``R_s`` in them, ``[n_envs]``, 0 where there is no label.
    :param infos: ``environment_reward`` is ``R_e``; without the key there is nothing to compare.
    :param step: The number of the step for the error's text, if known.
    :raises ValueError: If the reward was changed and its parts were not.
    """
    if not any(ENVIRONMENT_REWARD in info for info in infos):
        return
    expected = read_parts(infos, ENVIRONMENT_REWARD, step)
    sizes = np.abs(rewards) + np.abs(social_rewards) + np.abs(expected)
    changed = np.abs(np.subtract(rewards, social_rewards, dtype=float) - expected) > TOLERANCE * sizes
    if changed.any():
        i = int(np.flatnonzero(changed)[0])
        raise ValueError(
            f"The reward must be info['{ENVIRONMENT_REWARD}'] + info['{SOCIAL_REWARD}'], or the caregiver's reward "
            f"would go on in it after it has left, got {rewards[i]:g} in place of {expected[i]:g} + "
            f"{social_rewards[i]:g}{_place(i, step)}. A wrapper between changes the reward, but not its "
            "parts (frame skip, clipping and scaling do); put it inside of what writes them, as in "
            "SocialRewardWrapper(ClipRewardEnv(env), caregiver), or let it change all three."
        )


def _as_part(value: Any, key: str, env: int, step: int | None) -> float:
    if value is None:
        return np.nan
    try:
        return as_number(value)
    except ValueError as error:
        raise ValueError(
            f"info['{key}'] is wrong{_place(env, step)}: {error}; leave the key out where there is none."
        ) from None


def _place(env: int, step: int | None) -> str:
    return "" if step is None else f" in environment {env} at step {step}"
