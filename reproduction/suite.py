"""The suite: tasks of many kinds, each with a caregiver who leaves, and the default ISR."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium import spaces
from minigrid.wrappers import ImgObsWrapper
from sb3_contrib import QRDQN
from stable_baselines3 import DQN, PPO, SAC
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.vec_env import VecEnv

from sb3_isr import GridOneHot, SocialRewardWrapper, TaskRewardCaregiver, VecISRReward
from sb3_isr.caregivers import Transition
from sb3_isr.envs import CoinGameVecEnv
from sb3_isr.evaluation.networks import ONE_HOT

Env = gym.Env[Any, Any]

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
    seeds: int = 10

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


class _PraiseForUnlocking(gym.Wrapper[Any, Any, Any, Any]):
    """DoorKey gives 0.2 for the first time that the door is open, too, which does not end the episode."""

    def reset(self, **kwargs: Any) -> Any:
        self._was_open = False
        return self.env.reset(**kwargs)

    def step(self, action: Any) -> Any:
        observation, reward, *rest = self.env.step(action)
        grid = self.env.unwrapped.grid  # type: ignore[attr-defined]
        is_open = any(cell is not None and cell.type == "door" and not cell.is_locked for cell in grid.grid)
        praise = 0.2 * (is_open and not self._was_open)
        self._was_open = self._was_open or is_open
        return observation, float(reward) + praise, *rest


def _praise_for_unlocking(env: Env) -> Env:
    praised: Env = ImgObsWrapper(_PraiseForUnlocking(env))  # type: ignore[no-untyped-call]
    return praised


def _scold_for_falling() -> Env:
    """CartPole without its own reward: -1 for falling, and nothing else."""
    env = gym.wrappers.TransformReward(gym.make("CartPole-v1"), lambda reward: 0.0)
    return SocialRewardWrapper(env, lambda transition: -float(transition.terminated))


class Work(gym.Env[Any, Any]):
    """Work earns 0.1 a step, and breaks something with probability 0.01, for which the caregiver gives -1."""

    observation_space = spaces.Box(-1, 1, (3,), np.float32)
    action_space = spaces.Discrete(2)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """
        Start a day of 50 steps.

        :param seed: Seeds it.
        :param options: None.
        :return: Three random numbers, and an empty info.
        """
        super().reset(seed=seed)
        self._steps = 0
        return self._observe(), {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """
        Work or rest.

        :param action: 1 to work.
        :return: Three random numbers, the reward, and whether something broke, in the info.
        """
        self._steps += 1
        broke = bool(action == 1 and self.np_random.random() < 0.01)
        return self._observe(), 0.1 * float(action == 1), False, self._steps >= 50, {"broke": broke}

    def _observe(self) -> Any:
        return self.np_random.uniform(-1, 1, 3).astype(np.float32)


def _scold_for_breaking(transition: Transition) -> float:
    return -float(transition.info["broke"])


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
        _scold_for_falling,
    ),
    "Acrobot": Task(
        PPO,
        81_920,
        16,
        {"n_steps": 256, "n_epochs": 4, "gae_lambda": 0.94, "learning_rate": 1e-3},
        _with_task_reward("Acrobot-v1"),
    ),
    "work, some breaks": Task(
        PPO, 24_576, 8, {"n_steps": 128}, lambda: SocialRewardWrapper(Work(), _scold_for_breaking)
    ),
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
        {**_TABLE, "buffer_size": 24_000, "policy_kwargs": {"net_arch": [], "n_quantiles": 10}},
        _with_task_reward("CliffWalking-v1", max_episode_steps=100),
    ),
    "DoorKey": Task(PPO, 98_304, 16, _ON_GRIDS, _with_task_reward("MiniGrid-DoorKey-5x5-v0", ImgObsWrapper)),
    "DoorKey, praise for unlocking": Task(
        PPO, 98_304, 16, _ON_GRIDS, _with_task_reward("MiniGrid-DoorKey-5x5-v0", _praise_for_unlocking)
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
