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


@pytest.mark.slow
def test_the_rl_zoo_runs_are_drawn_and_counted_and_not_repeated(tmp_path: Path) -> None:
    command = [sys.executable, str(EXAMPLE.with_name("rl_zoo.py")), "--out", str(tmp_path), "--tasks", "cartpole"]
    command += ["--seeds", "1", "--steps-scale", "0.02"]
    first, again = (subprocess.run(command, check=True, capture_output=True, text=True).stdout for _ in range(2))
    assert (tmp_path / "learning_curves.png").stat().st_size > 0
    assert first.count("rl_zoo3.train") == 2
    row = first.splitlines()[-1]
    assert again.splitlines() == [*first.splitlines()[-3:-1], row]
    # CartPole's return is its length: a beginner's episode takes about 20 steps, whoever rewards it.
    assert all(8 < float(cell) < 100 for cell in row.split("|")[2:5])
