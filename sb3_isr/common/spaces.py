"""The Gymnasium spaces that sb3-isr supports."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium import spaces

#: The most numbers in one observation or action, a full-HD frame's worth: no file makes us take memory for more.
MAX_NUMBERS = 2**23
#: The dtypes of a Discrete or MultiDiscrete space, and those of a Box.
INTEGERS = ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64")
NUMBERS = ("bool", *INTEGERS, "float16", "float32", "float64")


def check_spaces(observation_space: gym.Space[Any], action_space: gym.Space[Any]) -> None:
    """
    Check that the spaces are of the kinds that Stable-Baselines3 has.

    :param observation_space: Box, Discrete, MultiDiscrete, MultiBinary, or a Dict of these.
    :param action_space: Box, Discrete, MultiDiscrete or MultiBinary. Only actions may start at another number than 0.
    :raises ValueError: If they are not, or hold no number at all, or too many of them.
    """
    for key, space in parts(observation_space).items():
        if not isinstance(key, str):
            raise ValueError(f"The keys of a Dict must be texts, got {key!r} in {observation_space}; rename it.")
        _check_part(space)
        if np.any(getattr(space, "start", 0)):
            raise ValueError(
                f"Observations must start at 0, since Stable-Baselines3 counts them from there, got {space}; "
                "take the start off in a wrapper."
            )
    _check_part(action_space)
    for name, given in (("observation", observation_space), ("action", action_space)):
        # A Discrete space is encoded as so many numbers as it has elements.
        numbers = sum(map(spaces.flatdim, parts(given).values()))
        if not 1 <= numbers <= MAX_NUMBERS:
            raise ValueError(
                f"An {name} must hold between 1 and {MAX_NUMBERS} numbers, got {numbers} of {given}; wrap the "
                "environment to change that."
            )


def parts(space: gym.Space[Any]) -> dict[str, gym.Space[Any]]:
    """
    List the spaces that a space consists of.

    :param space: Any space.
    :return: A Dict's spaces by their keys, in its own order; any other space under the key "".
    """
    return dict(space.spaces) if isinstance(space, spaces.Dict) else {"": space}


def _check_part(space: gym.Space[Any]) -> None:
    known = isinstance(space, spaces.Box | spaces.Discrete | spaces.MultiDiscrete | spaces.MultiBinary)
    if isinstance(space, spaces.Box) and str(space.dtype) not in NUMBERS:
        raise ValueError(f"The numbers of a Box must be {', '.join(NUMBERS)}, got {space}; wrap the environment.")
    if not known or (isinstance(space, spaces.MultiDiscrete) and space.nvec.ndim != 1):
        raise ValueError(
            "A space must be Box, Discrete, MultiDiscrete (of one dimension), MultiBinary or, for observations, a Dict "
            f"of these, got {space}; wrap the environment to change that."
        )
