"""The suite of tasks."""

from pathlib import Path

import numpy as np
import pytest

from reproduction.__main__ import _parser
from reproduction.reproduce import run_study
from reproduction.results import Results
from reproduction.ruler import hackability_runs
from reproduction.study_runs import Hackability, TaskRun
from reproduction.suite import TASKS
from reproduction.task_run import run_task
from reproduction.tasks import retention, task_runs, write_tasks

RESULT = {
    "returns": {
        "random": [10.0],
        "socialization": [20.0, 50.0],
        "isr": [0.0, 50.0],
        "none": [0.0, 10.0],
        "oracle": [60.0, 54.0],
    },
    "held_out": {"mse": 0.1, "explained": 0.98, "explained_continuing": 0.9, "explained_terminated": None},
    "gradient_steps": 2000,
}


@pytest.mark.parametrize("name", TASKS)
def test_each_task_can_be_stepped(name: str) -> None:
    if name == "InvertedPendulum":
        pytest.importorskip("mujoco")
    env = TASKS[name].env()
    env.reset()
    _, rewards, _, infos = env.step(np.array([env.action_space.sample() for _ in range(env.num_envs)]))
    assert np.isfinite(rewards).all()
    assert all("social_reward" in info for info in infos)


def test_retention_is_1_at_departure_and_0_for_random_actions() -> None:
    assert [retention(RESULT, condition) for condition in ("isr", "none", "oracle")] == [1.0, 0.0, pytest.approx(1.1)]


def test_the_table_has_what_is_done(tmp_path: Path) -> None:
    results = Results(tmp_path / "results", tmp_path / "work")
    results.write(TaskRun("CartPole", 0, TASKS["CartPole"].steps, TASKS["CartPole"].settings_hash()), RESULT)
    table = write_tasks(results, tmp_path / "docs")
    assert "CartPole" in table
    assert "1/10" in table
    assert "Taxi" not in table
    assert (tmp_path / "docs" / "suite.md").exists()
    assert (tmp_path / "docs" / "images" / "suite.png").stat().st_size > 1000


def test_runs_are_listed_seed_by_seed() -> None:
    runs = task_runs()
    assert [run.seed for run in runs] == sorted(run.seed for run in runs)
    assert len(set(run.path for run in runs)) == len(runs) == sum(task.seeds for task in TASKS.values())
    assert len(hackability_runs(2)) == 16


def test_a_study_is_made_by_the_command_and_not_made_twice(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    results = Results(tmp_path / "results", tmp_path / "work")
    for run in hackability_runs(1):
        results.write(run, {"score": 0.5 if run.task == "Taxi" else 1.0, "explained": 0.99})
    paths = ["--results", str(results.archives), "--work", str(results.work), "--out", str(tmp_path / "docs")]
    assert run_study("hackability", _parser().parse_args(["hackability", "--seeds", "1", *paths])) == 0
    assert "8 of 8 runs are done" in capsys.readouterr().out
    assert "0.500" in (tmp_path / "docs" / "hackability.md").read_text()
    assert Hackability("Taxi", 50_000, 0) in results


@pytest.mark.slow
def test_a_task_is_made_in_three_conditions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    task = TASKS["work, some breaks"]
    monkeypatch.setitem(TASKS, "work, some breaks", task.__class__(**{**vars(task), "steps": 2048}))
    steps: list[int] = []
    result = run_task("work, some breaks", 0, tmp_path, steps.append)
    assert set(result["returns"]) == {"random", "socialization", "isr", "none", "oracle"}
    assert steps[-1] == 4 * 2048
    assert sorted(steps) == steps
