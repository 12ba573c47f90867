"""How an action enters the ISR's network: encoded as a vector of numbers beside the observation's features."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
import torch
from gymnasium import spaces
from stable_baselines3.common.preprocessing import preprocess_obs
from torch import nn


class ActionEncoder(nn.Module):
    """
    Encodes actions as float vectors: one-hot if they are discrete, scaled to [-1, 1] if they are a bounded Box.

    :param action_space: Box, Discrete, MultiDiscrete or MultiBinary.
    """

    #: The smallest action, and its distance to the greatest, float ``[n]``; None if actions are not a bounded Box.
    low: torch.Tensor | None
    span: torch.Tensor | None
    #: The number from which discrete actions are counted, int64 ``[]`` or ``[n]``.
    start: torch.Tensor

    def __init__(self, action_space: gym.Space[Any]) -> None:
        super().__init__()
        self.action_space = action_space
        is_numeric = isinstance(action_space, spaces.MultiBinary | spaces.Box)
        #: Width of an encoded action.
        self.dim = int(np.prod(action_space.shape or ())) if is_numeric else spaces.flatdim(action_space)
        low, span = _low_and_span(action_space)
        self.register_buffer("low", low, persistent=False)
        self.register_buffer("span", span, persistent=False)
        start = torch.as_tensor(np.array(getattr(action_space, "start", 0), np.int64))
        self.register_buffer("start", start, persistent=False)

    def forward(self, actions: torch.Tensor) -> torch.Tensor:
        """
        Encode a batch of actions.

        :param actions: Tensor ``[n, *shape]``, as the environment is told them.
        :return: float ``[n, dim]``.
        """
        space = self.action_space
        if isinstance(space, spaces.Box):
            flat = actions.float().flatten(1)
            if self.low is None or self.span is None:
                return flat
            return 2 * (flat - self.low) / self.span - 1
        if isinstance(space, spaces.Discrete):
            # torch's one_hot does the same, but first looks for the smallest and the greatest number.
            index = (actions.long() - int(space.start)).view(-1, 1)
            return torch.zeros(len(index), int(space.n), device=index.device).scatter_(1, index, 1.0)
        # Stable-Baselines3 counts from 0.
        encoded = preprocess_obs(actions.long() - self.start, space)
        assert isinstance(encoded, torch.Tensor)
        return encoded.flatten(1)


def _low_and_span(space: gym.Space[Any]) -> tuple[torch.Tensor | None, torch.Tensor | None]:
    if not isinstance(space, spaces.Box) or not space.is_bounded():
        return None, None
    low, high = (torch.tensor(bound, dtype=torch.float32).flatten() for bound in (space.low, space.high))
    # A component that cannot change becomes -1, not 0 / 0.
    return low, (high - low).clamp(min=torch.finfo(torch.float32).tiny)
