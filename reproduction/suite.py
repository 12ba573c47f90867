"""The suite: tasks of many kinds, each with a caregiver who leaves, and the default ISR."""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import gymnasium as gym
from minigrid.wrappers import ImgObsWrapper
from sb3_contrib import QRDQN
from stable_baselines3 import DQN, PPO, SAC
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.vec_env import VecEnv

from reproduction.suite_worlds import Env, breaking_is_scolded, falling_is_scolded, praise_for_unlocking
from sb3_isr import GridOneHot, SocialRewardWrapper, TaskRewardCaregiver, VecISRReward
from sb3_isr.common.descriptions import describe
from sb3_isr.envs import CoinGameVecEnv
from sb3_isr.evaluation.networks import ONE_HOT

#: MiniGrid's codes are not intensities for a policy.
GRID: dict[str, Any] = {"features_extractor_class": GridOneHot, "normalize_images": False, "net_arch": [64, 64]}


@dataclass(frozen=True)
class Task:
    """
    A task and its learner. The ISR has its default arguments, but where its inputs are codes.

    :param algorithm: The learner's class.
    :param steps: Environment steps with the caregiver, and as many again in each condition.
    :param n_envs: Number of environments that step together.
    :param settings: The algorithm's arguments. Off-policy, the replay buffer holds fewer steps than autonomy has, so
        that no rewards of the caregiver are left in it at the end.
    :param make_env: Makes one environment, with its caregiver.
    :param make_venv: Makes all environments, in place of ``make_env``.
    :param isr_kwargs: The ISR's arguments.
    :param queries: The query schedule.
    :param measured: The key of the info, at an episode's end, by which the learner is judged; by default it is judged
        by its true return.
    :param seeds: Number of seeds in the committed results.
    """

    algorithm: type[BaseAlgorithm]
    steps: int
    n_envs: int
    settings: dict[str, Any]
    make_env: Callable[[], Env] | None = None
    make_venv: Callable[[int], VecEnv] | None = None
    isr_kwargs: dict[str, Any] = field(default_factory=dict)
    queries: str = "all"
    measured: str | None = None
    seeds: int = 10

    def settings_hash(self) -> str:
        """
        Hash what a run of the task depends on.

        :return: Another text for other settings.
        """
        return f"{zlib.crc32(json.dumps(describe(self), sort_keys=True).encode()):08x}"

    def env(self) -> VecISRReward:
        """
        Make the environments.

        :return: As a learner gets them.
        """
        if self.make_venv is not None:
            return VecISRReward(self.make_venv(self.n_envs))
        assert self.make_env is not None
        return VecISRReward(make_vec_env(self.make_env, self.n_envs))


def _with_task_reward(env_id: str, wrapper: Callable[[Env], Env] | None = None, **kwargs: Any) -> Callable[[], Env]:
    """A caregiver gives all of the task's own reward."""

    def make() -> Env:
        env = gym.make(env_id, **kwargs)
        return SocialRewardWrapper(env if wrapper is None else wrapper(env), TaskRewardCaregiver())

    return make


_CARTPOLE: dict[str, Any] = {
    "n_steps": 32,
    "batch_size": 256,
    "n_epochs": 20,
    "learning_rate": 1e-3,
    "gamma": 0.98,
    "gae_lambda": 0.8,
}
_ON_GRIDS: dict[str, Any] = {
    "n_steps": 64,
    "batch_size": 256,
    "n_epochs": 4,
    "learning_rate": 1e-3,
    "policy_kwargs": GRID,
}
_COINS: dict[str, Any] = {"n_steps": 64, "batch_size": 256, "learning_rate": 1e-3, "policy_kwargs": ONE_HOT}
_TABLE: dict[str, Any] = {  # on one-hot states a network without hidden layers is a table
    "learning_rate": 0.02,
    "learning_starts": 2_000,
    "buffer_size": 48_000,
    "batch_size": 256,
    "train_freq": 1,
    "gradient_steps": 2,
    "target_update_interval": 1_000,
    "exploration_fraction": 0.4,
    "gamma": 0.95,
    "policy_kwargs": {"net_arch": []},
}

TASKS: dict[str, Task] = {
    "CartPole": Task(
        PPO,
        49_152,
        8,
        _CARTPOLE,
        _with_task_reward("CartPole-v1"),
    ),
    "CartPole, -1 for falling": Task(
        PPO,
        49_152,
        8,
        _CARTPOLE,
        falling_is_scolded,
        measured="length",
    ),
    "Acrobot": Task(
        PPO,
        81_920,
        16,
        {"n_steps": 64, "batch_size": 256, "gae_lambda": 0.94, "learning_rate": 1e-3},
        _with_task_reward("Acrobot-v1"),
    ),
    "work, some breaks": Task(PPO, 24_576, 8, {"n_steps": 128}, breaking_is_scolded),
    "Pendulum": Task(
        SAC,
        20_000,
        4,
        {
            "learning_rate": 2e-3,
            "learning_starts": 400,
            "buffer_size": 10_000,
            "gamma": 0.95,
            "tau": 0.02,
            "policy_kwargs": {"net_arch": [64, 64]},
        },
        _with_task_reward("Pendulum-v1"),
        seeds=5,
    ),
    "InvertedPendulum": Task(
        SAC,
        12_000,
        4,
        {"learning_rate": 1e-3, "learning_starts": 400, "buffer_size": 6_000, "policy_kwargs": {"net_arch": [64, 64]}},
        _with_task_reward("InvertedPendulum-v5"),
        seeds=5,
    ),
    "LunarLander": Task(
        PPO,
        250_000,
        16,
        {
            "n_steps": 512,
            "batch_size": 128,
            "n_epochs": 4,
            "gamma": 0.999,
            "gae_lambda": 0.98,
            "ent_coef": 0.01,
            "learning_rate": 1e-3,
        },
        _with_task_reward("LunarLander-v3"),
    ),
    "LunarLanderContinuous": Task(
        SAC,
        60_000,
        8,
        {
            "learning_rate": 7.3e-4,
            "learning_starts": 2_000,
            "buffer_size": 30_000,
            "batch_size": 256,
            "tau": 0.01,
            "gradient_steps": 4,
            "policy_kwargs": {"net_arch": [128, 128]},
        },
        _with_task_reward("LunarLander-v3", continuous=True),
        seeds=5,
    ),
    "FrozenLake": Task(
        PPO,
        163_840,
        16,
        {"n_steps": 128, "batch_size": 256, "n_epochs": 4, "learning_rate": 2e-3},
        _with_task_reward("FrozenLake-v1"),
    ),
    "Taxi": Task(DQN, 96_000, 16, _TABLE, _with_task_reward("Taxi-v4")),
    "CliffWalking": Task(
        QRDQN,
        48_000,
        16,
        {
            **_TABLE,
            "buffer_size": 24_000,
            "target_update_interval": 160,
            "gamma": 0.99,
            "policy_kwargs": {"net_arch": [], "n_quantiles": 10},
        },
        _with_task_reward("CliffWalking-v1", max_episode_steps=100),
    ),
    "DoorKey": Task(PPO, 98_304, 16, _ON_GRIDS, _with_task_reward("MiniGrid-DoorKey-5x5-v0", ImgObsWrapper)),
    "DoorKey, praise for unlocking": Task(
        PPO, 98_304, 16, _ON_GRIDS, _with_task_reward("MiniGrid-DoorKey-5x5-v0", praise_for_unlocking)
    ),
    "LavaGap": Task(PPO, 98_304, 16, _ON_GRIDS, _with_task_reward("MiniGrid-LavaGapS5-v0", ImgObsWrapper)),
    "coin game": Task(PPO, 81_920, 32, _COINS, make_venv=partial(CoinGameVecEnv, n_walls=3), isr_kwargs=ONE_HOT),
    "coin game, 100 labels": Task(
        PPO,
        81_920,
        32,
        _COINS,
        make_venv=partial(CoinGameVecEnv, n_walls=3),
        isr_kwargs=ONE_HOT,
        queries="random_100",
    ),
}
