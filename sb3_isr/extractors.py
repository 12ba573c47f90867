"""Features extractors for small grids, for the policy and for the ISR alike: MiniGrid's codes are no intensities."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import gymnasium as gym
import torch
from gymnasium import spaces
from stable_baselines3.common.torch_layers import BaseFeaturesExtractor
from torch import nn

#: MiniGrid's object types, colours and states. A channel beyond these is taken for a flag.
MINIGRID_CODES = (tuple(range(11)), tuple(range(6)), tuple(range(4)))


def grid_is_channels_last(space: gym.Space[Any]) -> bool:
    """
    Where does a grid's space have its channels? Grids are square, or else have fewer channels than cells.

    :param space: Box of three dimensions.
    :return: True for ``[width, height, channels]`` as MiniGrid has it, False for ``[channels, width, height]`` as
        ``VecTransposeImage`` leaves it.
    :raises ValueError: If it is no such space, or its shape does not tell.
    """
    if not isinstance(space, spaces.Box) or len(space.shape) != 3:
        raise ValueError(f"A grid must be a Box of three dimensions, got {space}.")
    first, second, third = space.shape
    if first == second != third:
        return True
    if second == third != first:
        return False
    if first != third:
        return third < first
    raise ValueError(f"The shape {space.shape} does not tell where its channels are; pass channels_last.")


class GridOneHot(BaseFeaturesExtractor):
    """
    One 0-or-1 plane for each code of each channel, flattened.

    It needs the codes as they are: give ``normalize_images=False`` beside it.

    :param observation_space: Box of three dimensions, channels first or last.
    :param codes: The codes that get a plane, one sequence for each channel; MiniGrid's by default. Fewer planes make
        a faster network: the coin game needs only ``[[0, 2, 8], [], [], []]`` (outside, wall, goal).
    :param channels_last: Where the channels are; read off the shape by default.
    """

    channel: torch.Tensor
    code: torch.Tensor

    def __init__(
        self,
        observation_space: gym.Space[Any],
        codes: Sequence[Sequence[int]] | None = None,
        channels_last: bool | None = None,
    ) -> None:
        self.channels_last = grid_is_channels_last(observation_space) if channels_last is None else channels_last
        shape = observation_space.shape or ()
        n_channels = shape[-1] if self.channels_last else shape[0]
        if codes is None:
            codes = (*MINIGRID_CODES, *[(1,)] * n_channels)[:n_channels]
        if len(codes) != n_channels or not any(codes):
            raise ValueError(f"codes must hold one sequence for each of {n_channels} channels, got {codes!r}.")
        pairs = [(channel, code) for channel, of_channel in enumerate(codes) for code in of_channel]
        n_cells = shape[0] * shape[1] * shape[2] // n_channels
        super().__init__(observation_space, len(pairs) * n_cells)
        self.register_buffer("channel", torch.tensor([channel for channel, _ in pairs]), persistent=False)
        self.register_buffer("code", torch.tensor([code for _, code in pairs]).view(-1, 1, 1), persistent=False)
        self._checked = False

    def forward(self, observations: torch.Tensor) -> torch.Tensor:
        """
        :param observations: Codes ``[n, *shape]``, of any dtype.
        :return: float ``[n, features_dim]``.
        :raises ValueError: If the codes were divided by 255 (seen at the first call).
        """
        if not self._checked:
            if not torch.equal(observations, observations.round()):
                raise ValueError("GridOneHot needs whole codes, got fractions; pass normalize_images=False beside it.")
            self._checked = True
        axis = -1 if self.channels_last else 1
        planes = observations.movedim(axis, 1)[:, self.channel] == self.code
        return planes.flatten(1).float()


class GridCNN(BaseFeaturesExtractor):
    """
    2x2 convolutions with ReLU over a grid's channels, flattened: the paper's features.

    :param observation_space: Box of three dimensions, channels first or last.
    :param channels: The convolutions' output channels; the paper's ISR has 16 and 32.
    :param channels_last: Where the channels are; read off the shape by default.
    """

    def __init__(
        self,
        observation_space: gym.Space[Any],
        channels: Sequence[int] = (16, 32),
        channels_last: bool | None = None,
    ) -> None:
        self.channels_last = grid_is_channels_last(observation_space) if channels_last is None else channels_last
        shape = observation_space.shape or ()
        in_channels, *sides = (shape[-1], *shape[:-1]) if self.channels_last else shape
        if min(sides) <= len(channels):
            raise ValueError(f"{len(channels)} convolutions of 2x2 need a larger grid than {shape}; give fewer.")
        super().__init__(observation_space, channels[-1] * (sides[0] - len(channels)) * (sides[1] - len(channels)))
        layers: list[nn.Module] = []
        for out_channels in channels:
            layers += [nn.Conv2d(in_channels, out_channels, kernel_size=2), nn.ReLU()]
            in_channels = out_channels
        self.cnn = nn.Sequential(*layers, nn.Flatten())

    def forward(self, observations: torch.Tensor) -> torch.Tensor:
        """
        :param observations: float ``[n, *shape]``.
        :return: float ``[n, features_dim]``.
        """
        features: torch.Tensor = self.cnn(observations.movedim(-1, 1) if self.channels_last else observations)
        return features
