"""Experiments: running, drawing and reporting them."""
