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
from sb3_isr.evaluation.networks import ONE_HOT, PROSOCIAL_ONE_HOT
from sb3_isr.isr.extractors import GridCNN
from sb3_isr.isr.paper import PAPER_ISR, PAPER_TRAINER

#: Each task, as a function from a number of environments to as many games.
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
    What the runs of a protocol have in common.

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
    :param isr_gradient_steps: Gradient steps of the plugin's training of an ISR; None for the paper's way, one epoch in
        batches of 1.
    :param label_steps: Figure 3b: socialization steps whose labels the ISR is given.
    :param steps_per_second: Roughly those of one slow core, to estimate what a run costs.
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

    @property
    def rollout(self) -> int:
        """Transitions in a rollout."""
        return self.n_envs * self.n_steps


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
    The features of the paper's policy: three convolutions of 2x2 and a linear layer.

    :param observation_space: The coin game's, the channels first or last.
    """

    def __init__(self, observation_space: gym.spaces.Box) -> None:
        super().__init__(observation_space, features_dim=128)
        grid = GridCNN(observation_space, channels=(16, 32, 64))
        self.layers = nn.Sequential(grid, nn.Linear(grid.features_dim, 128), nn.ReLU())

    def forward(self, observations: torch.Tensor) -> torch.Tensor:
        """
        Extract the features.

        :param observations: float ``[n, *shape]``.
        :return: float ``[n, 128]``.
        """
        features: torch.Tensor = self.layers(observations)
        return features


# Stable-Baselines3's default optimizer, in torch's faster implementation.
_FUSED_ADAM = {"optimizer_kwargs": {"eps": 1e-5, "fused": True}}


def policy(protocol: Protocol, task: str) -> tuple[str, dict[str, Any]]:
    """
    Get PPO's policy.

    :param protocol: Which protocol.
    :param task: One of ``TASKS``.
    :return: The policy and its arguments.
    """
    if protocol.networks == "cnn":
        return "CnnPolicy", {"features_extractor_class": PaperFeatures, **_FUSED_ADAM}
    return "MlpPolicy", {**_one_hot(task), **_FUSED_ADAM}


def isr_kwargs(protocol: Protocol, task: str) -> dict[str, Any]:
    """
    Get the arguments of the ISR.

    :param protocol: Which protocol.
    :param task: One of ``TASKS``.
    :return: The arguments.
    """
    if protocol.networks == "cnn":
        return dict(PAPER_ISR)
    # As the paper's: it is given observation and action alone.
    return {**PAPER_ISR, **_one_hot(task), "ortho_init": False}


def trainer_kwargs(protocol: Protocol) -> dict[str, Any]:
    """
    Get the arguments of the ISR's trainer.

    :param protocol: Which protocol.
    :return: The arguments.
    """
    return {**PAPER_TRAINER, **_FUSED_ADAM} if protocol.networks == "cnn" else {"learning_rate": 1e-3, "max_cycles": 1}


def _one_hot(task: str) -> dict[str, Any]:
    return PROSOCIAL_ONE_HOT if task == "prosocial" else ONE_HOT
