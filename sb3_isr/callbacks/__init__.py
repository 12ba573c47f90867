"""Callbacks for Stable-Baselines3."""

from sb3_isr.callbacks.hacking_watch import HackingWatch
from sb3_isr.callbacks.isr_callback import ISRCallback
from sb3_isr.zoo.callback import ZooISRCallback

__all__ = ["HackingWatch", "ISRCallback", "ZooISRCallback"]
