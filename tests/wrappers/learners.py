"""Tiny learners on scripted environments in any process, and what follows by hand."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from gymnasium import spaces
from stable_baselines3 import PPO
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.vec_env import DummyVecEnv, SubprocVecEnv, VecEnv

from sb3_isr import ISRCallback, ISRRewardWrapper, LabelBatch, VecISRReward
from sb3_isr.common.batches import Array, Observations
from tests.scripted_env import Script, Told, labels_by_hand, scripted_vec_env, utilities_by_hand

#: Two environments with episodes of three and of four steps, each with a step without a label.
SCRIPTS: list[Script] = [
    [(-0.5, 0.0), (0.25, 1.0), (0.0, None)],
    [(-0.25, 0.5), (0.5, None), (0.0, -2.0), (0.25, 0.0)],
]
#: One environment with a label at each of four steps.
FOUR: list[Script] = [[(-0.5, 0.0), (0.25, 1.0), (0.5, -1.0), (0.0, 0.5)]]
IMAGE = spaces.Box(0, 255, (36, 36, 3), np.uint8)
PARTS = spaces.Dict({"numbers": spaces.MultiDiscrete([2, 8]), "bits": spaces.MultiBinary(4)})
THRUST = spaces.Box(np.array([-0.5, 0.0], np.float32), np.array([0.25, 8.0], np.float32))

Make = Callable[..., VecEnv]
SPAWN = partial(SubprocVecEnv, start_method="spawn")
FORKSERVER = partial(SubprocVecEnv, start_method="forkserver")


def vectorized(scripts: Sequence[Script], inside: Callable[[VecEnv], VecEnv] | None = None, **kwargs: Any) -> VecEnv:
    """VecISRReward around all environments."""
    venv = scripted_vec_env(scripts, **kwargs)
    return VecISRReward(inside(venv) if inside else venv)


def one_by_one(scripts: Sequence[Script], **kwargs: Any) -> VecEnv:
    """ISRRewardWrapper around each environment, in its own process."""
    return scripted_vec_env(scripts, wrapper=ISRRewardWrapper, **kwargs)


either_wrapper = pytest.mark.parametrize("make", [vectorized, one_by_one])
HERE_OR_FORKED = [
    pytest.param(vectorized, DummyVecEnv, id="vectorized-dummy"),
    pytest.param(vectorized, FORKSERVER, id="vectorized-forkserver"),
    pytest.param(one_by_one, DummyVecEnv, id="one_by_one-dummy"),
    pytest.param(one_by_one, FORKSERVER, id="one_by_one-forkserver"),
]
SPAWNED = [
    pytest.param(vectorized, SPAWN, id="vectorized-spawn", marks=pytest.mark.slow),
    pytest.param(one_by_one, SPAWN, id="one_by_one-spawn", marks=pytest.mark.slow),
]
here_or_forked = pytest.mark.parametrize(("make", "vec_env_cls"), HERE_OR_FORKED)
in_any_process = pytest.mark.parametrize(("make", "vec_env_cls"), HERE_OR_FORKED + SPAWNED)


def tiny(algorithm: type[BaseAlgorithm], env: VecEnv, **kwargs: Any) -> BaseAlgorithm:
    """A learner whose networks have eight units."""
    policy_kwargs: dict[str, Any] = {"net_arch": [8]}
    policy = "MlpPolicy"
    if isinstance(env.observation_space, spaces.Dict):
        policy = "MultiInputPolicy"
    elif env.observation_space.dtype == np.uint8:
        policy, policy_kwargs["features_extractor_kwargs"] = "CnnPolicy", {"features_dim": 8}
    if algorithm is PPO:
        kwargs = {"n_steps": 12, "batch_size": 12, "n_epochs": 1, **kwargs}
    else:
        kwargs = {"buffer_size": 200, "learning_starts": 10, "batch_size": 8, "train_freq": 1, **kwargs}
    return algorithm(policy, env, **{"policy_kwargs": policy_kwargs, "seed": 0, "device": "cpu", **kwargs})


#: Too low to change a float32 weight.
UNCHANGING = 1e-38


def internalizing(presence: Any = "leave_at_0.5", learning_rate: float = 1e-2, **kwargs: Any) -> ISRCallback:
    """A callback whose ISR is tiny too; with the learning rate UNCHANGING its R_i never changes."""
    if "isr" not in kwargs:
        kwargs["isr_kwargs"] = {"net_arch": (16,), "limit_to_labels": "no", "standardize": False}
    trainer_kwargs = {"gradient_steps": 5, "learning_rate": learning_rate}
    return ISRCallback(presence, trainer_kwargs=trainer_kwargs, store_kwargs={"held_out": 0.0}, **kwargs)


class Rewards(BaseCallback):
    """Keeps the rewards of the training environment, and those in PPO's buffer."""

    reads_rewards = True

    def __init__(self) -> None:
        super().__init__()
        self.steps: list[Array] = []
        self.rollouts: list[Array] = []

    def _on_step(self) -> bool:
        self.steps.append(self.locals["rewards"].copy())
        return True

    def _on_rollout_end(self) -> None:
        if isinstance(self.model, PPO):
            self.rollouts.append(self.model.rollout_buffer.rewards.copy())

    def learned_from(self) -> Array:
        """What the algorithm stored, ``[steps, n_envs]``."""
        if isinstance(self.model, PPO):
            return np.concatenate(self.rollouts)
        rewards: Array = self.model.replay_buffer.rewards[: len(self.steps)]  # type: ignore[attr-defined]
        return rewards


def told_by(model: BaseAlgorithm) -> list[list[Told]]:
    """For each environment, what it was told."""
    env = model.get_env()
    assert env is not None
    return [list(told) for told in env.get_attr("told")]


def stored(callback: ISRCallback) -> list[Any]:
    """All labels ever given, sorted."""
    assert callback.store.n_added == len(callback.store)
    return in_order(callback.store.labels())


def in_order(labels: LabelBatch) -> list[Any]:
    """Labels as a sorted list: from several processes they come one process after the other."""
    (observations, actions, next_observations, terminated), social_rewards = labels
    parts = [*_by_key(observations), actions, *_by_key(next_observations), terminated, social_rewards]
    columns = [np.reshape(part, (len(social_rewards), -1)) for part in parts]
    return sorted(np.concatenate(columns, axis=1).tolist())


def _by_key(observations: Observations) -> list[Array]:
    return [observations[key] for key in sorted(observations)] if isinstance(observations, dict) else [observations]


def weights(module: torch.nn.Module) -> list[float]:
    """All parameters of a network."""
    flat: list[float] = torch.nn.utils.parameters_to_vector(module.parameters()).tolist()
    return flat


def check_by_hand(utilities: Array, told: list[list[Told]], callback: ISRCallback) -> None:
    """The caregiver left both environments after 12 of 24 steps, of which 8 and 9 had labels."""
    assert utilities.shape == (24, 2)
    for i in range(2):
        by_hand = utilities_by_hand(told[i], [True] * 12 + [False] * 12, callback.isr.predict)
        np.testing.assert_allclose(utilities[:, i], by_hand, atol=1e-5)
    assert callback.store.n_added == 8 + 9
    assert stored(callback) == in_order(labels_by_hand(told[0][:12] + told[1][:12]))
