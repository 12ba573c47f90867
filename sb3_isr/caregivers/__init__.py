"""Caregivers: their interface, simulated ones, and imperfect ones composed over others."""

from sb3_isr.caregivers.base import Caregiver, FunctionCaregiver, Transition
from sb3_isr.caregivers.imperfect import DelayedCaregiver, NoisyCaregiver, SparseCaregiver
from sb3_isr.caregivers.simulated import PraiseCaregiver, TaskRewardCaregiver

__all__ = [
    "Caregiver",
    "DelayedCaregiver",
    "FunctionCaregiver",
    "NoisyCaregiver",
    "PraiseCaregiver",
    "SparseCaregiver",
    "TaskRewardCaregiver",
    "Transition",
]
