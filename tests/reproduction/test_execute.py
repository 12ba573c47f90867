"""What one run does and measures."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gymnasium.spaces import MultiDiscrete

from reproduction.execute import execute
from reproduction.figures import autonomy_on, baselines, internalization, old_task_runs
from reproduction.runs import NEW_TASKS, Internalization, Socialization
from sb3_isr import InternalSocialReward
from tests.reproduction.tiny import TINY

#: The tests share runs, which are made once if one process has them all.
pytestmark = pytest.mark.xdist_group("execute")

SOCIALIZATION = Socialization(TINY, "1 wall", TINY.slow_learning_rate, seed=3)
ISR = internalization(SOCIALIZATION)


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A socialization's and an internalization's weights and labels."""
    return tmp_path_factory.mktemp("work")


@pytest.fixture(scope="module")
def socialized(work: Path) -> dict[str, Any]:
    return execute(SOCIALIZATION, work)


@pytest.fixture(scope="module")
def internalized(work: Path, socialized: dict[str, Any]) -> dict[str, Any]:
    return execute(ISR, work)


def without_time(result: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in result.items() if key != "wall_seconds"}


def test_socialization_leaves_every_label_and_is_measured_on_every_task(work: Path, socialized: dict[str, Any]) -> None:
    with np.load(work / SOCIALIZATION.path / "labels.npz") as file:
        assert len(file["social_rewards"]) == 800
        goals = float((file["social_rewards"] > 0).sum())
    curves = socialized["curves"]
    assert np.mean(curves["goals"]) * 40 == pytest.approx(goals, abs=0.01)  # 800 steps are 40 episodes
    assert curves["utility"] == pytest.approx(0.4 * np.array(curves["goals"]) + curves["environment"], abs=1e-4)
    assert socialized["evaluation"]["best"].keys() >= set(NEW_TASKS)
    for acting in ("deterministic", "sampled"):
        measured = socialized["evaluation"]["last"]["x"][acting]
        assert measured["reward"] <= 0.4 * measured["goals"]


def test_the_isrs_error_is_that_on_the_last_tenth_of_the_labels(work: Path, internalized: dict[str, Any]) -> None:
    isr = InternalSocialReward.load(work / ISR.path / "isr.safetensors", device="cpu")
    with np.load(work / SOCIALIZATION.path / "labels.npz") as file:
        predicted = isr.predict(file["observations/"][720:], file["actions"][720:])
        expected = ((predicted - file["social_rewards"][720:]) ** 2).mean()
    assert internalized["n_labels"] == 720
    assert internalized["n_held_out"] == 80
    assert internalized["held_out_mse"] == pytest.approx(expected, rel=1e-4)
    assert internalized["losses"]["gradient_steps"][-1] == 20
    assert internalized["losses"]["held_out"][-1] == pytest.approx(expected, rel=1e-4)


def test_held_out_labels_are_never_trained_on(work: Path, socialized: dict[str, Any]) -> None:
    labels = work / SOCIALIZATION.path / "labels.npz"
    before = labels.read_bytes()
    execute(ISR, work)
    trained = InternalSocialReward.load(work / ISR.path / "isr.safetensors", device="cpu")
    with np.load(labels) as file:
        changed = dict(file)
    changed["social_rewards"][720:] = 9.0
    np.savez(labels, **changed)
    execute(ISR, work)
    again = InternalSocialReward.load(work / ISR.path / "isr.safetensors", device="cpu")
    labels.write_bytes(before)
    for name, weights in trained.state_dict().items():
        assert weights.equal(again.state_dict()[name]), name


def test_few_labels_are_a_random_part_of_those_trained_on(work: Path, socialized: dict[str, Any]) -> None:
    result = execute(internalization(SOCIALIZATION, n_labels=50), work)
    assert (result["n_labels"], result["n_held_out"]) == (50, 80)


def test_the_papers_training_is_one_epoch(work: Path, socialized: dict[str, Any]) -> None:
    as_published = replace(TINY, isr_gradient_steps=None)
    run = Internalization(replace(SOCIALIZATION, protocol=as_published), 800, batch_size=10)
    result = execute(run, work)
    assert result["losses"]["gradient_steps"][-1] == 72


@pytest.mark.parametrize("condition", ["isr", "none", "oracle"])
def test_the_reward_of_the_learner_in_autonomy(
    condition: Any, work: Path, socialized: dict[str, Any], internalized: dict[str, Any]
) -> None:
    run = autonomy_on("x", TINY, 3, condition)
    curves = execute(run, work)["curves"]
    paid = np.subtract(curves["utility"], curves["environment"])
    praise = 0.4 * np.array(curves["goals"])
    if condition == "oracle":
        assert paid == pytest.approx(praise, abs=1e-4)
    elif condition == "none":
        assert paid == pytest.approx(0.0, abs=1e-4)
    else:
        assert np.abs(paid - praise).max() > 0.001  # an ISR of 20 gradient steps errs


def test_an_internal_reward_below_the_threshold_counts_as_none(
    work: Path, socialized: dict[str, Any], internalized: dict[str, Any]
) -> None:
    none_counts = replace(autonomy_on("x", TINY, 3, "isr"), threshold=9.0)
    curves = execute(none_counts, work)["curves"]
    assert np.subtract(curves["utility"], curves["environment"]) == pytest.approx(0.0, abs=1e-4)


@pytest.mark.slow
def test_one_run_is_one_result(work: Path, socialized: dict[str, Any], internalized: dict[str, Any]) -> None:
    run = autonomy_on("x", TINY, 3, "isr")
    assert without_time(execute(run, work)) == without_time(execute(run, work))


@pytest.mark.slow
def test_the_prosocial_games_isr_gets_both_actions(tmp_path: Path) -> None:
    isr = old_task_runs("fig7", TINY, 0)["isr"].isr
    assert isr is not None
    execute(isr.socialization, tmp_path)
    execute(isr, tmp_path)
    learned = InternalSocialReward.load(tmp_path / isr.path / "isr.safetensors", device="cpu")
    assert learned.action_space == MultiDiscrete([6, 6])


def test_the_perfect_helper_helps_and_the_random_learner_hardly_does(tmp_path: Path) -> None:
    goals = [execute(replace(run, n_episodes=20), tmp_path)["goals"] for run in baselines(TINY, 0)]
    assert goals[0] < 0.5 < 4 < goals[1]


def test_progress_ends_at_the_last_step(work: Path, socialized: dict[str, Any]) -> None:
    steps: list[int] = []
    execute(autonomy_on("x", TINY, 3, "none"), work, steps.append)
    assert steps == sorted(steps)
    assert steps[-1] == 800
