"""The learners whose speed is measured, and the goals of what the plugin may cost them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import gymnasium as gym
from stable_baselines3 import A2C, DQN, PPO, SAC
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.vec_env import VecEnv

from benchmarks import published
from sb3_isr import PAPER_ISR, SocialRewardWrapper, TaskRewardCaregiver
from sb3_isr.envs.coin_game.vec_env import CoinGameVecEnv
from sb3_isr.evaluation.networks import ONE_HOT


class Goals(NamedTuple):
    """
    What the plugin may cost.

    :param absent: Minimum speed relative to plain Stable-Baselines3 while the caregiver is absent.
    :param absent_share: Maximum percentage of the learning time that is spent in the plugin then.
    :param always: The minimum while it is always present.
    :param always_share: The maximum percentage; None for no goal.
    """

    absent: float
    absent_share: float
    always: float
    always_share: float | None


class Task(NamedTuple):
    """
    A learner and its environments.

    :param learner: Makes the learner.
    :param venv: Makes so many environments.
    :param social_venv: The same, with a caregiver if they have none of their own.
    :param isr_kwargs: Arguments of the ISR.
    :param steps: Calls of the environments' ``step`` in one ``learn``, from their number.
    :param goals: What the plugin may cost, with several environments.
    :param goals_of_one: The same with one environment; None if it is the same.
    """

    learner: Callable[[VecEnv], BaseAlgorithm]
    venv: Callable[[int], VecEnv]
    social_venv: Callable[[int], VecEnv]
    isr_kwargs: dict[str, Any]
    steps: Callable[[int], int]
    goals: Goals
    goals_of_one: Goals | None = None


def _coin_game(n_envs: int) -> VecEnv:
    return make_vec_env("sb3_isr/CoinGame-v0", n_envs)


def _pendulum(n_envs: int) -> VecEnv:
    return make_vec_env("Pendulum-v1", n_envs)


def _social_pendulum(n_envs: int) -> VecEnv:
    return make_vec_env(lambda: SocialRewardWrapper(gym.make("Pendulum-v1"), TaskRewardCaregiver()), n_envs)


# A learning rate of 0 costs as much as any other, and keeps the policy of all variants the same.
_STILL: dict[str, Any] = {"learning_rate": 0.0, "device": "cpu", "seed": 0}
#: Transitions in a rollout of PPO.
ROLLOUT = 512


def _ppo(venv: VecEnv, policy: str = "MlpPolicy", **kwargs: Any) -> PPO:
    return PPO(policy, venv, n_steps=ROLLOUT // venv.num_envs, **kwargs, **_STILL)


def _dqn(venv: VecEnv) -> DQN:
    return DQN("MlpPolicy", venv, buffer_size=10_000, policy_kwargs=ONE_HOT, **_STILL)


def _a2c(venv: VecEnv) -> A2C:
    return A2C("MlpPolicy", venv, policy_kwargs={**ONE_HOT}, **_STILL)  # it writes into them


def _sac(venv: VecEnv) -> SAC:
    return SAC("MlpPolicy", venv, buffer_size=100_000, **_STILL)


def _rollout(n_envs: int) -> int:
    return ROLLOUT // n_envs


def _off_policy(n_envs: int) -> int:
    return 3200 // (n_envs + 7)


_OF_PPO = Goals(0.96, 4, 0.98, 1)
_OF_ONE_PPO = Goals(0.93, 5, 0.95, 3)

TASKS = {
    "PPO, coin game, the paper's policy": Task(
        lambda venv: _ppo(venv, "CnnPolicy", policy_kwargs=published.POLICY),
        _coin_game,
        _coin_game,
        PAPER_ISR,
        _rollout,
        Goals(0.98, 2, 0.98, 1),
    ),
    "PPO, coin game": Task(
        lambda venv: _ppo(venv, policy_kwargs=ONE_HOT),
        _coin_game,
        _coin_game,
        PAPER_ISR,
        _rollout,
        _OF_PPO,
        _OF_ONE_PPO,
    ),
    "PPO, coin game, ISR on one-hot cells": Task(
        lambda venv: _ppo(venv, policy_kwargs=ONE_HOT),
        _coin_game,
        _coin_game,
        ONE_HOT,
        _rollout,
        _OF_PPO,
        _OF_ONE_PPO,
    ),
    "PPO, batched coin game, minibatches of 256": Task(
        lambda venv: _ppo(venv, policy_kwargs=ONE_HOT, batch_size=256),
        CoinGameVecEnv,
        CoinGameVecEnv,
        PAPER_ISR,
        _rollout,
        Goals(0.92, 6, 0.97, 2),
        _OF_ONE_PPO,
    ),
    "PPO, Pendulum": Task(_ppo, _pendulum, _social_pendulum, {}, _rollout, _OF_PPO, _OF_ONE_PPO),
    "A2C, batched coin game, ISR on one-hot cells": Task(
        _a2c, CoinGameVecEnv, CoinGameVecEnv, ONE_HOT, lambda n_envs: 100, Goals(0.88, 12, 0.95, None)
    ),
    "DQN, coin game": Task(_dqn, _coin_game, _coin_game, PAPER_ISR, _off_policy, Goals(0.80, 17, 0.95, 4)),
    "DQN, coin game, ISR on one-hot cells": Task(
        _dqn, _coin_game, _coin_game, ONE_HOT, _off_policy, Goals(0.90, 8, 0.95, 4)
    ),
    "SAC, Pendulum": Task(_sac, _pendulum, _social_pendulum, {}, lambda n_envs: 100, Goals(0.97, 2, 0.99, 1)),
}
