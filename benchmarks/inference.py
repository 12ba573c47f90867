"""2. Reward inference: internal rewards a second, against one forward pass per environment and against imitation."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from importlib import import_module
from importlib.metadata import version
from importlib.util import find_spec
from typing import Any

import numpy as np
import torch
from stable_baselines3.common.vec_env import VecEnv, VecEnvWrapper

from benchmarks.common import Result, in_turn, rate, result
from benchmarks.published import network, with_action_plane
from sb3_isr import PAPER_ISR, InternalSocialReward, ISRRewardWrapper, VecISRReward
from sb3_isr.envs.coin_game.env import CoinGameEnv
from sb3_isr.envs.coin_game.vec_env import CoinGameVecEnv
from sb3_isr.labels import Transitions

N_ENVS = (1, 8, 64, 256)
ROUNDS = 15


class StillGame(CoinGameEnv):
    """A coin game that never moves, and so costs almost nothing."""

    def step(self, action: Any) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:  # type: ignore[override]
        """Do nothing; there is no label either."""
        return self.still, 0.0, False, False, {}

    def reset(self, **kwargs: Any) -> tuple[np.ndarray, dict[str, Any]]:  # type: ignore[override]
        """Reset, and remember the observation."""
        self.still, info = super().reset(**kwargs)
        return self.still, info


class StillGames(CoinGameVecEnv):
    """Many still games at once."""

    def reset(self) -> np.ndarray:
        """Reset, and remember the observations."""
        self.still = super().reset()
        self.nothing = np.zeros(self.num_envs, np.float32), np.zeros(self.num_envs, bool)
        return self.still

    def step_wait(self) -> Any:
        """Do nothing; there is no label either."""
        return self.still, *self.nothing, [{} for _ in range(self.num_envs)]


def run() -> Iterator[Result | str]:
    """
    Measure the inference of internal rewards.

    :return: Internal rewards a second, also relative to the alternatives.
    """
    yield (
        "Each is a whole wrapper around environments that cost nothing, with the paper's network: VecISRReward, an "
        "ISRRewardWrapper around each environment, imitation's RewardVecEnvWrapper."
    )
    if find_spec("imitation") is None:
        yield "imitation is not installed and left out: pip install --no-deps imitation (its pins name an older SB3)."
    else:
        yield f"imitation {version('imitation')}: installed with pip --no-deps, since its pins name an older SB3."
    for n_envs in N_ENVS:
        games = StillGames(n_envs)
        isr = InternalSocialReward(games.observation_space, games.action_space, device="cpu", **PAPER_ISR)
        actions = np.arange(n_envs) % 3
        variants = {
            "VecISRReward": _stepping(VecISRReward(games, isr=isr), actions),
            "ISRRewardWrapper each": _stepping_each(isr, actions),
        }
        if find_spec("imitation") is not None:
            variants["imitation"] = _stepping(imitation_wrapper(StillGames(n_envs)), actions)
        measurements = {name: rate(step, n_envs) for name, step in variants.items()}
        rates = in_turn(f"inference: {n_envs}", measurements, ROUNDS)
        for name, samples in rates.items():
            yield result(name, samples, "rewards/s", n=n_envs)
        for name in list(rates)[1:]:
            yield result(f"VecISRReward over {name}", rates["VecISRReward"] / rates[name], "x", n=n_envs)
        for name, kwargs in {"default ISR": {}, "paper's ISR": PAPER_ISR}.items():
            calls = {f"{n} members": _predicting(games, actions, n_members=n, **kwargs) for n in (1, 5)}
            rates = in_turn(f"inference: {n_envs}, {name}", calls, ROUNDS)
            yield result(
                f"five members over one, {name}: time of a call",
                rates["1 members"] / rates["5 members"],
                "x",
                n=n_envs,
                goal=1.3 if n_envs == 8 else None,
                goal_is="at most",
            )


def _predicting(games: CoinGameVecEnv, actions: np.ndarray, **kwargs: Any) -> Callable[[], float]:
    pessimism = 1.0 if kwargs["n_members"] > 1 else 0.0
    isr = InternalSocialReward(games.observation_space, games.action_space, device="cpu", pessimism=pessimism, **kwargs)
    observations = games.reset()
    next_observations: Any = games.step(actions)[0]
    transitions = Transitions(observations, actions, next_observations, np.zeros(len(actions), bool))
    return rate(lambda: isr.predict(*transitions), 1)


def _stepping(venv: VecEnv, actions: np.ndarray) -> Callable[[], Any]:
    venv.reset()
    return lambda: venv.step(actions)


def _stepping_each(isr: InternalSocialReward, actions: np.ndarray) -> Callable[[], Any]:
    envs = [ISRRewardWrapper(StillGame(), isr=isr) for _ in actions]
    for env in envs:
        env.reset()
    return lambda: [env.step(action) for env, action in zip(envs, actions, strict=True)]


def imitation_wrapper(venv: VecEnv) -> VecEnvWrapper:
    """
    Make imitation's wrapper.

    :param venv: Coin games.
    :return: The wrapper around them, with a reward network of the paper's ISR's layers.
    """
    base: Any = import_module("imitation.rewards.reward_nets").RewardNet

    class PaperRewardNet(base):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__(venv.observation_space, venv.action_space, normalize_images=False)
            self.layers = network()

        def forward(self, state: torch.Tensor, action: torch.Tensor, *_: torch.Tensor) -> torch.Tensor:
            rewards: torch.Tensor = self.layers(with_action_plane(state, action.argmax(1))).squeeze(1)
            return rewards

    wrapper = import_module("imitation.rewards.reward_wrapper").RewardVecEnvWrapper
    wrapped: VecEnvWrapper = wrapper(venv, PaperRewardNet().predict_processed)
    return wrapped
