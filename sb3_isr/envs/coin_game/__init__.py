"""The coin game, alone and batched."""
