"""The prosocial game."""
