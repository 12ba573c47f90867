"""The ISR's network: from transitions, as tensors, to predictions of labels, with gradients."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
import torch
from stable_baselines3.common.preprocessing import preprocess_obs
from stable_baselines3.common.utils import get_device
from torch import nn

from sb3_isr.common.batches import Array, Observations
from sb3_isr.common.randomness import private_torch_generator
from sb3_isr.isr.action_encoders import ActionEncoder
from sb3_isr.isr.box_encoders import Remainders
from sb3_isr.isr.mlps import make_network, orthogonal_init
from sb3_isr.isr.scales import Scales


class TransitionNetwork(nn.Module):
    """
    Features of both observations, the encoded action and the ending, and MLPs that turn them into predictions.

    :param observation_space: Space of the observations.
    :param action_space: Space of the actions.
    :param architecture: The arguments of :class:`~sb3_isr.InternalSocialReward` that describe the network.
    :param seed: Seeds the initial weights; the global generators are left as they were.
    :param device: As in Stable-Baselines3.
    """

    def __init__(
        self,
        observation_space: gym.Space[Any],
        action_space: gym.Space[Any],
        architecture: dict[str, Any],
        seed: int,
        device: torch.device | str,
    ) -> None:
        super().__init__()
        self.observation_space = observation_space
        self.action_space = action_space
        self.normalize_images: bool = architecture["normalize_images"]
        self.use_next_observation: bool = architecture["use_next_observation"]
        self.use_terminated: bool = architecture["use_terminated"]
        self.n_members: int = architecture["n_members"]
        self.pessimism: float = architecture["pessimism"]
        device = get_device(device)
        features_extractor_class = architecture["features_extractor_class"]
        encodes_action = getattr(features_extractor_class, "encodes_action", False)
        spaces = (observation_space, action_space) if encodes_action else (observation_space,)
        with private_torch_generator(seed, device):
            self.features_extractor = features_extractor_class(*spaces, **architecture["features_extractor_kwargs"])
            self.action_encoder = None if encodes_action else ActionEncoder(action_space, architecture["encoding"])
            remainders = Remainders(observation_space)
            self.remainders = remainders if remainders.dim and architecture["encoding"] > 1 else None
            is_fixed = self._fixed_inputs()
            self.scales = Scales(is_fixed) if architecture["standardize"] else None
            layers = architecture["net_arch"], architecture["activation_fn"]
            self.net = make_network(self.n_members, len(is_fixed), *layers)
            if architecture["ortho_init"]:
                self.apply(orthogonal_init)
        self.to(device)
        # In a list, so that it is not registered once more. next(self.parameters()) takes 4 µs, several times a call.
        self._any_parameter = [next(self.net.parameters())]
        self.eval()

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self._any_parameter[0].device

    def forward(
        self,
        observations: Any,
        actions: torch.Tensor,
        next_observations: Any = None,
        terminated: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """
        Compute ``R_i`` with a gradient; see :meth:`predict` for NumPy arrays.

        :param observations: Tensor ``[n, *shape]``, or a dictionary of such tensors.
        :param actions: Tensor ``[n, *shape]``.
        :param next_observations: As ``observations``; not needed with ``use_next_observation=False``.
        :param terminated: bool tensor ``[n]``; not needed with ``use_terminated=False``.
        :return: ``R_i``, float ``[n]``, not limited to the labels.
        """
        predictions = self.forward_members(observations, actions, next_observations, terminated)
        if self.n_members == 1:
            return predictions[0]
        if not self.pessimism:
            return predictions.mean(dim=0)
        std, mean = torch.std_mean(predictions, dim=0, correction=0)
        return torch.sub(mean, std, alpha=self.pessimism)

    def forward_members(
        self,
        observations: Any,
        actions: torch.Tensor,
        next_observations: Any = None,
        terminated: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """
        Compute the prediction of each member, with a gradient.

        :param observations: As in :meth:`forward`, and so are the other parameters.
        :param actions: Tensor ``[n, *shape]``.
        :param next_observations: As ``observations``.
        :param terminated: bool tensor ``[n]``.
        :return: float ``[n_members, n]``.
        """
        inputs = self.inputs(observations, actions, next_observations, terminated)
        if self.scales is None:
            outputs: torch.Tensor = self.net(inputs)
        else:
            outputs = self.scales.to_labels(self.net(self.scales(inputs)))
        return outputs.T if self.n_members == 1 else outputs

    def inputs(
        self, observations: Any, actions: torch.Tensor, next_observations: Any, terminated: torch.Tensor | None
    ) -> torch.Tensor:
        """
        Compute what the MLPs are given, before it is standardized.

        :param observations: As in :meth:`forward`, and so are the other parameters.
        :param actions: Tensor ``[n, *shape]``.
        :param next_observations: As ``observations``.
        :param terminated: bool tensor ``[n]``.
        :return: float ``[n, n_inputs]``: the features, the action, what of the features has changed, and the ending.
        """
        n = len(actions)
        if self.use_next_observation:
            # One call for both: most of its time does not depend on the size of small batches.
            observations = _cat(observations, next_observations)
        features = self._features(observations, torch.cat([actions, actions]) if self.use_next_observation else actions)
        parts = [features[:n]]
        if self.action_encoder is not None:
            parts.append(self.action_encoder(actions))
        if self.use_next_observation:
            parts.append(features[n:] - features[:n])
        if self.use_terminated:
            assert terminated is not None
            parts.append(terminated.to(features.dtype).unsqueeze(1))
        return torch.cat(parts, dim=1)

    def _fixed_inputs(self) -> torch.Tensor:
        """Which of the MLPs' inputs do not depend on weights, bool ``[n_inputs]``."""
        extractor = self.features_extractor
        has_weights = any(True for _ in extractor.parameters())
        # An extractor of several parts may say it of each feature.
        default = [not has_weights] * extractor.features_dim
        features = [*getattr(extractor, "is_fixed", default)]
        features += [True] * (self.remainders.dim if self.remainders is not None else 0)
        action = [True] * (self.action_encoder.dim if self.action_encoder is not None else 0)
        change = features if self.use_next_observation else []
        return torch.tensor([*features, *action, *change, *[True] * self.use_terminated], device="cpu")

    def _features(self, observations: Any, actions: torch.Tensor) -> torch.Tensor:
        preprocessed = preprocess_obs(observations, self.observation_space, self.normalize_images)
        inputs = (preprocessed,) if self.action_encoder is not None else (preprocessed, actions)
        features: torch.Tensor = self.features_extractor(*inputs)
        return features if self.remainders is None else torch.cat([features, self.remainders(observations)], dim=1)

    def tensor(self, array: Any) -> torch.Tensor:
        """
        Convert an array to a tensor on the ISR's device.

        :param array: Array of any shape.
        :return: A tensor that may share its memory.
        """
        return torch.as_tensor(np.asarray(array, order="C"), device=self.device)

    def tensors(
        self,
        observations: Observations,
        actions: Array,
        next_observations: Observations | None = None,
        terminated: Array | None = None,
    ) -> tuple[Any, torch.Tensor, Any, torch.Tensor | None]:
        """
        Convert a batch to what :meth:`forward` takes.

        :param observations: Array ``[n, *shape]``, or a dictionary of such arrays.
        :param actions: Array ``[n, *shape]``.
        :param next_observations: As ``observations``; None if it is not needed.
        :param terminated: bool ``[n]``; None if it is not needed.
        :return: The same as tensors.
        """
        return (
            self._tensors(observations),
            self.tensor(actions),
            self._tensors(next_observations) if self.use_next_observation else None,
            self.tensor(terminated) if self.use_terminated else None,
        )

    def _tensors(self, observations: Any) -> Any:
        if isinstance(observations, dict):
            return {key: self.tensor(value) for key, value in observations.items()}
        return self.tensor(observations)


def _cat(observations: Any, next_observations: Any) -> Any:
    if isinstance(observations, dict):
        return {key: torch.cat([value, next_observations[key]]) for key, value in observations.items()}
    return torch.cat([observations, next_observations])
