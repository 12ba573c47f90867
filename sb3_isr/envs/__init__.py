"""The environments that ship with the package."""

from sb3_isr.envs.coin_game import CoinGameEnv
from sb3_isr.envs.coin_game_vec import CoinGameVecEnv

__all__ = ["CoinGameEnv", "CoinGameVecEnv"]
