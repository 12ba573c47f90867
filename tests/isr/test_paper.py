"""The paper's ISR."""

import numpy as np
import pytest
import torch
from gymnasium import spaces

from sb3_isr import PAPER_ISR, PAPER_TRAINER, GridCNN, InternalSocialReward, ISRTrainer
from sb3_isr.isr.paper import ActionPlaneCNN
from tests.isr.some_spaces import BOX, DISCRETE, GRID, MINIGRID


def test_the_action_is_written_into_a_plane_at_the_agents_cell() -> None:
    """And counted from 0, whatever the space's start."""
    extractor = ActionPlaneCNN(GRID, spaces.Discrete(3, start=-1), channels=(2, 3))
    plain = GridCNN(spaces.Box(0, 255, (9, 9, 5), np.uint8), channels=(2, 3))
    plain.load_state_dict(extractor.state_dict())
    grids = torch.zeros(2, 9, 9, 5)
    grids[0, 4, 3, 0] = grids[1, 2, 1, 0] = 10
    grids[:, 7, 7, 0] = grids[:, 7, 7, 3] = 8
    expected = grids.clone()
    expected[0, 4, 3, 4], expected[1, 2, 1, 4] = 1, 2
    torch.testing.assert_close(extractor(grids[..., :4], torch.tensor([0, 1])), plain(expected))
    assert extractor.features_dim == plain.features_dim


def test_the_preset_is_the_papers_network_and_optimizer() -> None:
    isr = InternalSocialReward(GRID, DISCRETE, **PAPER_ISR)
    assert [tuple(p.shape) for p in isr.features_extractor.parameters() if p.ndim > 1] == [
        (16, 5, 2, 2),
        (32, 16, 2, 2),
    ]
    assert [tuple(p.shape) for p in isr.net.parameters() if p.ndim > 1] == [(32, 1568), (32, 32), (1, 32)]
    weight = next(isr.net.parameters()).detach()
    torch.testing.assert_close(weight @ weight.T, 2 * torch.eye(32), atol=1e-4, rtol=0)  # orthogonal, gain sqrt(2)
    options = ISRTrainer(isr, **PAPER_TRAINER).optimizer.defaults
    assert (options["lr"], options["eps"]) == (3e-4, 1e-5)


@pytest.mark.parametrize(
    ("observation_space", "action_space"),
    [
        (BOX, DISCRETE),
        (MINIGRID, DISCRETE),
        (spaces.Box(0, 255, (4, 9, 9), np.uint8), DISCRETE),
        (GRID, spaces.MultiDiscrete([2, 3])),
    ],
    ids=str,
)
def test_other_spaces_are_refused(observation_space: spaces.Space[np.ndarray], action_space: spaces.Discrete) -> None:
    with pytest.raises(ValueError, match=r"needs a grid.*use another features extractor"):
        InternalSocialReward(observation_space, action_space, **PAPER_ISR)
