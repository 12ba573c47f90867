"""Callbacks for Stable-Baselines3."""

from sb3_isr.callbacks.internalize import ISRCallback

__all__ = ["ISRCallback"]
