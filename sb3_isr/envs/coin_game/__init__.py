"""The coin game."""
