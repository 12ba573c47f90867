"""The internal social reward: a network that says what the caregiver would have said."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, get_args

import gymnasium as gym
import numpy as np
import torch
from gymnasium import spaces
from stable_baselines3.common import torch_layers
from stable_baselines3.common.preprocessing import preprocess_obs
from stable_baselines3.common.utils import get_device
from torch import nn

from sb3_isr.common.spaces import Array, Observations, check_batch, check_spaces, least_element
from sb3_isr.isr import file_format as saving
from sb3_isr.isr.ensemble import EnsembleMLP
from sb3_isr.isr.extractors import AnySpaceExtractor, GridCNN, grid_is_channels_last
from sb3_isr.isr.file_format import Header, ISRFileError

#: MiniGrid's object code of an agent, in a grid's first channel.
AGENT = 10

#: To what ``R_i`` can be limited.
Limit = Literal["no", "range", "values"]

#: The paper's ISR, as `isr_kwargs`: two convolutions over the raw codes, the action's number in a plane of its own.
PAPER_ISR: dict[str, Any] = {
    "features_extractor_class": GridCNN,
    "features_extractor_kwargs": {"channels": (16, 32)},
    "normalize_images": False,
    "net_arch": (32, 32),
    "ortho_init": True,
    "action_encoding": "plane",
    "limit_to_labels": "no",
    "learning_rate": 3e-4,
    "optimizer_kwargs": {"eps": 1e-5},
}


@contextmanager
def private_randomness(seed: int, device: torch.device) -> Iterator[None]:
    """
    Seed torch's global generators for a while, and put them back: what the plugin draws must not move the learner's.

    :param seed: The seed inside.
    :param device: Where tensors are drawn, besides the CPU.
    """
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(seed)
        yield


class InternalSocialReward(nn.Module):
    """
    ``R_i(observation, action)``, regressed on a caregiver's labels.

    The observation goes through a features extractor, the action is encoded beside it (one-hot, or scaled to
    [-1, 1] where it is a bounded Box), and a small MLP makes one number of both. Arguments have the names and
    meanings that Stable-Baselines3's policies give them.

    With few labels, let it know what it does not know: several MLPs on the same features start from different weights
    and agree where labels have taught them, and ``R_i = mean - pessimism * std`` over them is small where they do not
    (the lower confidence bound of ensembles, as in Lakshminarayanan et al. 2017).

    :param observation_space: Box, Discrete, MultiDiscrete, MultiBinary, or a Dict of these.
    :param action_space: Box, Discrete, MultiDiscrete or MultiBinary.
    :param features_extractor_class: Default: :class:`~sb3_isr.extractors.AnySpaceExtractor`. The observation comes to
        it as Stable-Baselines3 preprocesses it (one-hot, and see ``normalize_images``), but in the axis order of its
        space: images are not transposed.
    :param features_extractor_kwargs: Its keyword arguments.
    :param net_arch: Widths of the MLP's hidden layers.
    :param activation_fn: Activation between them.
    :param ortho_init: Orthogonal initial weights with gain sqrt(2) and zero biases, as the paper has them, instead of
        torch's own. Then the ISR starts as a loud random function, of which rarely seen inputs keep much: on the coin
        game torch's initial weights led to a hundredth of the held-out error after the same training.
    :param normalize_images: Divide uint8 observations with bounds 0 and 255 by 255. Say False for grids of codes.
    :param action_encoding: "one_hot", or the paper's "plane": one more channel that holds the action's number at the
        agent's cell. That is only for MiniGrid's grids with Discrete actions.
    :param n_members: How many MLPs; they share the features extractor.
    :param pessimism: How many standard deviations over the members are taken off their mean.
    :param limit_to_labels: ``R_i`` is nothing that the caregiver would not say: "range" clips it to the range of the
        labels that it was trained on; "values" besides takes the nearest of these, where they had few different values
        (praise or none, say), which must not be drawn by lot; "no" takes the network's word.
    :param sparsity: While training, this times the sum of the absolute weights of the MLP's first layer is added to
        the squared error, which is taken relative to the labels' range, squared. A caregiver praises for few of the
        things that can be seen: with few labels this finds which (the lasso, Tibshirani 1996). Try 0.006.
    :param contrast: The first member takes praise (a label above 0) to be for the action: it would have been worth
        nothing, had another action been taken. A learner that knows its task shows the caregiver nothing else, so that
        no label says whether the action matters; the other members may take it not to. Then they disagree.
    :param learning_rate: The optimizer's.
    :param optimizer_class: Any of ``torch.optim``.
    :param optimizer_kwargs: Its further keyword arguments.
    :param seed: Seeds the initial weights; the global generators stay as they were.
    :param device: As Stable-Baselines3's.
    :raises ValueError: If a space is of another kind, ``action_encoding`` does not suit them, or a number is out of
        range.
    """

    #: Smallest and greatest label that it was trained on, in units of the social reward; None if that is not known.
    #: Whoever trains it sets it; it is saved and loaded with the weights.
    label_range: tuple[float, float] | None = None
    #: The different labels that it was trained on, ascending; None if they were many, or that is not known.
    label_values: tuple[float, ...] | None = None
    #: The least action, and how far it is to the greatest, float ``[n]``; None if actions are no bounded Box.
    action_low: torch.Tensor | None
    action_span: torch.Tensor | None

    def __init__(
        self,
        observation_space: gym.Space[Any],
        action_space: gym.Space[Any],
        features_extractor_class: type[torch_layers.BaseFeaturesExtractor] | None = None,
        features_extractor_kwargs: dict[str, Any] | None = None,
        net_arch: tuple[int, ...] | list[int] = (64, 64),
        activation_fn: type[nn.Module] = nn.ReLU,
        ortho_init: bool = False,
        normalize_images: bool = True,
        action_encoding: Literal["one_hot", "plane"] = "one_hot",
        n_members: int = 1,
        pessimism: float = 0.0,
        limit_to_labels: Limit = "range",
        sparsity: float = 0.0,
        contrast: bool = False,
        learning_rate: float = 1e-3,
        optimizer_class: type[torch.optim.Optimizer] = torch.optim.Adam,
        optimizer_kwargs: dict[str, Any] | None = None,
        seed: int = 0,
        device: torch.device | str = "auto",
    ) -> None:
        super().__init__()
        check_spaces(observation_space, action_space)
        if n_members < 1:
            raise ValueError(f"n_members must be at least 1, got {n_members!r}.")
        if not 0.0 <= pessimism < math.inf or (pessimism and n_members == 1):
            raise ValueError(
                "pessimism must be a number of standard deviations over members, 0 or more, and 0 where there is one "
                f"member, got {pessimism!r} with n_members={n_members}; take n_members=5."
            )
        if limit_to_labels not in get_args(Limit):
            raise ValueError(f"limit_to_labels must be one of {', '.join(get_args(Limit))}, got {limit_to_labels!r}.")
        if not 0.0 <= sparsity < math.inf:
            raise ValueError(f"sparsity must be 0 or more, got {sparsity!r}.")
        features_extractor_class = features_extractor_class or AnySpaceExtractor
        self.observation_space = observation_space
        self.action_space = action_space
        self.normalize_images = normalize_images
        self.action_encoding = action_encoding
        self.n_members = n_members
        self.pessimism = float(pessimism)
        self.limit_to_labels = limit_to_labels
        self.sparsity = float(sparsity)
        self.contrast = contrast
        self.activation_fn = activation_fn
        self._architecture = {
            "features_extractor_class": features_extractor_class,
            "features_extractor_kwargs": features_extractor_kwargs or {},
            "net_arch": list(net_arch),
            "activation_fn": activation_fn,
            "ortho_init": ortho_init,
            "normalize_images": normalize_images,
            "action_encoding": action_encoding,
            "n_members": n_members,
            "pessimism": self.pessimism,
            "limit_to_labels": limit_to_labels,
            "sparsity": self.sparsity,
            "contrast": contrast,
            "learning_rate": float(learning_rate),
            "optimizer_class": optimizer_class,
            "optimizer_kwargs": optimizer_kwargs or {},
        }
        device = get_device(device)
        with private_randomness(seed, device):
            self.features_extractor = features_extractor_class(
                self._extractor_space(), **(features_extractor_kwargs or {})
            )
            n_features = self.features_extractor.features_dim + self._action_dim()
            if n_members == 1:
                self.net: nn.Module = nn.Sequential(
                    *torch_layers.create_mlp(n_features, 1, list(net_arch), activation_fn)
                )
            else:
                self.net = EnsembleMLP(n_members, n_features, list(net_arch), activation_fn)
            if ortho_init:
                self.apply(_orthogonal_init)
        low, span = _low_and_span(action_space)
        self.register_buffer("action_low", low, persistent=False)
        self.register_buffer("action_span", span, persistent=False)
        self.to(device)
        self.optimizer = optimizer_class(
            self.parameters(),
            lr=learning_rate,
            **(optimizer_kwargs or {}),  # type: ignore[call-arg]
        )
        self.eval()

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        # Not next(self.parameters()).device, which takes 4 µs, several times a call.
        return self.optimizer.param_groups[0]["params"][0].device  # type: ignore[no-any-return]

    def members(self, observations: Any, actions: torch.Tensor) -> torch.Tensor:
        """
        What each member says by itself, with a gradient.

        :param observations: Tensor ``[n, *shape]``, or a dictionary of such tensors.
        :param actions: Tensor ``[n, *shape]``.
        :return: float ``[n_members, n]``.
        """
        preprocessed = preprocess_obs(observations, self.observation_space, self.normalize_images)
        if self.action_encoding == "plane":
            assert isinstance(preprocessed, torch.Tensor)
            features = self.features_extractor(self._with_action_plane(preprocessed, actions))
        else:
            features = torch.cat([self.features_extractor(preprocessed), self._encode(actions)], dim=1)
        said: torch.Tensor = self.net(features)
        return said.T if self.n_members == 1 else said

    def forward(self, observations: Any, actions: torch.Tensor) -> torch.Tensor:
        """
        For gradients; see :meth:`predict` for NumPy arrays.

        :param observations: Tensor ``[n, *shape]``, or a dictionary of such tensors.
        :param actions: Tensor ``[n, *shape]``.
        :return: ``R_i``, float ``[n]``, not limited to the labels.
        """
        said = self.members(observations, actions)
        if self.n_members == 1:
            return said[0]
        if not self.pessimism:
            return said.mean(dim=0)
        std, mean = torch.std_mean(said, dim=0, correction=0)
        return torch.sub(mean, std, alpha=self.pessimism)

    def penalty(self) -> torch.Tensor:
        """
        :return: What sparsity adds to the squared error summed over members, a float with a gradient.
        """
        low, high = self.label_range or (0.0, 0.0)
        return self.sparsity * (high - low) ** 2 * next(self.net.parameters()).abs().sum()

    @torch.no_grad()
    def predict(self, observations: Observations, actions: Array) -> Array:
        """
        ``R_i`` of a batch in one call, without gradients.

        :param observations: Array ``[n, *shape]``, or a dictionary of such arrays.
        :param actions: Array ``[n, *shape]``, as the environment is told them (not scaled).
        :return: float32 ``[n]``, in units of the social reward.
        :raises ValueError: If a shape does not fit the spaces or a number is not finite.
        """
        internal_reward: Array = self(*self._checked_tensors(observations, actions)).cpu().numpy()
        return self.limited(internal_reward)

    @torch.no_grad()
    def predict_members(self, observations: Observations, actions: Array) -> Array:
        """
        What each member says of a batch, in one call. Where they differ, no label has taught them.

        :param observations: Array ``[n, *shape]``, or a dictionary of such arrays.
        :param actions: Array ``[n, *shape]``, as the environment is told them (not scaled).
        :return: float32 ``[n_members, n]``, in units of the social reward, not limited to the labels.
        :raises ValueError: If a shape does not fit the spaces or a number is not finite.
        """
        said: Array = self.members(*self._checked_tensors(observations, actions)).cpu().numpy()
        return said

    def limited(self, rewards: Array) -> Array:
        """
        :param rewards: Any rewards, float32 ``[...]``.
        :return: The same, limited to the labels if the ISR is.
        """
        if self.label_range is None or self.limit_to_labels == "no":
            return rewards
        return self.nearest_labels(rewards) if self.limit_to_labels == "values" else np.clip(rewards, *self.label_range)

    def nearest_labels(self, rewards: Array) -> Array:
        """
        :param rewards: Any rewards, float32 ``[...]``.
        :return: The nearest that the caregiver would say: of the different labels, if they were few, else of their
            range. The rewards themselves if it was not trained.
        """
        if self.label_values is not None:
            values = np.asarray(self.label_values, np.float32)
            halfway = (values[:-1] + values[1:]) / 2
            return np.asarray(values[np.searchsorted(halfway, rewards)])  # half way, the lower one
        return rewards if self.label_range is None else np.clip(rewards, *self.label_range)

    def tensor(self, array: Any) -> torch.Tensor:
        """
        :param array: Array of any shape.
        :return: The same as a tensor beside the weights.
        """
        return torch.as_tensor(np.asarray(array, order="C"), device=self.device)

    def tensors(self, observations: Observations, actions: Array) -> tuple[Any, torch.Tensor]:
        """
        :param observations: Array ``[n, *shape]``, or a dictionary of such arrays.
        :param actions: Array ``[n, *shape]``.
        :return: What :meth:`forward` takes.
        """
        if isinstance(observations, dict):
            return {key: self.tensor(value) for key, value in observations.items()}, self.tensor(actions)
        return self.tensor(observations), self.tensor(actions)

    def _checked_tensors(self, observations: Observations, actions: Array) -> tuple[Any, torch.Tensor]:
        n = check_batch("observations", observations, self.observation_space)
        check_batch("actions", actions, self.action_space, n)
        return self.tensors(observations, actions)

    def check_spaces(self, observation_space: gym.Space[Any], action_space: gym.Space[Any]) -> None:
        """
        :param observation_space: An environment's.
        :param action_space: An environment's.
        :raises ValueError: If they are not the ISR's own.
        """
        if (observation_space, action_space) != (self.observation_space, self.action_space):
            raise ValueError(
                f"An ISR rewards only in environments of the spaces it was made for, {self.observation_space} and "
                f"{self.action_space}, got {observation_space} and {action_space}; wrap the environment so that "
                "they are the same, or train another ISR."
            )

    def save(self, path: str | os.PathLike[str]) -> None:
        """
        Write weights, spaces, architecture and label range to one safetensors file, whole or not at all.

        :param path: The file; one that is there is replaced only once the new one is complete.
        :raises ValueError: If ``label_range`` is no range, or keyword arguments cannot be written as JSON.
        """
        if self.label_range is not None:
            low, high = self.label_range
            if not -math.inf < low <= high < math.inf:
                raise ValueError(f"label_range must be two finite numbers, the smaller first, got {self.label_range}.")
        header = Header(
            self.observation_space, self.action_space, self._architecture, self.label_range, self.label_values
        )
        saving.write(Path(path), header, self.state_dict())

    @classmethod
    def load(
        cls,
        path: str | os.PathLike[str],
        features_extractor_class: type[torch_layers.BaseFeaturesExtractor] | None = None,
        device: torch.device | str = "auto",
        activation_fn: type[nn.Module] | None = None,
        optimizer_class: type[torch.optim.Optimizer] | None = None,
    ) -> InternalSocialReward:
        """
        Read what :meth:`save` wrote, on this machine or another, from this device or another. Nothing in the file is
        run, so that it may come from a stranger.

        :param path: The file.
        :param features_extractor_class: The class, if the ISR was built with one that is neither sb3-isr's nor
            Stable-Baselines3's. It gets its keyword arguments from the file, and is built on the device "meta" first.
        :param device: As Stable-Baselines3's.
        :param activation_fn: The class, if it is not one of ``torch.nn``.
        :param optimizer_class: The class, if it is not one of ``torch.optim``.
        :return: The model, with a fresh optimizer.
        :raises ISRFileError: A ValueError, if the file is not an ISR, is damaged, was made by a later sb3-isr, or names
            a class that is not known here.
        :raises OSError: If the file is not there, or may not be read.
        """
        classes: dict[str, type[Any] | None] = {
            "features_extractor_class": features_extractor_class,
            "activation_fn": activation_fn,
            "optimizer_class": optimizer_class,
        }
        device = get_device(device)
        torch.empty(0, device=device)  # a device that is not there is no fault of the file
        try:
            return cls._from_file(*saving.read(path, classes), device)
        except ISRFileError as error:
            raise ISRFileError(f"{os.fspath(path)!r} cannot be loaded as an ISR: {error}.") from error

    @classmethod
    def _from_file(cls, header: Header, weights: dict[str, torch.Tensor], device: torch.device) -> InternalSocialReward:
        own_spaces = (header.observation_space, header.action_space)
        plain = {"optimizer_class": torch.optim.SGD, "optimizer_kwargs": {}, "ortho_init": False, "device": "meta"}
        # A file names arguments of networks and optimizers, whose own code may raise anything at them.
        try:
            # First without memory: whoever wrote the header need not have had the weights that it describes.
            with torch.device("meta"):
                blueprint = cls(*own_spaces, **{**header.architecture, **plain})
            saving.check_weights(weights, blueprint.state_dict())
            isr = cls(*own_spaces, **header.architecture, device=device)
            isr.load_state_dict(weights)
            observation, action = map(least_element, own_spaces)
            reward = isr.predict(observation, np.asarray(action))
        except ISRFileError:
            raise
        except Exception as error:
            raise saving.unfit(f"its header describes no ISR ({type(error).__name__}: {error!s:.200})") from error
        if reward.shape != (1,) or not np.isfinite(reward).all():
            raise saving.unfit(f"it rewards a transition with {reward}, not with a finite number")
        isr.label_range = header.label_range
        isr.label_values = header.label_values
        return isr

    def _extractor_space(self) -> gym.Space[Any]:
        space = self.observation_space
        if self.action_encoding == "one_hot":
            return space
        if self.action_encoding != "plane":
            raise ValueError(f'action_encoding must be "one_hot" or "plane", got {self.action_encoding!r}.')
        is_grid = isinstance(space, spaces.Box) and len(space.shape) == 3 and grid_is_channels_last(space)
        if not is_grid or not isinstance(self.action_space, spaces.Discrete):
            raise ValueError(
                'action_encoding="plane" needs a grid [width, height, channels] and Discrete actions, '
                f'got {space} and {self.action_space}; use "one_hot".'
            )
        assert isinstance(space, spaces.Box)
        width, height, n_channels = space.shape
        return spaces.Box(0, 255, (width, height, n_channels + 1), np.uint8)

    def _action_dim(self) -> int:
        if self.action_encoding == "plane":
            return 0
        if isinstance(self.action_space, spaces.MultiBinary | spaces.Box):
            return int(np.prod(self.action_space.shape))
        return spaces.flatdim(self.action_space)

    def _with_action_plane(self, observations: torch.Tensor, actions: torch.Tensor) -> torch.Tensor:
        assert isinstance(self.action_space, spaces.Discrete)
        agent = (observations[..., 0] == AGENT).float()
        plane = agent * (actions - int(self.action_space.start)).view(-1, 1, 1)
        return torch.cat([observations, plane.unsqueeze(-1)], dim=-1)

    def _encode(self, actions: torch.Tensor) -> torch.Tensor:
        space = self.action_space
        if isinstance(space, spaces.Box):
            flat = actions.float().flatten(1)
            if self.action_low is None or self.action_span is None:
                return flat
            return 2 * (flat - self.action_low) / self.action_span - 1
        if isinstance(space, spaces.Discrete):
            # As torch's one_hot, which first looks for the least and the greatest number.
            index = (actions.long() - int(space.start)).view(-1, 1)
            return torch.zeros(len(index), int(space.n), device=index.device).scatter_(1, index, 1.0)
        # Stable-Baselines3 counts from 0.
        encoded = preprocess_obs(actions.long() - self.tensor(getattr(space, "start", 0)), space)
        assert isinstance(encoded, torch.Tensor)
        return encoded.flatten(1)


def _low_and_span(space: gym.Space[Any]) -> tuple[torch.Tensor | None, torch.Tensor | None]:
    if not isinstance(space, spaces.Box) or not space.is_bounded():
        return None, None
    low, high = (torch.tensor(bound, dtype=torch.float32).flatten() for bound in (space.low, space.high))
    # A component that cannot change is -1, not 0 / 0.
    return low, (high - low).clamp(min=torch.finfo(torch.float32).tiny)


def _orthogonal_init(module: nn.Module) -> None:
    if isinstance(module, EnsembleMLP):
        for weight, bias in zip(module.weights, module.biases, strict=True):
            for of_member in weight.data:
                nn.init.orthogonal_(of_member, gain=2**0.5)
            nn.init.zeros_(bias)
    if isinstance(module, nn.Linear | nn.Conv2d):
        nn.init.orthogonal_(module.weight, gain=2**0.5)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
