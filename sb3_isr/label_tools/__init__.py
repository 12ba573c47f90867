"""``sb3-isr labels`` and ``sb3-isr fit``: labels are handed on, and ISRs trained on them without an environment."""
