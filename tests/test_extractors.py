import numpy as np
import pytest
import torch
from gymnasium import spaces

from sb3_isr import GridCNN, GridOneHot
from sb3_isr.extractors import grid_is_channels_last

GRID = spaces.Box(0, 255, (3, 3, 2), np.uint8)


def test_one_plane_for_each_code() -> None:
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


def test_policy_and_isr_see_the_same_though_sb3_transposes_for_the_policy() -> None:
    grid = torch.randint(0, 11, (5, 9, 9, 4))
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
    ],
)
def test_where_the_channels_are(shape: tuple[int, ...], is_last: bool) -> None:
    """SB3's own guess, the smallest axis, misreads 3x3x4 and 7x7x9."""
    assert grid_is_channels_last(spaces.Box(0, 255, shape, np.uint8)) is is_last


def test_what_cannot_work_is_refused() -> None:
    with pytest.raises(ValueError, match="channels_last"):
        GridOneHot(spaces.Box(0, 255, (3, 3, 3), np.uint8))
    with pytest.raises(ValueError, match="three dimensions"):
        GridCNN(spaces.Box(0, 1, (4,)))
    with pytest.raises(ValueError, match="one sequence for each of 2 channels"):
        GridOneHot(GRID, codes=[[1]])
    with pytest.raises(ValueError, match="normalize_images=False"):
        GridOneHot(GRID)(torch.full((1, 3, 3, 2), 1 / 255))
    with pytest.raises(ValueError, match="larger grid"):
        GridCNN(GRID, channels=(4, 4, 4))


def test_cnn_takes_the_channels_as_channels() -> None:
    """The published code took the first spatial axis for the channels."""
    extractor = GridCNN(spaces.Box(0, 255, (9, 9, 5), np.uint8))
    first = next(extractor.parameters())
    assert first.shape == (16, 5, 2, 2)
    assert extractor(torch.zeros(2, 9, 9, 5)).shape == (2, extractor.features_dim) == (2, 32 * 7 * 7)
