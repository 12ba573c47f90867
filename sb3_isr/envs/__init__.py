"""The environments that ship with the package; ``prosocial_v0`` besides them, which needs PettingZoo."""

from sb3_isr.envs.coin_game.env import CoinGameEnv
from sb3_isr.envs.coin_game.vec_env import CoinGameVecEnv
from sb3_isr.envs.prosocial.env import ProsocialEnv
from sb3_isr.envs.prosocial.vec_env import ProsocialVecEnv

__all__ = ["CoinGameEnv", "CoinGameVecEnv", "ProsocialEnv", "ProsocialVecEnv"]
