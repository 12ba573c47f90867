"""How an action enters the ISR's network: encoded as a vector of numbers beside the observation's features."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
import torch
from gymnasium import spaces
from stable_baselines3.common.preprocessing import preprocess_obs
from torch import nn

from sb3_isr.isr.box_encoders import BoxEncoder


class ActionEncoder(nn.Module):
    """
    Encodes actions as float vectors: one-hot if they are discrete; see :class:`BoxEncoder` for those of a Box.

    :param action_space: Box, Discrete, MultiDiscrete or MultiBinary.
    :param encoding: 1 for the encoding of files up to format 3, in which a bounded Box was scaled to [-1, 1].
    """

    #: The number from which discrete actions are counted, int64 ``[]`` or ``[n]``.
    start: torch.Tensor

    def __init__(self, action_space: gym.Space[Any], encoding: int = 2) -> None:
        super().__init__()
        self.action_space = action_space
        self.box: BoxEncoder | ScaledBox | None = None
        if isinstance(action_space, spaces.Box):
            self.box = BoxEncoder(action_space) if encoding > 1 else ScaledBox(action_space)
        #: Width of an encoded action.
        self.dim = self.box.dim if self.box is not None else spaces.flatdim(action_space)
        start = torch.as_tensor(np.array(getattr(action_space, "start", 0), np.int64))
        self.register_buffer("start", start, persistent=False)

    def forward(self, actions: torch.Tensor) -> torch.Tensor:
        """
        Encode a batch of actions.

        :param actions: Tensor ``[n, *shape]``, as the environment is told them.
        :return: float ``[n, dim]``.
        """
        space = self.action_space
        if self.box is not None:
            encoded: torch.Tensor = self.box(actions)
            return encoded
        if isinstance(space, spaces.Discrete):
            # torch's one_hot does the same, but first looks for the smallest and the greatest number.
            index = (actions.long() - int(space.start)).view(-1, 1)
            return torch.zeros(len(index), int(space.n), device=index.device).scatter_(1, index, 1.0)
        # Stable-Baselines3 counts from 0.
        one_hot = preprocess_obs(actions.long() - self.start, space)
        assert isinstance(one_hot, torch.Tensor)
        return one_hot.flatten(1)


class ScaledBox(nn.Module):
    """
    Scales a bounded Box to [-1, 1], and leaves another one as it is: the encoding of files up to format 3.

    :param space: Box of any shape.
    """

    #: The smallest number, and its distance to the greatest, float ``[size]``; None if a bound is infinite.
    low: torch.Tensor | None
    span: torch.Tensor | None

    def __init__(self, space: spaces.Box) -> None:
        super().__init__()
        #: Width of the encoding.
        self.dim = int(np.prod(space.shape))
        low = high = None
        if space.is_bounded():
            low, high = (torch.tensor(bound, dtype=torch.float32).flatten() for bound in (space.low, space.high))
        self.register_buffer("low", low, persistent=False)
        # A component that cannot change becomes -1, not 0 / 0.
        span = None if low is None or high is None else (high - low).clamp(min=torch.finfo(torch.float32).tiny)
        self.register_buffer("span", span, persistent=False)

    def forward(self, numbers: torch.Tensor) -> torch.Tensor:
        """
        Encode a batch.

        :param numbers: Tensor ``[n, *shape]``.
        :return: float ``[n, dim]``.
        """
        flat = numbers.float().unsqueeze(-1).flatten(1)
        return flat if self.low is None or self.span is None else 2 * (flat - self.low) / self.span - 1
