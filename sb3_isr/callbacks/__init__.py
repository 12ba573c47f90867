"""Callbacks for Stable-Baselines3: ISRCallback, and its children."""

from sb3_isr.callbacks.checkpoint import ISRCheckpoint
from sb3_isr.callbacks.child import ISRChildCallback
from sb3_isr.callbacks.hacking_watch import HackingWatch
from sb3_isr.callbacks.isr_callback import ISRCallback
from sb3_isr.callbacks.mailbox_report import MailboxReport

__all__ = ["HackingWatch", "ISRCallback", "ISRCheckpoint", "ISRChildCallback", "MailboxReport"]
