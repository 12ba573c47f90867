"""
Features extractors, for policy and ISR.

There is one for any space, and two for small grids, since MiniGrid's codes are not intensities.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import gymnasium as gym
import numpy as np
import torch
from gymnasium import spaces
from stable_baselines3.common.preprocessing import is_image_space
from stable_baselines3.common.torch_layers import BaseFeaturesExtractor, FlattenExtractor, NatureCNN
from torch import nn

from sb3_isr.common.arguments import flag, whole_number, whole_numbers
from sb3_isr.common.spaces import MAX_NUMBERS, parts

#: The fewest pixels a side that NatureCNN's three convolutions can process.
MIN_IMAGE_SIDE = 36

#: MiniGrid's object types, colours and states.
MINIGRID_CODES = (tuple(range(11)), tuple(range(6)), tuple(range(4)))
#: A further channel is taken to be a flag, whose 0 needs no plane.
FLAG_CODES = (1,)


def grid_is_channels_last(space: gym.Space[Any]) -> bool:
    """
    Find the channels' axis of a grid. Grids are square, or have fewer channels than rows and columns.

    :param space: Box of three dimensions.
    :return: True for ``[width, height, channels]`` as MiniGrid has it, False for ``[channels, width, height]`` as
        ``VecTransposeImage`` leaves it.
    :raises ValueError: If the space has not three dimensions, or its shape is ambiguous.
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


class AnySpaceExtractor(BaseFeaturesExtractor):
    """
    The ISR's default features, of any space.

    Images go through Stable-Baselines3's NatureCNN, and everything else is flattened. An image is a uint8 Box with
    bounds 0 and 255, of three dimensions, and with 36 pixels a side or more. Stable-Baselines3's CombinedExtractor also
    treats smaller grids as images, which NatureCNN cannot process, and takes the smallest axis to be the channels.
    Where an image's shape does not tell which axis they are, it is the last.

    :param observation_space: Box, Discrete, MultiDiscrete, MultiBinary, or a Dict of these.
    :param cnn_output_dim: Number of features of each image.
    :param channels_last: Whether the images' channels are the last axis; inferred from the shape by default.
    """

    def __init__(
        self, observation_space: gym.Space[Any], cnn_output_dim: int = 256, channels_last: bool | None = None
    ) -> None:
        cnn_output_dim = whole_number("cnn_output_dim", cnn_output_dim)
        extractors: dict[str, BaseFeaturesExtractor] = {}
        for key, space in parts(observation_space).items():
            if _is_image(space, channels_last):
                extractors[key] = _ImageExtractor(space, cnn_output_dim, channels_last)
            else:
                extractors[key] = FlattenExtractor(space)
        super().__init__(observation_space, sum(extractor.features_dim for extractor in extractors.values()))
        self.keys = list(extractors)
        #: Whether a feature does not depend on weights: those of images do.
        self.is_fixed = [
            isinstance(part, FlattenExtractor) for part in extractors.values() for _ in range(part.features_dim)
        ]
        # A list, since a ModuleDict accepts neither "keys" nor "a.b" as a key.
        self.extractors = nn.ModuleList(extractors.values())

    def forward(self, observations: torch.Tensor | dict[str, torch.Tensor]) -> torch.Tensor:
        """
        Extract the features.

        :param observations: Preprocessed observations ``[n, *shape]``, or a dictionary of such tensors.
        :return: float ``[n, features_dim]``.
        """
        by_key = observations if isinstance(observations, dict) else {"": observations}
        return torch.cat([extract(by_key[key]) for key, extract in zip(self.keys, self.extractors, strict=True)], dim=1)


class _ImageExtractor(BaseFeaturesExtractor):
    """NatureCNN for images with the channels first or last."""

    def __init__(self, observation_space: gym.Space[Any], features_dim: int, channels_last: bool | None) -> None:
        super().__init__(observation_space, features_dim)
        self.channels_last, n_channels, sides = _channels_and_sides_of_image(observation_space, channels_last)
        self.cnn = NatureCNN(spaces.Box(0, 255, (n_channels, *sides), np.uint8), features_dim)

    def forward(self, observations: torch.Tensor) -> torch.Tensor:
        features: torch.Tensor = self.cnn(observations.movedim(-1, 1) if self.channels_last else observations)
        return features


def _is_image(space: gym.Space[Any], channels_last: bool | None) -> bool:
    # Small grids first: their shape may be ambiguous.
    if not is_image_space(space) or sorted(space.shape or ())[1] < MIN_IMAGE_SIDE:
        return False
    _, _, sides = _channels_and_sides_of_image(space, channels_last)
    return min(sides) >= MIN_IMAGE_SIDE


def _channels_and_sides(space: gym.Space[Any], channels_last: bool | None) -> tuple[bool, int, tuple[int, ...]]:
    """Get whether a grid has its channels last, their number, and the sizes of the other two axes."""
    is_last = grid_is_channels_last(space) if channels_last is None else flag("channels_last", channels_last)
    shape = space.shape or ()
    return (True, shape[-1], shape[:-1]) if is_last else (False, shape[0], shape[1:])


def _channels_and_sides_of_image(
    space: gym.Space[Any], channels_last: bool | None
) -> tuple[bool, int, tuple[int, ...]]:
    first, _, third = space.shape or ()
    return _channels_and_sides(space, True if channels_last is None and first == third else channels_last)


class GridOneHot(BaseFeaturesExtractor):
    """
    Encodes a grid of codes as one binary plane for each code of each channel, flattened.

    It needs the codes themselves, so use it with ``normalize_images=False``.

    :param observation_space: Box of three dimensions, channels first or last.
    :param codes: The codes that get a plane, one sequence for each channel. Codes that are left out here look alike;
        fewer planes make a faster network, and the coin game needs only ``[[0, 2, 8], [], [], []]`` (outside, wall,
        goal). By default there is a plane for each of MiniGrid's codes: of its object types, its colours, its states,
        and of a flag as the fourth channel, repeated for each frame of a stack; other codes are refused.
    :param channels_last: Whether the channels are the last axis; inferred from the shape by default.
    :raises ValueError: If there is not one sequence of codes for each channel, or no code at all.
    """

    channel: torch.Tensor
    code: torch.Tensor
    #: The greatest code of each channel, ``[n_channels, 1, 1]``; None if ``codes`` were given.
    greatest: torch.Tensor | None

    def __init__(
        self,
        observation_space: gym.Space[Any],
        codes: Sequence[Sequence[int]] | None = None,
        channels_last: bool | None = None,
    ) -> None:
        self.channels_last, n_channels, sides = _channels_and_sides(observation_space, channels_last)
        planes = _minigrid_codes(n_channels) if codes is None else [whole_numbers("codes", one, 0) for one in codes]
        if len(planes) != n_channels or not any(planes):
            raise ValueError(f"codes must hold one sequence for each of {n_channels} channels, got {codes!r}.")
        features_dim = sum(map(len, planes)) * sides[0] * sides[1]
        if features_dim > MAX_NUMBERS:
            raise ValueError(f"GridOneHot makes at most {MAX_NUMBERS} numbers, got {features_dim}; give fewer codes.")
        super().__init__(observation_space, features_dim)
        pairs = [(channel, code) for channel, of_channel in enumerate(planes) for code in of_channel]
        self.register_buffer("channel", torch.tensor([channel for channel, _ in pairs]), persistent=False)
        self.register_buffer("code", torch.tensor([code for _, code in pairs]).view(-1, 1, 1), persistent=False)
        greatest = torch.tensor(list(map(max, planes))).view(-1, 1, 1) if codes is None else None
        self.register_buffer("greatest", greatest, persistent=False)

    def forward(self, observations: torch.Tensor) -> torch.Tensor:
        """
        Encode the grids.

        :param observations: Codes ``[n, *shape]``, of any dtype.
        :return: float ``[n, features_dim]``.
        :raises ValueError: If the codes were divided by 255, or are none of MiniGrid's and no others were given.
        """
        if not torch.equal(observations, observations.round()):
            raise ValueError("GridOneHot needs whole codes, got fractions; pass normalize_images=False beside it.")
        grids = observations.movedim(-1, 1) if self.channels_last else observations
        if self.greatest is not None and (is_unknown := (grids > self.greatest) | (grids < 0)).any():
            channel = int(is_unknown.nonzero()[0, 1])
            raise ValueError(
                f"GridOneHot has planes for MiniGrid's codes, 0 to {int(self.greatest[channel])} in channel {channel}, "
                f"got {int(grids[is_unknown][0])} there; pass codes, one sequence for each channel."
            )
        return (grids[:, self.channel] == self.code).flatten(1).float()


def _minigrid_codes(n_channels: int) -> Sequence[Sequence[int]]:
    """MiniGrid's codes for one frame of up to three channels and a flag, or for a stack of frames."""
    n_of_frame = next((n for n in (3, 4) if n_channels % n == 0), n_channels)
    if n_of_frame > 4:
        raise ValueError(
            "GridOneHot knows the codes of MiniGrid's three channels, of these and a flag, and of stacks of such "
            f"frames, got {n_channels} channels; pass codes, one sequence for each channel."
        )
    return [*MINIGRID_CODES, FLAG_CODES][:n_of_frame] * (n_channels // n_of_frame)


def kwargs_until_format_3(observation_space: gym.Space[Any], kwargs: dict[str, Any]) -> dict[str, Any]:
    """
    Get GridOneHot's arguments for ISRs in files up to format 3, where further channels were flags, also of a stack.

    :param observation_space: The ISR's.
    :param kwargs: The arguments in the file.
    :return: The same with the codes.
    :raises ValueError: If the space has not three dimensions, or its shape is ambiguous.
    """
    if kwargs.get("codes") is not None:
        return kwargs
    _, n_channels, _ = _channels_and_sides(observation_space, kwargs.get("channels_last"))
    return {**kwargs, "codes": [*map(list, MINIGRID_CODES), *[list(FLAG_CODES)] * n_channels][:n_channels]}


class GridCNN(BaseFeaturesExtractor):
    """
    Applies 2x2 convolutions with ReLU to a grid, and flattens the result: the paper's features.

    :param observation_space: Box of three dimensions, channels first or last.
    :param channels: The convolutions' output channels; the paper's ISR has 16 and 32.
    :param channels_last: Whether the channels are the last axis; inferred from the shape by default.
    :raises ValueError: If the grid is too small for the convolutions.
    """

    def __init__(
        self,
        observation_space: gym.Space[Any],
        channels: Sequence[int] = (16, 32),
        channels_last: bool | None = None,
    ) -> None:
        self.channels_last, in_channels, sides = _channels_and_sides(observation_space, channels_last)
        channels = whole_numbers("channels", channels)
        if min(sides) <= len(channels):
            raise ValueError(
                f"{len(channels)} convolutions of 2x2 need a larger grid than {observation_space.shape}; give fewer."
            )
        super().__init__(observation_space, channels[-1] * (sides[0] - len(channels)) * (sides[1] - len(channels)))
        layers: list[nn.Module] = []
        for out_channels in channels:
            layers += [nn.Conv2d(in_channels, out_channels, kernel_size=2), nn.ReLU()]
            in_channels = out_channels
        self.cnn = nn.Sequential(*layers, nn.Flatten())

    def forward(self, observations: torch.Tensor) -> torch.Tensor:
        """
        Extract the features.

        :param observations: float ``[n, *shape]``.
        :return: float ``[n, features_dim]``.
        """
        features: torch.Tensor = self.cnn(observations.movedim(-1, 1) if self.channels_last else observations)
        return features
