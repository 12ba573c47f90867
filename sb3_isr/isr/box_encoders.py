"""
Numbers of Boxes as float32, in which networks compute, so that different numbers stay different.

Only what is exact in binary arithmetic is done to them: powers of two, differences of numbers that are close, and
parting a number of 64 bits into several of 32.
"""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
import torch
from gymnasium import spaces
from torch import nn

from sb3_isr.common.numbers import MAX_FLOAT
from sb3_isr.common.spaces import parts

#: Numbers up to this size are told apart well by a network as they are.
MODERATE = 4.0


class BoxEncoder(nn.Module):
    """
    Encodes the numbers of a Box by their place within its bounds and, where these are wide, also by their own size.

    A bound says what may be done, not what is done: within bounds of +-100, let alone of float32's largest numbers,
    actions of +-1 would all be encoded as about 0 if they were scaled by the bounds alone.

    - In a narrow Box (its numbers are at most ``MODERATE``) each number is encoded as it is, or scaled up to about 1.
    - In a wide Box each number x is encoded twice: scaled down to at most about 1, and as x itself, whose growth beyond
      ``MODERATE`` is logarithmic.
    - Far from 0 (further than the Box is wide), the bound that is nearer to 0 is subtracted first.

    Infinite bounds count as float32's largest numbers.

    :param space: Box of any shape and dtype.
    """

    #: What is subtracted, ``[size]``; by what power of two the difference is enlarged, before it becomes float32; and
    #: by what power of two it is then reduced.
    offset: torch.Tensor
    enlarge: torch.Tensor
    reduce: torch.Tensor
    #: Which components are wide, int64 ``[n_wide]``.
    wide: torch.Tensor

    def __init__(self, space: spaces.Box) -> None:
        super().__init__()
        self.n_parts = n_float32(space)
        low, high = (np.clip(bound.flatten().astype(float), -MAX_FLOAT, MAX_FLOAT) for bound in (space.low, space.high))
        nearer = np.where(np.abs(low) < np.abs(high), low, high)
        is_far = (np.sign(low) == np.sign(high)) & (np.abs(nearer) >= high - low)
        offset = np.where(is_far, nearer, 0.0)
        size = np.maximum(np.abs(low - offset), np.abs(high - offset))
        # The exponent of the next power of two, within float32's range of full precision.
        exponent = np.ceil(np.log2(size, where=size > 0, out=np.zeros_like(size))).astype(int).clip(-126, 126)
        is_wide = size > MODERATE
        buffers = {
            "offset": offset,
            "enlarge": np.ldexp(1.0, -exponent.clip(max=0)),
            "reduce": np.ldexp(1.0, -np.where(is_wide, exponent, 0)),
        }
        for name, values in buffers.items():
            dtype = torch.float32 if self.n_parts == 1 or name == "reduce" else torch.float64
            self.register_buffer(name, torch.tensor(values, dtype=dtype), persistent=False)
        self.register_buffer("wide", torch.tensor(np.flatnonzero(is_wide)), persistent=False)
        #: Width of the encoding.
        self.dim = self.n_parts * len(size) + int(is_wide.sum())

    def forward(self, numbers: torch.Tensor) -> torch.Tensor:
        """
        Encode a batch.

        :param numbers: Tensor ``[n, *shape]``.
        :return: float32 ``[n, dim]``.
        """
        exact = (numbers.unsqueeze(-1).flatten(1).to(self.offset.dtype) - self.offset) * self.enlarge
        nearest, *remainders = split_float32(exact, self.n_parts)
        wide = nearest[:, self.wide]
        excess = wide.sign() * (wide.abs().clamp(min=MODERATE) / MODERATE).log()
        return torch.cat([nearest * self.reduce, wide.clamp(-MODERATE, MODERATE) + excess, *remainders], dim=1)


class Remainders(nn.Module):
    """
    What float32 leaves out of an observation's numbers: float64, and integers beyond 2**24.

    Networks, policies too, get observations as float32. There, time stamps of 1,000,000,000 and the next second are the
    same number. This gives the difference, which is about 0 for numbers of usual size.

    :param observation_space: Box, Discrete, MultiDiscrete, MultiBinary, or a Dict of these.
    """

    def __init__(self, observation_space: gym.Space[Any]) -> None:
        super().__init__()
        by_key = {key: n_float32(space) for key, space in parts(observation_space).items()}
        self.n_parts = {key: n for key, n in by_key.items() if n > 1}
        #: Width of the encoding; 0 if float32 leaves nothing out.
        self.dim = sum(
            (n - 1) * int(np.prod(parts(observation_space)[key].shape or ())) for key, n in self.n_parts.items()
        )

    def forward(self, observations: Any) -> torch.Tensor:
        """
        Encode a batch.

        :param observations: Tensor ``[n, *shape]``, not preprocessed, or a dictionary of such tensors.
        :return: float32 ``[n, dim]``.
        """
        by_key = observations if isinstance(observations, dict) else {"": observations}
        numbers = {key: by_key[key].double().unsqueeze(-1).flatten(1) for key in self.n_parts}
        return torch.cat(
            [part for key, n in self.n_parts.items() for part in split_float32(numbers[key], n)[1:]], dim=1
        )


def n_float32(space: gym.Space[Any]) -> int:
    """
    Count the float32 numbers that are needed to tell apart all numbers of a space.

    :param space: Any space but a Dict.
    :return: 1 to 3; integers beyond 2**53 would need more.
    """
    if not isinstance(space, spaces.Box):
        return 1
    if space.dtype.kind == "f":
        return 1 if space.dtype.itemsize <= 4 else 3
    largest = np.max(np.abs([space.low.astype(float), space.high.astype(float)]), initial=0)
    return int(1 + (largest > 2**24) + (largest > 2**48))


def split_float32(numbers: torch.Tensor, n_parts: int) -> list[torch.Tensor]:
    """
    Split numbers into float32 ones that add up to them.

    :param numbers: float32 or float64, of any shape.
    :param n_parts: How many.
    :return: The nearest float32 number to each, the nearest one to what that leaves, and so on.
    """
    split = []
    for _ in range(n_parts):
        split.append(numbers.float())
        numbers = numbers - split[-1]
    return split
