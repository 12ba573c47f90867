"""The internal social reward: a network that says what the caregiver would have said."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import gymnasium as gym
import numpy as np
import safetensors
import safetensors.torch
import torch
from gymnasium import spaces
from stable_baselines3.common import torch_layers
from stable_baselines3.common.preprocessing import preprocess_obs
from stable_baselines3.common.utils import get_device
from torch import nn
from torch.nn import functional as F

from sb3_isr import extractors
from sb3_isr.extractors import GridCNN, grid_is_channels_last
from sb3_isr.spaces import Array, Observations, check_batch, space_from_json, space_to_json
from sb3_isr.version import __version__

#: MiniGrid's object code of an agent, in a grid's first channel.
AGENT = 10

#: The paper's ISR, as `isr_kwargs`: two convolutions over the raw codes, the action's number in a plane of its own.
PAPER_ISR: dict[str, Any] = {
    "features_extractor_class": GridCNN,
    "features_extractor_kwargs": {"channels": (16, 32)},
    "normalize_images": False,
    "net_arch": (32, 32),
    "ortho_init": True,
    "action_encoding": "plane",
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

    :param observation_space: Box, Discrete, MultiDiscrete, MultiBinary, or a Dict of these.
    :param action_space: Box, Discrete, MultiDiscrete or MultiBinary.
    :param features_extractor_class: Default: the CombinedExtractor for Dict spaces, else the FlattenExtractor. The
        observation comes to it in the axis order of its space: images are not transposed.
    :param features_extractor_kwargs: Its keyword arguments.
    :param net_arch: Widths of the MLP's hidden layers.
    :param activation_fn: Activation between them.
    :param ortho_init: Orthogonal initial weights with gain sqrt(2) and zero biases, as the paper has them, instead of
        torch's own. Then the ISR starts as a loud random function, of which rarely seen inputs keep much: on the coin
        game torch's initial weights led to a hundredth of the held-out error after the same training.
    :param normalize_images: Divide uint8 observations with bounds 0 and 255 by 255. Say False for grids of codes.
    :param action_encoding: "one_hot", or the paper's "plane": one more channel that holds the action's number at the
        agent's cell. That is only for MiniGrid's grids with Discrete actions.
    :param learning_rate: The optimizer's.
    :param optimizer_class: Any of ``torch.optim``.
    :param optimizer_kwargs: Its further keyword arguments.
    :param seed: Seeds the initial weights; the global generators stay as they were.
    :param device: As Stable-Baselines3's.
    """

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
        learning_rate: float = 1e-3,
        optimizer_class: type[torch.optim.Optimizer] = torch.optim.Adam,
        optimizer_kwargs: dict[str, Any] | None = None,
        seed: int = 0,
        device: torch.device | str = "auto",
    ) -> None:
        super().__init__()
        if features_extractor_class is None:
            is_dict = isinstance(observation_space, spaces.Dict)
            features_extractor_class = torch_layers.CombinedExtractor if is_dict else torch_layers.FlattenExtractor
        self.observation_space = observation_space
        self.action_space = action_space
        self.normalize_images = normalize_images
        self.action_encoding = action_encoding
        extractor_name = f"{features_extractor_class.__module__}.{features_extractor_class.__qualname__}"
        self._architecture = {
            "features_extractor_class": extractor_name,
            "features_extractor_kwargs": features_extractor_kwargs or {},
            "net_arch": list(net_arch),
            "activation_fn": activation_fn.__name__,
            "ortho_init": ortho_init,
            "normalize_images": normalize_images,
            "action_encoding": action_encoding,
            "learning_rate": learning_rate,
            "optimizer_class": optimizer_class.__name__,
            "optimizer_kwargs": optimizer_kwargs or {},
        }
        device = get_device(device)
        with private_randomness(seed, device):
            self.features_extractor = features_extractor_class(
                self._extractor_space(), **(features_extractor_kwargs or {})
            )
            n_features = self.features_extractor.features_dim + self._action_dim()
            layers = torch_layers.create_mlp(n_features, 1, list(net_arch), activation_fn)
            self.net = nn.Sequential(*layers)
            if ortho_init:
                self.apply(_orthogonal_init)
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
        return next(self.net.parameters()).device

    def forward(self, observations: Any, actions: torch.Tensor) -> torch.Tensor:
        """
        For gradients; see :meth:`predict` for NumPy arrays.

        :param observations: Tensor ``[n, *shape]``, or a dictionary of such tensors.
        :param actions: Tensor ``[n, *shape]``.
        :return: ``R_i``, float ``[n]``.
        """
        preprocessed = preprocess_obs(observations, self.observation_space, self.normalize_images)
        if self.action_encoding == "plane":
            assert isinstance(preprocessed, torch.Tensor)
            features = self.features_extractor(self._with_action_plane(preprocessed, actions))
        else:
            features = torch.cat([self.features_extractor(preprocessed), self._encode(actions)], dim=1)
        internal_reward: torch.Tensor = self.net(features).squeeze(1)
        return internal_reward

    @torch.no_grad()
    def predict(self, observations: Observations, actions: Array) -> Array:
        """
        ``R_i`` of a batch in one call, without gradients.

        :param observations: Array ``[n, *shape]``, or a dictionary of such arrays.
        :param actions: Array ``[n, *shape]``, as the environment is told them (not scaled).
        :return: float32 ``[n]``, in units of the social reward.
        :raises ValueError: If a shape does not fit the spaces or a number is not finite.
        """
        n = check_batch("observations", observations, self.observation_space)
        check_batch("actions", actions, self.action_space, n)
        internal_reward: Array = self(*self.tensors(observations, actions)).cpu().numpy()
        return internal_reward

    def tensor(self, array: Any) -> torch.Tensor:
        """
        :param array: Array of any shape.
        :return: The same as a tensor beside the weights.
        """
        return torch.as_tensor(np.asarray(array), device=self.device)

    def tensors(self, observations: Observations, actions: Array) -> tuple[Any, torch.Tensor]:
        """
        :param observations: Array ``[n, *shape]``, or a dictionary of such arrays.
        :param actions: Array ``[n, *shape]``.
        :return: What :meth:`forward` takes.
        """
        if isinstance(observations, dict):
            return {key: self.tensor(value) for key, value in observations.items()}, self.tensor(actions)
        return self.tensor(observations), self.tensor(actions)

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
        Write weights, spaces and architecture to one safetensors file, whole or not at all.

        :param path: The file; one that is there is replaced only once the new one is complete.
        """
        header = {
            "format": "sb3-isr 1",
            "sb3_isr": __version__,
            "torch": str(torch.__version__),
            "observation_space": space_to_json(self.observation_space),
            "action_space": space_to_json(self.action_space),
            "architecture": self._architecture,
        }
        path = Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_name(f"{path.name}.{os.getpid()}.partial")
        safetensors.torch.save_file(self.state_dict(), partial, {"isr": json.dumps(header)})
        os.replace(partial, path)

    @classmethod
    def load(
        cls,
        path: str | os.PathLike[str],
        features_extractor_class: type[torch_layers.BaseFeaturesExtractor] | None = None,
        device: torch.device | str = "auto",
    ) -> InternalSocialReward:
        """
        Read what :meth:`save` wrote. Nothing in the file is run, so that it may come from a stranger.

        :param path: The file.
        :param features_extractor_class: The class, if the ISR was built with one that is neither sb3-isr's nor
            Stable-Baselines3's.
        :param device: As Stable-Baselines3's.
        :return: The model.
        :raises ValueError: If the file is not an ISR, is damaged, or names a class that is not known here.
        """
        try:
            with safetensors.safe_open(path, "pt") as file:
                header = json.loads((file.metadata() or {})["isr"])
            weights = safetensors.torch.load_file(path)
            architecture = dict(header["architecture"])
            architecture["features_extractor_class"] = features_extractor_class or _extractor_class(
                architecture["features_extractor_class"]
            )
            architecture["activation_fn"] = _known_class(nn, architecture["activation_fn"], nn.Module)
            architecture["optimizer_class"] = _known_class(
                torch.optim, architecture["optimizer_class"], torch.optim.Optimizer
            )
            isr = cls(
                space_from_json(header["observation_space"]),
                space_from_json(header["action_space"]),
                device=device,
                **architecture,
            )
            isr.load_state_dict(weights)
        except FileNotFoundError:
            raise
        except (safetensors.SafetensorError, KeyError, TypeError, ValueError, RuntimeError, OSError) as error:
            raise ValueError(
                f"{os.fspath(path)!r} is not a whole file of InternalSocialReward.save: {error}. "
                "Take it from a backup, or train the ISR again."
            ) from error
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
        if isinstance(space, spaces.Discrete):
            return F.one_hot(actions.long() - int(space.start), int(space.n)).float()
        if isinstance(space, spaces.Box):
            flat = actions.float().flatten(1)
            if not space.is_bounded():
                return flat
            low, high = (self.tensor(bound).float().flatten() for bound in (space.low, space.high))
            return 2 * (flat - low) / (high - low) - 1
        encoded = preprocess_obs(actions, space)
        assert isinstance(encoded, torch.Tensor)
        return encoded.flatten(1)


def _orthogonal_init(module: nn.Module) -> None:
    if isinstance(module, nn.Linear | nn.Conv2d):
        nn.init.orthogonal_(module.weight, gain=2**0.5)
        if module.bias is not None:
            nn.init.zeros_(module.bias)


def _extractor_class(name: str) -> type[torch_layers.BaseFeaturesExtractor]:
    module_name, _, class_name = name.rpartition(".")
    for module in (extractors, torch_layers):
        if module.__name__ == module_name:
            return _known_class(module, class_name, torch_layers.BaseFeaturesExtractor)
    raise ValueError(f"it was built with {name}, which must be given as features_extractor_class")


def _known_class(module: Any, name: str, base: type[Any]) -> type[Any]:
    known = getattr(module, name, None)
    if not (isinstance(known, type) and issubclass(known, base)):
        raise ValueError(f"{name!r} is not a {base.__name__} of {module.__name__}")
    return known
