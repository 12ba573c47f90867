"""Value internalization for Stable-Baselines3: keep learning after the one who gave the reward has left."""

from sb3_isr.callbacks import HackingWatch, ISRCallback, ISRCheckpoint, ISRChildCallback, MailboxReport
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
from sb3_isr.isr.model import InternalSocialReward
from sb3_isr.isr.paper import PAPER_ISR, PAPER_TRAINER
from sb3_isr.isr.training import ISRTrainer
from sb3_isr.labels import AttributedLabels, LabelBatch, LabelStore, Transitions, read_labels, write_labels
from sb3_isr.respondents.mailbox import Mailbox
from sb3_isr.schedules.episode_queries import EpisodeQueries
from sb3_isr.schedules.presence import Always, Fade, LeaveAt, Never, Visits
from sb3_isr.schedules.queries import AllQueries, RandomQueries, UncertaintyQueries
from sb3_isr.version import __version__
from sb3_isr.wrappers import FrameRecorder, ISRRewardWrapper, SocialRewardWrapper, VecISRReward
from sb3_isr.zoo.callback import ZooISRCallback

__all__ = [
    "PAPER_ISR",
    "PAPER_TRAINER",
    "AllQueries",
    "Always",
    "AnySpaceExtractor",
    "AttributedLabels",
    "Caregiver",
    "DelayedCaregiver",
    "EpisodeQueries",
    "Fade",
    "FrameRecorder",
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
    "Mailbox",
    "MailboxReport",
    "Never",
    "NoisyCaregiver",
    "PraiseCaregiver",
    "RandomQueries",
    "SocialRewardWrapper",
    "SparseCaregiver",
    "TaskRewardCaregiver",
    "Transition",
    "Transitions",
    "UncertaintyQueries",
    "VecISRReward",
    "Visits",
    "ZooISRCallback",
    "__version__",
    "read_labels",
    "write_labels",
]

register_environments()
