"""The environments that ship with the package; ``prosocial_v0`` besides them, which needs PettingZoo."""

from sb3_isr.envs.coin_game import CoinGameEnv
from sb3_isr.envs.coin_game_vec import CoinGameVecEnv
from sb3_isr.envs.prosocial import ProsocialEnv
from sb3_isr.envs.prosocial_vec import ProsocialVecEnv

__all__ = ["CoinGameEnv", "CoinGameVecEnv", "ProsocialEnv", "ProsocialVecEnv"]
