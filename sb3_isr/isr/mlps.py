"""The ISR's MLPs: one, or several of one shape that are evaluated in one batched call."""

from __future__ import annotations

import math
from itertools import pairwise

import torch
from stable_baselines3.common.torch_layers import create_mlp
from torch import nn


class EnsembleMLP(nn.Module):
    """
    Independent MLPs whose weights are stacked, so that a layer of all of them is one batched product.

    Each member's weights start as those of torch's ``nn.Linear``.

    :param n_members: Number of MLPs.
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
        # The same parameters in a plain list: iterating over ParameterLists costs as much as a layer.
        self._layers = list(zip(self.weights, self.biases, strict=True))
        self.activation = activation_fn()

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """
        Compute the output of each member.

        :param features: float ``[n, in_features]``, the same for all members.
        :return: float ``[n_members, n]``
        """
        *hidden, (weight, bias) = self._layers
        activations = features.expand(len(weight), *features.shape)
        for hidden_weight, hidden_bias in hidden:
            activations = self.activation(torch.baddbmm(hidden_bias, activations, hidden_weight))
        return torch.baddbmm(bias, activations, weight).squeeze(2)


def make_network(n_members: int, in_features: int, net_arch: list[int], activation_fn: type[nn.Module]) -> nn.Module:
    """
    Make the ISR's MLP or MLPs.

    :param n_members: Number of MLPs.
    :param in_features: Width of the input.
    :param net_arch: Widths of the hidden layers.
    :param activation_fn: Activation between layers.
    :return: From float ``[n, in_features]`` to float ``[n, 1]`` for one member, ``[n_members, n]`` for several.
    """
    if n_members == 1:
        return nn.Sequential(*create_mlp(in_features, 1, net_arch, activation_fn))
    return EnsembleMLP(n_members, in_features, net_arch, activation_fn)


def orthogonal_init(module: nn.Module) -> None:
    """
    Initialize a module's own weights orthogonally with gain sqrt(2), and its biases with zeros.

    :param module: Any module; only layers with weights are changed.
    """
    if isinstance(module, EnsembleMLP):
        for weight, bias in zip(module.weights, module.biases, strict=True):
            for of_member in weight.data:
                nn.init.orthogonal_(of_member, gain=2**0.5)
            nn.init.zeros_(bias)
    if isinstance(module, nn.Linear | nn.Conv2d):
        nn.init.orthogonal_(module.weight, gain=2**0.5)
        if module.bias is not None:
            nn.init.zeros_(module.bias)


def _uniform(shape: tuple[int, int, int], fan_in: int) -> nn.Parameter:
    bound = 1 / math.sqrt(max(1, fan_in))
    return nn.Parameter(torch.empty(shape).uniform_(-bound, bound))
