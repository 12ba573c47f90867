"""Callbacks for Stable-Baselines3."""

from sb3_isr.callbacks.internalize import ISRCallback
from sb3_isr.callbacks.watch import HackingWatch
from sb3_isr.callbacks.zoo import ZooISRCallback

__all__ = ["HackingWatch", "ISRCallback", "ZooISRCallback"]
