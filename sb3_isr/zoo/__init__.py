"""RL Zoo: the callback for its YAML, and its command line with what it lacks."""
