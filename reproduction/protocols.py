"""What the runs of a protocol have in common: tasks, networks, PPO's settings and lengths of phases."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import gymnasium as gym
import torch
from stable_baselines3.common.torch_layers import BaseFeaturesExtractor
from stable_baselines3.common.vec_env import VecEnv
from torch import nn

from sb3_isr.envs import CoinGameVecEnv, ProsocialVecEnv
from sb3_isr.envs.coin_game.maps import MAPS
from sb3_isr.isr.extractors import GridCNN, GridOneHot
from sb3_isr.isr.model import PAPER_ISR

#: Each task of the experiments: from a number of environments to as many games.
TASKS: dict[str, Callable[[int], VecEnv]] = {
    "1 wall": partial(CoinGameVecEnv, n_walls=1),
    "3 walls": partial(CoinGameVecEnv, n_walls=3),
    "5 walls": partial(CoinGameVecEnv, n_walls=5),
    **{name: partial(CoinGameVecEnv, layout=name) for name in MAPS},
    "prosocial": ProsocialVecEnv,
}


@dataclass(frozen=True)
class Protocol:
    """
    Rollouts of both protocols have the paper's 2048 transitions, which here are ``n_envs * n_steps``.

    :param name: What the command line calls it.
    :param networks: "mlp": cells as one-hot codes, 64-64 networks; "cnn": the paper's convolutions.
    :param n_envs: Games that step together.
    :param n_steps: Steps of each in a rollout.
    :param batch_size: PPO's.
    :param learning_rate: PPO's in figures 3, 4a and 7.
    :param slow_learning_rate: PPO's in figures 1b, 4b, 5 and 6.
    :param socialization_steps: Environment steps with the caregiver; twice as many in figure 7.
    :param autonomy_steps: Environment steps after it, where the task stays the same; twice as many in figure 7.
    :param new_task_steps: Environment steps after it, in a new task.
    :param isr_gradient_steps: How long the plugin trains an ISR; None for the paper's way, one epoch in batches of 1.
    :param label_steps: Figure 3b: socialization steps whose labels the ISR is given.
    :param steps_per_second: About what one slow core makes, to say beforehand what a run costs.
    """

    name: str
    networks: Literal["mlp", "cnn"]
    n_envs: int = 32
    n_steps: int = 64
    batch_size: int = 64
    learning_rate: float = 3e-4
    slow_learning_rate: float = 1e-4
    socialization_steps: int = 120_000
    autonomy_steps: int = 120_000
    new_task_steps: int = 240_000
    isr_gradient_steps: int | None = None
    label_steps: tuple[int, ...] = (10_000, 20_000, 30_000, 40_000, 80_000, 120_000)
    steps_per_second: int = 500


PROTOCOLS = {
    "fast": Protocol(
        "fast",
        "mlp",
        batch_size=256,
        learning_rate=1e-3,
        slow_learning_rate=1e-3,
        new_task_steps=120_000,
        isr_gradient_steps=2000,
        label_steps=(2_000, 5_000, 10_000, 20_000, 30_000, 40_000, 80_000, 120_000),
        steps_per_second=5000,
    ),
    "paper": Protocol("paper", "cnn"),
}


class PaperFeatures(BaseFeaturesExtractor):
    """
    The paper's features for its policy: three convolutions of 2x2 and a linear layer.

    :param observation_space: The coin game's, the channels first or last.
    """

    def __init__(self, observation_space: gym.spaces.Box) -> None:
        super().__init__(observation_space, features_dim=128)
        grid = GridCNN(observation_space, channels=(16, 32, 64))
        self.layers = nn.Sequential(grid, nn.Linear(grid.features_dim, 128), nn.ReLU())

    def forward(self, observations: torch.Tensor) -> torch.Tensor:
        """
        :param observations: float ``[n, *shape]``
        :return: float ``[n, 128]``
        """
        features: torch.Tensor = self.layers(observations)
        return features


#: Cells as the fast protocol's networks see them, for policy and ISR alike: outside, wall, goal.
ONE_HOT: dict[str, Any] = {
    "features_extractor_class": GridOneHot,
    "features_extractor_kwargs": {"codes": [[0, 2, 8], [], [], []]},
    "normalize_images": False,
    "net_arch": [64, 64],
}
#: The same for the prosocial game: wall, ball, other agent and its direction, what it and oneself carry, goal.
PROSOCIAL_ONE_HOT: dict[str, Any] = {
    **ONE_HOT,
    "features_extractor_kwargs": {"codes": [[2, 6], [2], [1, 2, 3], [6], [1]]},
}

# Stable-Baselines3's default optimizer, in torch's faster implementation.
_FUSED_ADAM = {"optimizer_kwargs": {"eps": 1e-5, "fused": True}}


def policy(protocol: Protocol, task: str) -> tuple[str, dict[str, Any]]:
    """
    :param protocol: Which protocol.
    :param task: One of ``TASKS``.
    :return: PPO's policy and its arguments.
    """
    if protocol.networks == "cnn":
        return "CnnPolicy", {"features_extractor_class": PaperFeatures, **_FUSED_ADAM}
    return "MlpPolicy", {**_one_hot(task), **_FUSED_ADAM}


def isr_kwargs(protocol: Protocol, task: str) -> dict[str, Any]:
    """
    :param protocol: Which protocol.
    :param task: One of ``TASKS``.
    :return: The ISR's arguments.
    """
    if protocol.networks == "cnn":
        return {**PAPER_ISR, **_FUSED_ADAM}
    return {**_one_hot(task), "limit_to_labels": "no"}  # as the paper's


def _one_hot(task: str) -> dict[str, Any]:
    return PROSOCIAL_ONE_HOT if task == "prosocial" else ONE_HOT
