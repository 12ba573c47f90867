"""Value internalization for Stable-Baselines3: keep learning after the one who gave the reward has left."""

from typing import Any

import gymnasium

from sb3_isr.callbacks import HackingWatch, ISRCallback, ISRCheckpoint, ISRChildCallback
from sb3_isr.caregivers import (
    Caregiver,
    DelayedCaregiver,
    FunctionCaregiver,
    NoisyCaregiver,
    PraiseCaregiver,
    SparseCaregiver,
    TaskRewardCaregiver,
    Transition,
)
from sb3_isr.envs.coin_game.rules import MAPS
from sb3_isr.isr.extractors import AnySpaceExtractor, GridCNN, GridOneHot
from sb3_isr.isr.model import InternalSocialReward
from sb3_isr.isr.paper import PAPER_ISR, PAPER_TRAINER
from sb3_isr.isr.training import ISRTrainer
from sb3_isr.labels import LabelBatch, LabelStore
from sb3_isr.schedules.presence import Always, Fade, LeaveAt, Never, Visits
from sb3_isr.schedules.queries import AllQueries, RandomQueries, UncertaintyQueries
from sb3_isr.version import __version__
from sb3_isr.wrappers import ISRRewardWrapper, SocialRewardWrapper, VecISRReward
from sb3_isr.zoo.callback import ZooISRCallback

__all__ = [
    "PAPER_ISR",
    "PAPER_TRAINER",
    "AllQueries",
    "Always",
    "AnySpaceExtractor",
    "Caregiver",
    "DelayedCaregiver",
    "Fade",
    "FunctionCaregiver",
    "GridCNN",
    "GridOneHot",
    "HackingWatch",
    "ISRCallback",
    "ISRCheckpoint",
    "ISRChildCallback",
    "ISRRewardWrapper",
    "ISRTrainer",
    "InternalSocialReward",
    "LabelBatch",
    "LabelStore",
    "LeaveAt",
    "Never",
    "NoisyCaregiver",
    "PraiseCaregiver",
    "RandomQueries",
    "SocialRewardWrapper",
    "SparseCaregiver",
    "TaskRewardCaregiver",
    "Transition",
    "UncertaintyQueries",
    "VecISRReward",
    "Visits",
    "ZooISRCallback",
    "__version__",
]

# The environment's own tests call check_env; a checker on every step would only slow users down.
_coin_game: dict[str, Any] = {"entry_point": "sb3_isr.envs.coin_game.env:CoinGameEnv", "disable_env_checker": True}
gymnasium.register(id="sb3_isr/CoinGame-v0", **_coin_game)
for _layout in MAPS:
    # An id for each map: RL Zoo's evaluation does not see the arguments of environments in its YAML.
    gymnasium.register(id=f"sb3_isr/CoinGame-{_layout}-v0", kwargs={"layout": _layout}, **_coin_game)
gymnasium.register(
    id="sb3_isr/Prosocial-v0", entry_point="sb3_isr.envs.prosocial.env:ProsocialEnv", disable_env_checker=True
)
