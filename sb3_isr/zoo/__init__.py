"""RL Zoo."""
