"""The internal social reward: a network that predicts the caregiver's labels."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Literal, get_args

import gymnasium as gym
import numpy as np
import torch
from stable_baselines3.common.torch_layers import BaseFeaturesExtractor
from stable_baselines3.common.utils import get_device
from torch import nn

from sb3_isr.common.arguments import MAX_SEED, flag, number, plain, whole_number, whole_numbers
from sb3_isr.common.batches import Array, Observations, check_batch
from sb3_isr.common.spaces import check_spaces
from sb3_isr.isr import file_format
from sb3_isr.isr.extractors import AnySpaceExtractor
from sb3_isr.isr.file_header import Header, warn_if_unsaveable
from sb3_isr.isr.transition_network import TransitionNetwork
from sb3_isr.labels.label_range import LabelRange, LabelRanges

#: To what ``R_i`` can be limited.
Limit = Literal["no", "range", "values"]


class InternalSocialReward(TransitionNetwork):
    """
    The internal social reward ``R_i`` of a transition, regressed on a caregiver's labels.

    Both observations go through a features extractor, the action is encoded beside them, and a small MLP turns the
    features, how they changed, the action and the ending into one number. Arguments have the names and meanings that
    they have in Stable-Baselines3's policies.

    With few labels, use several members: MLPs on the same features, which start from different weights and agree where
    labels have taught them. ``R_i = mean - pessimism * std`` over the members is small where they disagree (the lower
    confidence bound of an ensemble, Lakshminarayanan et al. 2017).

    :param observation_space: Box, Discrete, MultiDiscrete, MultiBinary, or a Dict of these.
    :param action_space: Box, Discrete, MultiDiscrete or MultiBinary.
    :param features_extractor_class: Default: :class:`~sb3_isr.AnySpaceExtractor`. It receives the observation as
        Stable-Baselines3 preprocesses it (one-hot, and see ``normalize_images``), but in the axis order of its space:
        images are not transposed. A class with the attribute ``encodes_action = True`` also gets the action: the
        action space as its second argument, and the actions as ``forward``'s.
    :param features_extractor_kwargs: Keyword arguments of the features extractor.
    :param net_arch: Widths of the MLP's hidden layers.
    :param activation_fn: Activation between the layers.
    :param ortho_init: Whether to use orthogonal initial weights with gain sqrt(2) and zero biases, as the paper does,
        instead of torch's own. On the coin game torch's own led to a hundredth of the held-out error after the same
        training: orthogonal weights start as a large random function, of which rarely seen inputs keep much.
    :param normalize_images: Whether to divide uint8 observations with bounds 0 and 255 by 255. Use False for grids of
        codes.
    :param use_next_observation: Whether ``R_i`` depends on the next observation. With False it cannot know what an
        action led to.
    :param use_terminated: Whether ``R_i`` depends on whether the episode terminated.
    :param standardize: Whether to standardize what the MLPs are given and what they predict by the labels that they are
        trained on. One-hot encodings and the features of trainable extractors are left as they are.
    :param n_members: Number of MLPs; they share the features extractor.
    :param pessimism: Number of standard deviations over the members that is subtracted from their mean.
    :param limit_to_labels: Limits ``R_i`` to what the caregiver has given, for steps that terminate an episode and for
        the others: "values" replaces it by the nearest label, if there were few (praise or none, say) and held-out
        labels show that the ISR tells them apart, and otherwise clips it to the range of the labels; "range" always
        clips it; "no" leaves the network's output as it is.
    :param seed: Seeds the initial weights; the global generators are left as they were.
    :param device: As in Stable-Baselines3.
    :param encoding: 1 for sb3-isr 0.1's encoding of numbers, which is blind to actions where their bounds are wide.
    :raises ValueError: If a space is of another kind or a number is out of range.
    """

    #: Ranges of the labels that the ISR was trained on; None if they are not known. Set by whoever trains it.
    label_ranges: LabelRanges | None = None

    def __init__(
        self,
        observation_space: gym.Space[Any],
        action_space: gym.Space[Any],
        features_extractor_class: type[BaseFeaturesExtractor] | None = None,
        features_extractor_kwargs: dict[str, Any] | None = None,
        net_arch: tuple[int, ...] | list[int] = (64, 64),
        activation_fn: type[nn.Module] = nn.ReLU,
        ortho_init: bool = False,
        normalize_images: bool = True,
        use_next_observation: bool = True,
        use_terminated: bool = True,
        standardize: bool = True,
        n_members: int = 1,
        pessimism: float = 0.0,
        limit_to_labels: Limit = "values",
        seed: int = 0,
        device: torch.device | str = "auto",
        encoding: Literal[1, 2] = 2,
    ) -> None:
        check_spaces(observation_space, action_space)
        architecture = {
            "features_extractor_class": features_extractor_class or AnySpaceExtractor,
            "features_extractor_kwargs": plain(features_extractor_kwargs or {}),
            "net_arch": whole_numbers("net_arch", net_arch),
            "activation_fn": activation_fn,
            "ortho_init": flag("ortho_init", ortho_init),
            "normalize_images": flag("normalize_images", normalize_images),
            "use_next_observation": flag("use_next_observation", use_next_observation),
            "use_terminated": flag("use_terminated", use_terminated),
            "standardize": flag("standardize", standardize),
            "n_members": whole_number("n_members", n_members),
            "pessimism": number("pessimism", pessimism, "[0, inf)"),
            "limit_to_labels": limit_to_labels,
            "encoding": whole_number("encoding", encoding, 1, 2),
        }
        _check(architecture)
        warn_if_unsaveable(architecture)
        seed = whole_number("seed", seed, 0, MAX_SEED)
        super().__init__(observation_space, action_space, architecture, seed, device)
        self.limit_to_labels: Limit = limit_to_labels
        #: Everything that a file must hold to build the ISR again, besides the spaces.
        self.architecture = architecture

    @property
    def label_range(self) -> LabelRange | None:
        """Range of all labels that the ISR was trained on; None if it is not known."""
        return None if self.label_ranges is None else self.label_ranges.overall

    @torch.no_grad()
    def predict(
        self,
        observations: Observations,
        actions: Array,
        next_observations: Observations | None = None,
        terminated: Array | None = None,
    ) -> Array:
        """
        Compute ``R_i`` of a batch of transitions in one call, without a gradient.

        :param observations: Array ``[n, *shape]``, or a dictionary of such arrays: what the learner saw.
        :param actions: Array ``[n, *shape]``: what it then did, as the environment is told it (not scaled).
        :param next_observations: As ``observations``: what it saw then; at an episode's end the last observation. Not
            needed with ``use_next_observation=False``.
        :param terminated: bool ``[n]``: whether the episode terminated; if it was truncated it did not. Not needed with
            ``use_terminated=False``.
        :return: float32 ``[n]``, in units of the social reward.
        :raises ValueError: If a part is missing, a shape does not fit the spaces, or a number is not finite or not in
            its space.
        """
        tensors = self._checked_tensors(observations, actions, next_observations, terminated)
        internal_rewards: Array = self(*tensors).cpu().numpy()
        if not np.isfinite(internal_rewards).all():
            raise ValueError(
                "R_i must be finite, got NaN or infinity, since the network or its weights overflow; scale "
                "observations down in a wrapper, or train with a lower learning_rate."
            )
        return self.limit(internal_rewards, terminated)

    @torch.no_grad()
    def predict_members(
        self,
        observations: Observations,
        actions: Array,
        next_observations: Observations | None = None,
        terminated: Array | None = None,
    ) -> Array:
        """
        Compute the prediction of each member for a batch. Where they differ, no label has taught them.

        :param observations: As in :meth:`predict`, and so are the other parameters.
        :param actions: Array ``[n, *shape]``.
        :param next_observations: As ``observations``.
        :param terminated: bool ``[n]``.
        :return: float32 ``[n_members, n]``, in units of the social reward, not limited to the labels.
        :raises ValueError: As :meth:`predict` does.
        """
        tensors = self._checked_tensors(observations, actions, next_observations, terminated)
        predictions: Array = self.forward_members(*tensors).cpu().numpy()
        return predictions

    def limit(self, rewards: Array, terminated: Array | None = None) -> Array:
        """
        Limit rewards to the labels as ``limit_to_labels`` says.

        :param rewards: float32 ``[..., n]``.
        :param terminated: Whether the transitions terminated an episode, bool ``[n]``; not needed with
            ``use_terminated=False``.
        :return: float32 ``[..., n]``.
        """
        if self.label_ranges is None or self.limit_to_labels == "no":
            return rewards
        if terminated is None:
            terminated = np.zeros(rewards.shape[-1:], bool)
        return self.label_ranges.limit(rewards, terminated, self.limit_to_labels == "values")

    def _checked_tensors(
        self,
        observations: Observations,
        actions: Array,
        next_observations: Observations | None,
        terminated: Array | None,
    ) -> tuple[Any, torch.Tensor, Any, torch.Tensor | None]:
        n = check_batch("observations", observations, self.observation_space)
        check_batch("actions", actions, self.action_space, n)
        if self.use_next_observation:
            if next_observations is None:
                raise ValueError(_missing("next_observations", "use_next_observation"))
            check_batch("next_observations", next_observations, self.observation_space, n)
        if self.use_terminated:
            if terminated is None:
                raise ValueError(_missing("terminated", "use_terminated"))
            if np.shape(terminated) != (n,):
                raise ValueError(f"terminated must have the shape [{n}], got {list(np.shape(terminated))}.")
        return self.tensors(observations, actions, next_observations, terminated)

    def check_spaces(self, observation_space: gym.Space[Any], action_space: gym.Space[Any]) -> None:
        """
        Check that the ISR was made for an environment's spaces.

        :param observation_space: The environment's.
        :param action_space: The environment's.
        :raises ValueError: If they are others.
        """
        if (observation_space, action_space) != (self.observation_space, self.action_space):
            raise ValueError(
                f"An ISR can only be used with the spaces it was made for, {self.observation_space} and "
                f"{self.action_space}, got {observation_space} and {action_space}; wrap the environment so that "
                "they are the same, or train another ISR."
            )

    def save(self, path: str | os.PathLike[str]) -> None:
        """
        Write weights, spaces, architecture and label range to one safetensors file, completely or not at all.

        :param path: The file; an existing one is replaced only once the new one is complete.
        :raises ValueError: If ``label_ranges`` are no ranges, or keyword arguments cannot be written as JSON.
        """
        label_ranges = None if self.label_ranges is None else self.label_ranges.check()
        header = Header(self.observation_space, self.action_space, self.architecture, label_ranges)
        file_format.write(Path(path), header, self.state_dict())

    @classmethod
    def load(
        cls,
        path: str | os.PathLike[str],
        features_extractor_class: type[BaseFeaturesExtractor] | None = None,
        activation_fn: type[nn.Module] | None = None,
        device: torch.device | str = "auto",
    ) -> InternalSocialReward:
        """
        Load what :meth:`save` wrote, on any machine and device.

        Nothing in the file is executed, so it may come from a stranger.

        :param path: The file.
        :param features_extractor_class: The class, if the ISR was built with one that is neither sb3-isr's nor
            Stable-Baselines3's. It gets its keyword arguments from the file, and is built on the device "meta" first.
        :param activation_fn: The class, if it is not one of ``torch.nn``.
        :param device: As in Stable-Baselines3.
        :return: The ISR.
        :raises ISRFileError: A ValueError, if the file is not an ISR, is damaged, was made by a later sb3-isr, or names
            a class that is not known here.
        :raises OSError: If the file does not exist or may not be read.
        """
        classes: dict[str, type[Any] | None] = {
            "features_extractor_class": features_extractor_class,
            "activation_fn": activation_fn,
        }
        device = get_device(device)
        torch.empty(0, device=device)  # a device that does not exist is no fault of the file
        return file_format.load(cls, path, classes, device)


def _check(architecture: dict[str, Any]) -> None:
    pessimism, limit = architecture["pessimism"], architecture["limit_to_labels"]
    if pessimism and architecture["n_members"] == 1:
        raise ValueError(f"pessimism must be 0 if there is one member, got {pessimism!r}; use n_members=5.")
    if limit not in (limits := get_args(Limit)):
        raise ValueError(f"limit_to_labels must be one of {', '.join(limits)}, got {limit!r}.")


def _missing(part: str, option: str) -> str:
    return (
        f"This ISR is given whole transitions, but {part} is missing; write predict(observations, actions, "
        f"next_observations, terminated), or make the ISR with {option}=False."
    )
