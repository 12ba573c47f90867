"""
The environments of the package, imported on first use because they need MiniGrid.

The prosocial game for PettingZoo is ``sb3_isr.envs.prosocial.prosocial_v0``.
"""

from importlib import import_module
from typing import TYPE_CHECKING

__all__ = ["CoinGameEnv", "CoinGameVecEnv", "ProsocialEnv", "ProsocialVecEnv"]

if TYPE_CHECKING:
    from sb3_isr.envs.coin_game.env import CoinGameEnv
    from sb3_isr.envs.coin_game.vec_env import CoinGameVecEnv
    from sb3_isr.envs.prosocial.env import ProsocialEnv
    from sb3_isr.envs.prosocial.vec_env import ProsocialVecEnv
else:
    _MODULES = {
        "CoinGameEnv": "coin_game.env",
        "CoinGameVecEnv": "coin_game.vec_env",
        "ProsocialEnv": "prosocial.env",
        "ProsocialVecEnv": "prosocial.vec_env",
    }

    def __getattr__(name: str) -> type:
        if name not in _MODULES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        try:
            module = import_module(f"{__name__}.{_MODULES[name]}")
        except ModuleNotFoundError as error:
            if (error.name or "").partition(".")[0] != "minigrid":
                raise
            raise ImportError(f"{name} needs MiniGrid, got {error}; pip install 'sb3-isr[envs]'.") from error
        return getattr(module, name)
