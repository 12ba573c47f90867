"""Algorithms on environments that suit them."""

from __future__ import annotations

import importlib
from typing import Any, NamedTuple

import numpy as np
import pytest
from gymnasium import spaces
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.callbacks import EvalCallback
from stable_baselines3.common.vec_env import VecEnv

from sb3_isr import VecISRReward
from sb3_isr.common.batches import Array
from tests.scripted_env import (
    Script,
    ScriptedEnv,
    Space,
    scripted_vec_env,
)

#: Two environments with episodes of three and of four steps, each with a step without a label.
SCRIPTS: list[Script] = [
    [(-0.5, 0.0), (0.25, 1.0), (0.0, None)],
    [(-0.25, 0.5), (0.5, None), (0.0, -2.0), (0.25, 0.0)],
]
#: The true returns are 0.75 and -1.
MEAN_TRUE_RETURN = -0.125
FLAT = spaces.Box(0, 1000, (2,), np.float32)
CHANNELS_LAST = spaces.Box(0, 255, (36, 36, 3), np.uint8)
CHANNELS_FIRST = spaces.Box(0, 255, (3, 36, 36), np.uint8)
NUMBER = spaces.Discrete(16)
NUMBERS = spaces.MultiDiscrete([2, 8])
BITS = spaces.MultiBinary(4)
MIXED = spaces.Dict({"flat": FLAT, "image": CHANNELS_LAST, "number": NUMBER, "numbers": NUMBERS, "bits": BITS})
FEW = spaces.Dict({"flat": FLAT, "number": NUMBER})

CHOICE = spaces.Discrete(3)
CHOICES = spaces.MultiDiscrete([3, 2])
SWITCHES = spaces.MultiBinary(3)
#: Bounds that differ: neither a scaled nor an unclipped action is what the environment is told.
THRUST = spaces.Box(np.array([-0.5, 0.0], np.float32), np.array([0.25, 8.0], np.float32))


class Masked(ScriptedEnv):
    """A choice that must not be made changes with each step."""

    def action_masks(self) -> Array:
        masks = np.ones(spaces.flatdim(self.action_space), bool)
        masks[self.step_count % 3] = False
        return masks


class Cell(NamedTuple):
    """An algorithm on an environment that suits it."""

    algorithm: str
    observation_space: Space = FLAT
    action_space: Space = CHOICE
    env_cls: type[ScriptedEnv] = ScriptedEnv

    @property
    def is_masked(self) -> bool:
        return self.env_cls is Masked

    def env(self) -> VecEnv:
        return VecISRReward(
            scripted_vec_env(
                SCRIPTS,
                env_cls=self.env_cls,
                observation_space=self.observation_space,
                action_space=self.action_space,
            )
        )

    def eval_callback(self) -> type[EvalCallback]:
        if not self.is_masked:
            return EvalCallback
        from sb3_contrib.common.maskable.callbacks import MaskableEvalCallback

        return MaskableEvalCallback

    def model(self, seed: int) -> BaseAlgorithm:
        package, name = self.algorithm.split(".")
        if package == "sbx":
            pytest.importorskip("sbx", reason="SBX is an extra, and brings JAX, which is not built for every platform")
        algorithm = getattr(importlib.import_module(package), name)
        policy_kwargs: dict[str, Any] = {"net_arch": [8]}
        policy = "Mlp"
        if isinstance(self.observation_space, spaces.Dict):
            policy = "MultiInput"
            policy_kwargs["features_extractor_kwargs"] = {"cnn_output_dim": 8}
        elif self.observation_space in (CHANNELS_LAST, CHANNELS_FIRST):
            policy = "Cnn"
            policy_kwargs["features_extractor_kwargs"] = {"features_dim": 8}
        if name == "RecurrentPPO":
            policy += "Lstm"
            policy_kwargs["lstm_hidden_size"] = 4
        model: BaseAlgorithm = algorithm(
            f"{policy}Policy", self.env(), policy_kwargs=policy_kwargs, seed=seed, device="cpu", **KWARGS[name]
        )
        return model


ON_POLICY = {"n_steps": 16}
IN_BATCHES = {"n_steps": 16, "batch_size": 16, "n_epochs": 1}
OFF_POLICY = {"buffer_size": 200, "learning_starts": 10, "batch_size": 8}
KWARGS: dict[str, dict[str, Any]] = {
    "PPO": IN_BATCHES,
    "RecurrentPPO": IN_BATCHES,
    "MaskablePPO": IN_BATCHES,
    "A2C": ON_POLICY,
    "TRPO": {"n_steps": 16, "batch_size": 16},
    **dict.fromkeys(["DQN", "QRDQN", "SAC", "TD3", "DDPG", "TQC", "CrossQ"], OFF_POLICY),
}

CELLS = {
    "PPO": Cell("stable_baselines3.PPO"),
    "PPO-box": Cell("stable_baselines3.PPO", action_space=THRUST),
    "PPO-image": Cell("stable_baselines3.PPO", CHANNELS_LAST, CHOICES),
    "PPO-dict": Cell("stable_baselines3.PPO", MIXED, SWITCHES),
    "A2C": Cell("stable_baselines3.A2C", NUMBERS, CHOICES),
    "A2C-bits": Cell("stable_baselines3.A2C", BITS, THRUST),
    "DQN": Cell("stable_baselines3.DQN", NUMBER),
    "DQN-image": Cell("stable_baselines3.DQN", CHANNELS_FIRST),
    "SAC": Cell("stable_baselines3.SAC", action_space=THRUST),
    "SAC-dict": Cell("stable_baselines3.SAC", MIXED, THRUST),
    "TD3": Cell("stable_baselines3.TD3", BITS, THRUST),
    "DDPG": Cell("stable_baselines3.DDPG", NUMBERS, THRUST),
    "TRPO": Cell("sb3_contrib.TRPO", NUMBER, SWITCHES),
    "RecurrentPPO": Cell("sb3_contrib.RecurrentPPO"),
    "RecurrentPPO-dict": Cell("sb3_contrib.RecurrentPPO", FEW, CHOICES),
    "MaskablePPO": Cell("sb3_contrib.MaskablePPO", env_cls=Masked),
    "MaskablePPO-choices": Cell("sb3_contrib.MaskablePPO", CHANNELS_FIRST, CHOICES, Masked),
    "QRDQN": Cell("sb3_contrib.QRDQN", NUMBERS),
    "QRDQN-dict": Cell("sb3_contrib.QRDQN", MIXED),
    "TQC": Cell("sb3_contrib.TQC", action_space=THRUST),
    "CrossQ": Cell("sb3_contrib.CrossQ", action_space=THRUST),
    "SBX-PPO": Cell("sbx.PPO", action_space=THRUST),
    "SBX-DQN": Cell("sbx.DQN"),
    "SBX-SAC": Cell("sbx.SAC", action_space=THRUST),
}
#: With `--dist loadgroup` the tests of a cell share its runs in one process.
each_cell = pytest.mark.parametrize(
    "cell",
    [
        pytest.param(name, marks=[pytest.mark.xdist_group(name), *([pytest.mark.slow] if "SBX" in name else [])])
        for name in CELLS
    ],
)
