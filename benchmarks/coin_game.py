"""4. The coin game: steps a second, one MiniGrid environment after the other against all at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import cycle
from typing import Any

import gymnasium as gym
import numpy as np
from minigrid.envs.empty import EmptyEnv
from minigrid.wrappers import FullyObsWrapper, ImgObsWrapper
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.vec_env import VecEnv

from benchmarks.common import Result, in_turn, rate, result
from sb3_isr.envs.coin_game.vec_env import CoinGameVecEnv

N_ENVS = (1, 8, 64, 256)
ROUNDS = 7
GOAL_AT_64 = 100.0


def stock_minigrid() -> gym.Env[Any, Any]:
    """
    Make a MiniGrid of the same size, fully observed, as a user would.

    :return: The environment.
    """
    return ImgObsWrapper(FullyObsWrapper(EmptyEnv(size=7, max_steps=20)))  # type: ignore[no-untyped-call]


def run() -> Iterator[Result | str]:
    """
    Measure the speed of environments.

    :return: Steps a second, and the ratio of the batched coin game to the others.
    """
    yield (
        "Random actions. MiniGrid: EmptyEnv 7x7 with FullyObsWrapper, which observes in MiniGrid's own way, and "
        "CoinGameEnv, which does so in a faster one, both in make_vec_env; CoinGameVecEnv."
    )
    for n_envs in N_ENVS:
        venvs = {
            "CoinGameVecEnv": CoinGameVecEnv(n_envs),
            "CoinGameEnv": make_vec_env("sb3_isr/CoinGame-v0", n_envs),
            "MiniGrid": make_vec_env(stock_minigrid, n_envs),
        }
        measurements = {name: rate(_walk(venv), n_envs) for name, venv in venvs.items()}
        rates = in_turn(f"coin_game: {n_envs}", measurements, ROUNDS)
        for name, samples in rates.items():
            yield result(name, samples, "steps/s", n=n_envs)
        for name in ("CoinGameEnv", "MiniGrid"):
            goal = GOAL_AT_64 if (name, n_envs) == ("MiniGrid", 64) else None
            yield result(f"CoinGameVecEnv over {name}", rates["CoinGameVecEnv"] / rates[name], "x", n=n_envs, goal=goal)


def _walk(venv: VecEnv) -> Callable[[], Any]:
    venv.seed(0)
    venv.reset()
    actions = cycle(np.random.default_rng(0).integers(3, size=(1000, venv.num_envs)))
    return lambda: venv.step(next(actions))
