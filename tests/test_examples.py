"""The examples run, as a user runs them."""

import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLE = Path(__file__).parents[1] / "examples" / "task_reward.py"


@pytest.mark.slow
@pytest.mark.parametrize("task", ["cartpole", "pendulum", "doorkey", "taxi", "frozenlake"])
def test_a_task_prints_its_table(task: str) -> None:
    command = [sys.executable, str(EXAMPLE), task, "--seeds", "1", "--steps-scale", "0.03"]
    printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    rows = {line.split()[0]: line.split()[1:] for line in printed.splitlines()[-5:]}
    chance, departure = float(rows["random"][0]), float(rows["socialization"][0])
    for condition in ("isr", "none", "oracle"):
        value, retention = map(float, rows[condition][:2])
        # Two digits are printed; where hardly anything was learned they are too few to divide by.
        if abs(departure - chance) > 1:
            assert retention == pytest.approx((value - chance) / (departure - chance), abs=0.03)
