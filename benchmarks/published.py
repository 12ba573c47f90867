"""The published way in plain code: the paper's policy, and its ISR, trained on one label at a time."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset, WeightedRandomSampler

from reproduction.protocols import PaperFeatures
from sb3_isr.common.batches import Array, Observations
from sb3_isr.isr.paper import AGENT

#: The paper's policy, for PPO's "CnnPolicy".
POLICY: dict[str, Any] = {"features_extractor_class": PaperFeatures}


def network() -> nn.Sequential:
    """
    Make the paper's network.

    :return: A network from float ``[n, 5, 9, 9]``, the grid's codes and the action's plane, to ``[n, 1]``.
    """
    layers = nn.Sequential(
        nn.Conv2d(5, 16, kernel_size=2),
        nn.ReLU(),
        nn.Conv2d(16, 32, kernel_size=2),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(32 * 7 * 7, 32),
        nn.ReLU(),
        nn.Linear(32, 32),
        nn.ReLU(),
        nn.Linear(32, 1),
    )
    for layer in layers:
        if isinstance(layer, nn.Conv2d | nn.Linear):
            nn.init.orthogonal_(layer.weight, gain=2**0.5)
            nn.init.zeros_(layer.bias)  # type: ignore[arg-type]
    return layers


def with_action_plane(observations: torch.Tensor, actions: torch.Tensor) -> torch.Tensor:
    """
    Append the action's plane to grids.

    :param observations: Grids of codes ``[n, 9, 9, 4]``.
    :param actions: Their numbers ``[n]``.
    :return: float ``[n, 5, 9, 9]``: the codes, and the action's number at the agent's cell.
    """
    grids = observations.movedim(-1, 1).float()
    plane = (grids[:, :1] == AGENT) * actions.view(-1, 1, 1, 1)
    return torch.cat([grids, plane], dim=1)


def inputs(observations: Observations, actions: Array) -> torch.Tensor:
    """
    Convert a batch to the network's input.

    :param observations: uint8 ``[n, 9, 9, 4]``.
    :param actions: Their numbers, ``[n]``.
    :return: float ``[n, 5, 9, 9]``.
    """
    return with_action_plane(torch.as_tensor(observations), torch.as_tensor(actions))


def fit(net: nn.Sequential, grids: torch.Tensor, social_rewards: np.ndarray) -> None:
    """
    Train for one epoch with a batch size of 1, rewarded and unrewarded labels drawn equally often.

    :param net: The network, changed in place.
    :param grids: float ``[n, 5, 9, 9]``.
    :param social_rewards: ``[n]``.
    """
    targets = torch.as_tensor(social_rewards, dtype=torch.float32).clamp(min=0)
    rewarded = targets > 0
    n_rewarded = int(rewarded.sum())
    weights = torch.where(rewarded, 1 / max(1, n_rewarded), 1 / max(1, len(targets) - n_rewarded))
    sampler = WeightedRandomSampler(weights.tolist(), len(targets))
    optimizer = torch.optim.Adam(net.parameters(), lr=3e-4, eps=1e-5)
    for one, target in DataLoader(TensorDataset(grids, targets), batch_size=1, sampler=sampler):
        loss = F.mse_loss(net(one).squeeze(1), target)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimizer.step()
