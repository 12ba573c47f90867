"""Several small networks of one shape, evaluated in one batched call."""

from __future__ import annotations

import math
from itertools import pairwise

import torch
from torch import nn


class EnsembleMLP(nn.Module):
    """
    Independent MLPs whose weights are stacked, so that a layer of all of them is one batched product.

    Each member's weights start as torch's own ``nn.Linear`` has them.

    :param n_members: How many MLPs.
    :param in_features: Width of the input.
    :param net_arch: Widths of the hidden layers; after the last comes one output.
    :param activation_fn: Activation between layers; applied to all members at once, so it must be elementwise.
    """

    def __init__(self, n_members: int, in_features: int, net_arch: list[int], activation_fn: type[nn.Module]) -> None:
        super().__init__()
        widths = [in_features, *net_arch, 1]
        shapes = list(pairwise(widths))
        self.weights = nn.ParameterList([_uniform((n_members, n, m), n) for n, m in shapes])
        self.biases = nn.ParameterList([_uniform((n_members, 1, m), n) for n, m in shapes])
        # The same parameters once more, in pairs: to go through the lists would cost as much as a layer.
        self._layers = list(zip(self.weights, self.biases, strict=True))
        self.activation = activation_fn()

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """
        :param features: float ``[n, in_features]``, the same for all members.
        :return: float ``[n_members, n]``
        """
        *hidden, (weight, bias) = self._layers
        activations = features.expand(len(weight), *features.shape)
        for hidden_weight, hidden_bias in hidden:
            activations = self.activation(torch.baddbmm(hidden_bias, activations, hidden_weight))
        return torch.baddbmm(bias, activations, weight).squeeze(2)


def _uniform(shape: tuple[int, int, int], fan_in: int) -> nn.Parameter:
    bound = 1 / math.sqrt(max(1, fan_in))
    return nn.Parameter(torch.empty(shape).uniform_(-bound, bound))
