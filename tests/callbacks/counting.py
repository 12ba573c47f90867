"""Environments that count their steps, and what pickle makes of them."""

from __future__ import annotations

import threading
from collections.abc import Callable
from multiprocessing import Pipe
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium import spaces
from gymnasium.utils import EzPickle
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.vec_env import (
    DummyVecEnv,
    VecEnv,
)

from sb3_isr import VecISRReward as Wrapped


class Counting(gym.Env[Any, Any]):
    """An observation is the step of an episode of 20, and the caregiver's label the number of the next step."""

    observation_space: gym.Space[Any] = spaces.Box(0, 99, (1,), np.float32)
    action_space: gym.Space[Any] = spaces.Discrete(2)

    def __init__(self) -> None:
        self.t = 0

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        self.t = 0
        return np.zeros(1, np.float32), {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        self.t += 1
        label = float(self.t)
        return np.full(1, self.t, np.float32), label, self.t == 20, False, {"social_reward": label}


class EzPickled(Counting, EzPickle):
    """As LunarLander, MuJoCo and ALE: pickled as its constructor's arguments alone."""

    def __init__(self) -> None:
        EzPickle.__init__(self)
        Counting.__init__(self)


class LeftOut(Counting):
    """Its pickle lacks the step."""

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name != "t"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state, t=0)


class MadeAnew(Counting):
    """Its pickle is a call of its class."""

    def __reduce__(self) -> Any:
        return MadeAnew, ()


class Slotted(Counting):
    """Its step is in no dictionary."""

    __slots__ = ("t",)


class Game(EzPickle):
    """Something with a state, that is no environment: of PettingZoo, for example."""

    def __init__(self) -> None:
        EzPickle.__init__(self)
        self.t = 0


class Nested(Counting):
    """Its state is in an object inside it."""

    def __init__(self) -> None:
        self.game = Game()
        super().__init__()

    @property
    def t(self) -> int:
        """The game's."""
        return self.game.t

    @t.setter
    def t(self, value: int) -> None:
        self.game.t = value


class Locked(EzPickled):
    """Holds something that cannot be pickled, as simulators do."""

    def __init__(self) -> None:
        super().__init__()
        self.simulator = threading.Lock()


class Connected(Counting):
    """Holds a connection to another process, which pickle takes for a number."""

    def __init__(self) -> None:
        super().__init__()
        self.simulator = Pipe()[0]


RESTORED = [Counting, EzPickled, LeftOut, MadeAnew, Slotted, Nested]
NOT_RESTORED = [Locked, Connected]


def vec(*layers: Any, env: Callable[[], Any] = Counting, n: int = 1) -> VecEnv:
    """Environments with a Monitor, in a VecISRReward and further layers."""
    venv: VecEnv = Wrapped(DummyVecEnv([lambda: Monitor(env())] * n))
    for layer in layers:
        venv = layer(venv)
    return venv
