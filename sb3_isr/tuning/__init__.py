"""Search over internalization schedules, with Optuna."""
