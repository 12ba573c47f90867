"""The examples run, as a user runs them."""

import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLE = Path(__file__).parents[1] / "examples" / "task_reward.py"


@pytest.mark.slow
@pytest.mark.parametrize("task", ["CartPole-v1", "Pendulum-v1", "MiniGrid-DoorKey-5x5-v0", "Taxi-v4", "FrozenLake-v1"])
def test_a_task_prints_its_table(task: str) -> None:
    command = [sys.executable, str(EXAMPLE), task, "--seeds", "1", "--steps", "600"]
    lines = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()
    columns = [cell.strip() for cell in lines[0].strip("|").split("|")]
    assert columns == [task, "random", "departure", "isr", "none", "oracle", "retention isr", "none", "oracle"]
    name, *numbers = (cell.strip() for cell in lines[2].strip("|").split("|"))
    assert name == "seed 0"
    random, departure, isr, none, oracle, *retention = map(float, numbers)
    for value, kept in zip((isr, none, oracle), retention, strict=True):
        # The table shows two digits; where hardly anything was learned they are too few to divide by.
        if abs(departure - random) > 1:
            assert kept == pytest.approx((value - random) / (departure - random), abs=0.03)
