"""1. Overhead on training: steps a second with the plugin over the same without."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from time import perf_counter
from typing import Any, NamedTuple

import gymnasium as gym
from stable_baselines3 import DQN, PPO, SAC
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.vec_env import VecEnv

from benchmarks import published
from benchmarks.common import Result, in_turn, now, result
from sb3_isr import (
    PAPER_ISR,
    InternalSocialReward,
    ISRCallback,
    SocialRewardWrapper,
    TaskRewardCaregiver,
    VecISRReward,
)
from sb3_isr.envs.coin_game.vec_env import CoinGameVecEnv
from sb3_isr.evaluation.networks import ONE_HOT

N_ENVS = (1, 8, 32)
ROUNDS = 7
#: Fewer are enough where both times are of one run.
SHARE_ROUNDS = 3
GOAL_ALWAYS = 0.99


class Task(NamedTuple):
    """
    A learner and its environments.

    :param learner: Makes the learner.
    :param venv: Makes so many environments.
    :param social_venv: The same, with a caregiver if they have none of their own.
    :param isr_kwargs: Arguments of the ISR.
    :param steps: Calls of the environments' ``step`` in one ``learn``, from their number.
    :param goal: Minimum relative speed with the plugin and the caregiver absent, at 8 environments or more.
    """

    learner: Callable[[VecEnv], BaseAlgorithm]
    venv: Callable[[int], VecEnv]
    social_venv: Callable[[int], VecEnv]
    isr_kwargs: dict[str, Any]
    steps: Callable[[int], int]
    goal: float


def _coin_game(n_envs: int) -> VecEnv:
    return make_vec_env("sb3_isr/CoinGame-v0", n_envs)


def _pendulum(n_envs: int) -> VecEnv:
    return make_vec_env("Pendulum-v1", n_envs)


def _social_pendulum(n_envs: int) -> VecEnv:
    return make_vec_env(lambda: SocialRewardWrapper(gym.make("Pendulum-v1"), TaskRewardCaregiver()), n_envs)


# A learning rate of 0 costs as much as any other, and keeps the policy of all variants the same.
_STILL: dict[str, Any] = {"learning_rate": 0.0, "device": "cpu", "seed": 0}
_ROLLOUT = 512


def _ppo(venv: VecEnv, policy: str = "MlpPolicy", **kwargs: Any) -> PPO:
    return PPO(policy, venv, n_steps=_ROLLOUT // venv.num_envs, **kwargs, **_STILL)


def _dqn(venv: VecEnv) -> DQN:
    return DQN("MlpPolicy", venv, buffer_size=10_000, policy_kwargs=ONE_HOT, **_STILL)


def _sac(venv: VecEnv) -> SAC:
    return SAC("MlpPolicy", venv, buffer_size=100_000, **_STILL)


def _rollout(n_envs: int) -> int:
    return _ROLLOUT // n_envs


TASKS = {
    "PPO, coin game, the paper's policy": Task(
        lambda venv: _ppo(venv, "CnnPolicy", policy_kwargs=published.POLICY),
        _coin_game,
        _coin_game,
        PAPER_ISR,
        _rollout,
        0.97,
    ),
    "PPO, coin game": Task(
        lambda venv: _ppo(venv, policy_kwargs=ONE_HOT), _coin_game, _coin_game, PAPER_ISR, _rollout, 0.97
    ),
    "PPO, batched coin game, minibatches of 256": Task(
        lambda venv: _ppo(venv, policy_kwargs=ONE_HOT, batch_size=256),
        CoinGameVecEnv,
        CoinGameVecEnv,
        PAPER_ISR,
        _rollout,
        0.97,
    ),
    "PPO, Pendulum": Task(_ppo, _pendulum, _social_pendulum, {}, _rollout, 0.97),
    "DQN, coin game": Task(_dqn, _coin_game, _coin_game, PAPER_ISR, lambda n_envs: 3200 // (n_envs + 7), 0.95),
    "SAC, Pendulum": Task(_sac, _pendulum, _social_pendulum, {}, lambda n_envs: 100, 0.95),
}


def run() -> Iterator[Result | str]:
    """
    Measure the speed of training.

    :return: Speeds, relative to plain Stable-Baselines3.
    """
    yield (
        "Steps a second of the whole of model.learn, construction excluded, over those of plain Stable-Baselines3. "
        f"SB3's defaults, but that a rollout has {_ROLLOUT} transitions. Coin game: the paper's ISR; "
        "where it is not the paper's, the policy is a small MLP on one-hot cells. Pendulum: the default ISR, and "
        "SocialRewardWrapper(TaskRewardCaregiver) inside. Five members: an ensemble with pessimism. "
        "Plain SB3 again is another learner like the first: as far as it is from 1, so far is the scatter of the "
        "ratios. Time in the plugin is a share of model.learn's time and scatters less, since both are of one run; it "
        "holds what VecISRReward adds to the environments and what ISRCallback does, but not what the learner then "
        "waits for because its data have left the caches."
    )
    for name, task in TASKS.items():
        for n_envs in N_ENVS:
            yield from _compare(name, task, n_envs)


def _compare(name: str, task: Task, n_envs: int) -> Iterator[Result]:
    steps = task.steps(n_envs) * n_envs

    def absent(**isr_kwargs: Any) -> tuple[BaseAlgorithm, ISRCallback, int]:
        venv = VecISRReward(task.social_venv(n_envs))
        own_spaces = venv.isr_spaces()
        isr = InternalSocialReward(*own_spaces, device="cpu", **{**task.isr_kwargs, **isr_kwargs})
        return task.learner(venv), ISRCallback("never", isr=isr), steps

    def always() -> tuple[BaseAlgorithm, ISRCallback, int]:
        venv = VecISRReward(task.social_venv(n_envs))
        return task.learner(venv), ISRCallback("always", isr_kwargs=task.isr_kwargs), steps

    variants = {"caregiver absent": absent(), "caregiver always": always()}
    if n_envs == 8:
        variants["caregiver absent, five members"] = absent(n_members=5, pessimism=1.0)
    speeds = in_turn(
        f"overhead: {name}, {n_envs}",
        {
            "plain": _learning(task.learner(task.venv(n_envs)), None, steps),
            **{variant: _learning(*learner) for variant, learner in variants.items()},
            "plain SB3 again": _learning(task.learner(task.venv(n_envs)), None, steps),
        },
        ROUNDS,
    )
    yield result(f"{name}: plain SB3", speeds["plain"], "steps/s", n=n_envs)
    goals = {"caregiver absent": task.goal if n_envs >= 8 else None, "caregiver always": GOAL_ALWAYS}
    for variant in ("plain SB3 again", *variants):
        ratios = speeds[variant] / speeds["plain"]
        yield result(f"{name}: {variant}", ratios, "x plain", n=n_envs, goal=goals.get(variant))
    for variant, learner in variants.items():
        yield result(f"{name}: {variant}, time in the plugin", _shares(*learner), "%", n=n_envs)


def _learning(model: BaseAlgorithm, callback: ISRCallback | None, steps: int) -> Callable[[], float]:
    def steps_per_second() -> float:
        start = now()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that one-hot cells are no image, for PPO on CPU
            model.learn(steps, callback=callback, reset_num_timesteps=False)
        return steps / (now() - start)

    return steps_per_second


def _shares(model: BaseAlgorithm, callback: ISRCallback, steps: int) -> list[float]:
    """Percentage of model.learn's time that is spent in the plugin, in each round."""
    spent = 0.0

    def counted(call: Callable[..., Any], sign: int = 1) -> Callable[..., Any]:
        def timed(*args: Any) -> Any:
            nonlocal spent
            start = perf_counter()
            returned = call(*args)
            spent += sign * (perf_counter() - start)
            return returned

        return timed

    wrapper: Any = model.get_env()
    while not isinstance(wrapper, VecISRReward):  # SB3 may have put a wrapper of its own around it
        wrapper = wrapper.venv
    for method in ("step_async", "step_wait"):
        setattr(wrapper, method, counted(getattr(wrapper, method)))
        setattr(wrapper.venv, method, counted(getattr(wrapper.venv, method), -1))
    for event in ("training_start", "rollout_start", "step", "rollout_end", "training_end"):
        setattr(callback, f"_on_{event}", counted(getattr(callback, f"_on_{event}")))
    learn = _learning(model, callback, steps)
    shares = []
    for _ in range(SHARE_ROUNDS):
        spent, start = 0.0, perf_counter()
        learn()
        shares.append(100 * spent / (perf_counter() - start))
    return shares
