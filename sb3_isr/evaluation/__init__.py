"""Evaluates internalization: episodes, the conditions after departure, statistics over seeds."""
