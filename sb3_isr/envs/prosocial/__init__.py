"""The prosocial game, alone, batched and for PettingZoo."""
