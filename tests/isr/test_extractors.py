from collections.abc import Callable
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch
from gymnasium import spaces
from minigrid.core.constants import COLOR_TO_IDX, DIR_TO_VEC, OBJECT_TO_IDX, STATE_TO_IDX

from sb3_isr import GridCNN, GridOneHot
from sb3_isr.isr.extractors import MINIGRID_CODES, AnySpaceExtractor, grid_is_channels_last

GRID = spaces.Box(0, 255, (3, 3, 2), np.uint8)


def test_there_is_one_plane_for_each_code() -> None:
    extractor = GridOneHot(GRID, codes=[[0, 8], [1]])
    grid = torch.zeros(1, 3, 3, 2, dtype=torch.uint8)
    grid[0, 1, 2] = torch.tensor([8, 1])
    planes = extractor(grid).view(3, 3, 3)
    assert extractor.features_dim == 27
    expected = torch.zeros(3, 3)
    expected[1, 2] = 1
    assert torch.equal(planes[0], 1 - expected)  # code 0 in the first channel: everywhere else
    assert torch.equal(planes[1], expected)
    assert torch.equal(planes[2], expected)


def test_there_is_a_plane_for_each_of_minigrids_codes() -> None:
    """They are copied, so that the extractors do not need MiniGrid. An agent's state is its direction."""
    objects, colors, states = map(set, MINIGRID_CODES)
    assert objects == set(OBJECT_TO_IDX.values())
    assert colors == set(COLOR_TO_IDX.values())
    assert states == {*STATE_TO_IDX.values(), *range(len(DIR_TO_VEC))}


def test_planes_are_the_same_with_the_channels_first_or_last() -> None:
    """Stable-Baselines3 transposes grids for the policy; the ISR gets them as they are."""
    grid = torch.stack([torch.randint(0, n, (5, 9, 9)) for n in (11, 6, 4, 2)], dim=-1)
    last = GridOneHot(spaces.Box(0, 255, (9, 9, 4), np.uint8))
    first = GridOneHot(spaces.Box(0, 255, (4, 9, 9), np.uint8))
    assert torch.equal(last(grid), first(grid.movedim(-1, 1)))


@pytest.mark.parametrize(
    ("shape", "is_last"),
    [
        ((9, 9, 4), True),
        ((4, 9, 9), False),
        ((3, 3, 4), True),
        ((7, 7, 9), True),
        ((8, 5, 3), True),
        ((3, 8, 5), False),
        ((210, 160, 3), True),
        ((160, 210, 3), True),
        ((3, 210, 160), False),
        ((12, 64, 36), False),
        ((36, 84, 84), False),
    ],
)
def test_the_shape_tells_where_the_channels_are(shape: tuple[int, ...], is_last: bool) -> None:
    """Stable-Baselines3 assumes the smallest axis, which is wrong for 3x3x4 and 7x7x9."""
    assert grid_is_channels_last(spaces.Box(0, 255, shape, np.uint8)) is is_last


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: GridOneHot(spaces.Box(0, 255, (3, 3, 3), np.uint8)), "channels_last"),
        (lambda: GridCNN(spaces.Box(0, 1, (4,))), "three dimensions"),
        (lambda: GridOneHot(GRID, codes=[[1]]), "one sequence for each of 2 channels"),
        (lambda: GridOneHot(GRID, codes=[[], []]), "one sequence for each of 2 channels"),
        (lambda: GridOneHot(GRID)(torch.full((1, 3, 3, 2), 1 / 255)), "normalize_images=False"),
        (lambda: GridCNN(GRID, channels=(4, 4, 4)), "larger grid"),
    ],
)
def test_what_cannot_work_is_refused(make: Callable[[], Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()


def test_the_cnn_convolves_over_the_cells() -> None:
    """The published code treated the first spatial axis as the channels."""
    extractor = GridCNN(spaces.Box(0, 255, (9, 9, 5), np.uint8))
    first = next(extractor.parameters())
    assert first.shape == (16, 5, 2, 2)
    assert extractor(torch.zeros(2, 9, 9, 5)).shape == (2, extractor.features_dim) == (2, 32 * 7 * 7)


def image(*shape: int) -> spaces.Box:
    return spaces.Box(0, 255, shape, np.uint8)


@pytest.mark.parametrize(
    ("space", "features_dim"),
    [
        (spaces.Box(-1, 1, (2, 3)), 6),
        (spaces.Discrete(5), 5),
        (spaces.MultiDiscrete([3, 4]), 7),
        (spaces.MultiBinary((2, 3)), 6),
        (image(36, 36, 3), 256),
        (image(3, 36, 36), 256),
        (image(210, 160, 3), 256),
        (image(3, 210, 160), 256),
        # Not images: too small, too small on one side, other bounds or dtype, other dimensions.
        (image(7, 7, 3), 147),
        (image(3, 3, 3), 27),
        (image(35, 84, 1), 35 * 84),
        (image(64, 8, 48), 64 * 8 * 48),
        (spaces.Box(0, 10, (36, 36, 3), np.uint8), 36 * 36 * 3),
        (spaces.Box(0, 255, (36, 36, 3), np.float32), 36 * 36 * 3),
        (image(36, 36), 36 * 36),
        (spaces.Dict({"image": image(7, 7, 3), "direction": spaces.Discrete(4)}), 147 + 4),
        (spaces.Dict({"keys": image(36, 36, 1), "a.b": image(4, 40, 40), "": spaces.MultiBinary(2)}), 256 + 256 + 2),
    ],
    ids=str,
)
def test_images_go_through_the_cnn_and_everything_else_is_flattened(space: gym.Space[Any], features_dim: int) -> None:
    assert AnySpaceExtractor(space).features_dim == features_dim


def test_features_of_a_dict_are_in_the_order_of_the_space() -> None:
    extractor = AnySpaceExtractor(spaces.Dict([("b", spaces.Discrete(2)), ("a", spaces.Box(0, 1, (2, 2)))]))
    observations = {"a": torch.arange(4.0).view(1, 2, 2), "b": torch.tensor([[7.0, 8.0]])}
    assert extractor(observations).tolist() == [[7, 8, 0, 1, 2, 3]]


@pytest.mark.parametrize("shape", [(36, 40, 3), (84, 84, 12)])
def test_an_image_has_the_same_features_with_its_channels_first_or_last(shape: tuple[int, int, int]) -> None:
    last = AnySpaceExtractor(image(*shape), cnn_output_dim=8)
    first = AnySpaceExtractor(image(shape[2], *shape[:2]), cnn_output_dim=8)
    first.load_state_dict(last.state_dict())
    images = torch.rand(5, *shape)
    features = last(images)
    assert features.shape == (5, 8)
    torch.testing.assert_close(first(images.movedim(-1, 1)), features)
    assert not torch.equal(features[0], features[1])


def test_channels_last_decides_and_where_the_shape_is_ambiguous_the_last_axis_has_them() -> None:
    def n_channels(shape: tuple[int, int, int], **kwargs: Any) -> int:
        return next(AnySpaceExtractor(image(*shape), **kwargs).parameters()).shape[1]

    assert n_channels((40, 40, 40)) == 40
    assert n_channels((40, 50, 60), channels_last=True) == 60
    assert n_channels((60, 50, 40), channels_last=False) == 60
    ambiguous, last = AnySpaceExtractor(image(40, 40, 40)), AnySpaceExtractor(image(40, 40, 40), channels_last=True)
    ambiguous.load_state_dict(last.state_dict())
    images = torch.rand(2, 40, 40, 40)
    assert torch.equal(ambiguous(images), last(images))


def test_divided_codes_are_refused_even_after_an_empty_grid() -> None:
    extractor = GridOneHot(GRID)
    extractor(torch.zeros(1, 3, 3, 2))
    with pytest.raises(ValueError, match="normalize_images=False"):
        extractor(torch.full((1, 3, 3, 2), 1 / 255))
