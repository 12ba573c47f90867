"""Checks for parts of your own."""

from sb3_isr.testing.checks import ConformanceError, check_caregiver, check_env, check_isr, check_presence

__all__ = ["ConformanceError", "check_caregiver", "check_env", "check_isr", "check_presence"]
