"""Registers the environments with Gymnasium, without importing them or MiniGrid."""

from __future__ import annotations

import gymnasium as gym

from sb3_isr.envs.coin_game.maps import MAPS


def register_environments() -> None:
    """
    Register the coin game, with an id for each of its maps, and the prosocial game.

    The maps have ids of their own because RL Zoo's evaluation environment ignores the ``env_kwargs`` of its YAML files.
    Gymnasium's passive checker is off: the tests run ``check_env``, and checking every step would slow training down.
    """
    _register("CoinGame-v0", "CoinGameEnv")
    for layout in MAPS:
        _register(f"CoinGame-{layout}-v0", "CoinGameEnv", layout=layout)
    _register("Prosocial-v0", "ProsocialEnv")


def _register(name: str, env: str, **kwargs: str) -> None:
    gym.register(f"sb3_isr/{name}", entry_point=f"sb3_isr.envs:{env}", disable_env_checker=True, kwargs=kwargs)
