"""Scales: what an ISR's MLPs are given and what they predict, standardized by what they are trained on."""

from __future__ import annotations

import torch
from torch import nn


class Scales(nn.Module):
    """
    Standardizes inputs and labels: less their mean, over their standard deviation.

    Indicators (inputs that are -1, 0 or 1, as those of one-hot encodings and their changes) are left as they are, and
    so are features that change while they are trained.

    :param is_fixed: Which inputs do not depend on weights, bool ``[n_inputs]``.
    """

    input_mean: torch.Tensor
    input_std: torch.Tensor
    is_fixed: torch.Tensor
    label_mean: torch.Tensor
    label_std: torch.Tensor

    def __init__(self, is_fixed: torch.Tensor) -> None:
        super().__init__()
        n_inputs = len(is_fixed)
        self.register_buffer("is_fixed", is_fixed, persistent=False)
        self.register_buffer("input_mean", torch.zeros(n_inputs))
        self.register_buffer("input_std", torch.ones(n_inputs))
        self.register_buffer("label_mean", torch.zeros(()))
        self.register_buffer("label_std", torch.ones(()))

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """
        Standardize inputs.

        :param inputs: float ``[n, n_inputs]``.
        :return: float ``[n, n_inputs]``.
        """
        return (inputs - self.input_mean) / self.input_std

    def to_labels(self, outputs: torch.Tensor) -> torch.Tensor:
        """
        Turn standardized predictions into predictions of labels.

        :param outputs: float of any shape.
        :return: The same in units of the social reward.
        """
        return self.label_mean + self.label_std * outputs

    def measure(self, inputs: torch.Tensor, labels: torch.Tensor, weights: torch.Tensor) -> None:
        """
        Set the scales by a sample.

        :param inputs: float ``[n, n_inputs]``.
        :param labels: float ``[n]``.
        :param weights: How much each counts, float ``[n]``.
        """
        mean, std = _mean_and_std(inputs, weights)
        is_indicator = ((inputs == inputs.round()) & (inputs.abs() <= 1)).all(dim=0)
        is_left = is_indicator | ~self.is_fixed
        self.input_mean.copy_(torch.where(is_left, 0.0, mean))
        self.input_std.copy_(torch.where(is_left, 1.0, std))
        mean, std = _mean_and_std(labels.unsqueeze(1), weights)
        self.label_mean.copy_(mean[0])
        self.label_std.copy_(std[0])


def _mean_and_std(values: torch.Tensor, weights: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Of each column; 1 as the deviation of one that does not change, but for rounding."""
    exact = values.double()
    shares = (weights.double() / weights.double().sum()).unsqueeze(1)
    mean = (shares * exact).sum(dim=0)
    std = (shares * (exact - mean) ** 2).sum(dim=0).sqrt()
    is_constant = std <= 1e-6 * exact.abs().amax(dim=0)
    return mean.to(values.dtype), torch.where(is_constant, 1.0, std).to(values.dtype)
