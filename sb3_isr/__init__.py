"""Value internalization for Stable-Baselines3: keep learning after the one who gave the reward has left."""

from typing import Any

import gymnasium

from sb3_isr.callbacks import HackingWatch, ISRCallback, ZooISRCallback
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
from sb3_isr.isr.model import PAPER_ISR, InternalSocialReward
from sb3_isr.labels.store import LabelBatch, LabelStore
from sb3_isr.schedules.presence import Always, Fade, LeaveAt, Never, Visits
from sb3_isr.schedules.queries import AskAlways, AskAtRandom, AskWhenUnsure
from sb3_isr.version import __version__
from sb3_isr.wrappers import ISRRewardWrapper, SocialRewardWrapper, VecISRReward

__all__ = [
    "PAPER_ISR",
    "Always",
    "AnySpaceExtractor",
    "AskAlways",
    "AskAtRandom",
    "AskWhenUnsure",
    "Caregiver",
    "DelayedCaregiver",
    "Fade",
    "FunctionCaregiver",
    "GridCNN",
    "GridOneHot",
    "HackingWatch",
    "ISRCallback",
    "ISRRewardWrapper",
    "InternalSocialReward",
    "LabelBatch",
    "LabelStore",
    "LeaveAt",
    "Never",
    "NoisyCaregiver",
    "PraiseCaregiver",
    "SocialRewardWrapper",
    "SparseCaregiver",
    "TaskRewardCaregiver",
    "Transition",
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
