"""The paper's ISR: its features, its network and its optimizer (Rong & Kleiman-Weiner 2024)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import gymnasium as gym
import numpy as np
import torch
from gymnasium import spaces

from sb3_isr.isr.extractors import GridCNN, grid_is_channels_last

#: MiniGrid's object code of an agent, in a grid's first channel.
AGENT = 10


class ActionPlaneCNN(GridCNN):
    """
    The features of the paper's ISR, of a grid and an action.

    The grid gets one more channel, which holds the action's number at the agent's cell, and goes through
    :class:`~sb3_isr.GridCNN`.

    :param observation_space: MiniGrid's: a Box ``[width, height, channels]`` of codes.
    :param action_space: Discrete.
    :param channels: The output channels of the convolutions.
    :raises ValueError: If the spaces are of other kinds.
    """

    #: Tells :class:`~sb3_isr.InternalSocialReward` that it encodes the action itself.
    encodes_action = True

    def __init__(
        self, observation_space: gym.Space[Any], action_space: gym.Space[Any], channels: Sequence[int] = (16, 32)
    ) -> None:
        is_grid = isinstance(observation_space, spaces.Box) and len(observation_space.shape) == 3
        if not is_grid or not grid_is_channels_last(observation_space) or not isinstance(action_space, spaces.Discrete):
            raise ValueError(
                "ActionPlaneCNN needs a grid [width, height, channels] and Discrete actions, "
                f"got {observation_space} and {action_space}; use another features extractor."
            )
        width, height, n_channels = observation_space.shape or ()
        super().__init__(spaces.Box(0, 255, (width, height, n_channels + 1), np.uint8), channels, channels_last=True)
        self.first_action = int(action_space.start)

    def forward(self, observations: torch.Tensor, actions: torch.Tensor) -> torch.Tensor:  # type: ignore[override]
        """
        Extract the features of observation and action.

        :param observations: Codes, float ``[n, width, height, channels]``.
        :param actions: int ``[n]``.
        :return: float ``[n, features_dim]``.
        :raises ValueError: If a grid does not show the agent, so that its action would be lost.
        """
        agent = observations[..., 0] == AGENT
        numbers = actions - self.first_action
        if (~agent.flatten(1).any(dim=1) & (numbers != 0)).any():
            raise ValueError(
                f"ActionPlaneCNN writes the action into the agent's cell, code {AGENT} of the first channel, got a "
                "grid without an agent, where actions would look alike; pass normalize_images=False beside it, or use "
                "another features extractor."
            )
        plane = agent.float() * numbers.view(-1, 1, 1)
        return super().forward(torch.cat([observations, plane.unsqueeze(-1)], dim=-1))


#: The paper's network, as ``isr_kwargs``: two convolutions over the raw codes and the action's plane.
PAPER_ISR: dict[str, Any] = {
    "features_extractor_class": ActionPlaneCNN,
    "features_extractor_kwargs": {"channels": (16, 32)},
    "normalize_images": False,
    "net_arch": (32, 32),
    "ortho_init": True,
    "use_next_observation": False,
    "use_terminated": False,
    "standardize": False,
    "limit_to_labels": "no",
}
#: The paper's optimizer, as ``trainer_kwargs``.
PAPER_TRAINER: dict[str, Any] = {"learning_rate": 3e-4, "optimizer_kwargs": {"eps": 1e-5}, "max_cycles": 1}
