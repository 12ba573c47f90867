"""Value internalization for Stable-Baselines3: keep learning after the one who gave the reward has left."""

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
from sb3_isr.envs.registration import register_environments
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

register_environments()
