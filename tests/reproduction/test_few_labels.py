"""The study of few labels: the labels of a run, its retention, and the judgement of alarms."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from stable_baselines3 import PPO

from reproduction.alarms import watch_run
from reproduction.execute import execute
from reproduction.few_labels import Signals, choose_labels, few_labels_callback, used_labels
from reproduction.figures import few_labels, oracle_of
from reproduction.methods import BASELINE, QUERYING
from reproduction.protocols import TASKS
from reproduction.results import Results
from reproduction.runs import FewLabels, Method
from reproduction.values import retention
from sb3_isr import HackingWatch, VecISRReward
from tests.labels.made_labels import labelled
from tests.reproduction.tiny import TINY

#: The tests share runs, which are made once if one process has them all.
pytestmark = pytest.mark.xdist_group("few_labels")

UNWATCHED = replace(QUERYING, name="unwatched", watched=False)
HALF_PRAISED = replace(UNWATCHED, name="half praised", queries=None)


def run_of(method: Method, n_labels: int | None) -> FewLabels:
    return replace(few_labels(TINY, 0, "3 walls", method, n_labels), steps=800)


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A socialization's weights and labels."""
    work = tmp_path_factory.mktemp("work")
    execute(run_of(BASELINE, None).socialization, work)
    return work


def test_a_run_gets_so_many_labels_queries_counted(work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[int] = []

    def record(signals: Signals) -> None:
        given.append(signals.isr_callback.store.n_added)
        on_rollout_end(signals)

    on_rollout_end = Signals._on_rollout_end
    monkeypatch.setattr(Signals, "_on_rollout_end", record)
    result = execute(run_of(UNWATCHED, 40), work)
    assert result["n_labels"] == 40
    assert len(given) == len(result["signals"]["doubt"]) == 10  # one for each rollout of 80 steps
    assert given[0] == 24  # half of them before, and the first of five rounds
    assert given[-1] == 40


def test_without_a_number_a_run_gets_all_labels(work: Path) -> None:
    assert execute(run_of(BASELINE, None), work)["n_labels"] == 720  # nine tenths of the socialization's 800


def test_a_watched_run_has_a_watch_that_queries_the_caregiver(work: Path) -> None:
    run = run_of(QUERYING, 40)
    model = PPO.load(work / run.socialization.path / "last.zip", env=VecISRReward(TASKS[run.task](4)), device="cpu")
    callback, _ = few_labels_callback(run, used_labels(run, work), model)
    (watch,) = callback.children
    assert isinstance(watch, HackingWatch)
    assert (watch.remedy, watch.n_labels) == ("query", 2)
    assert callback.store.n_added == 20


def test_half_of_the_labels_are_of_praise_as_far_as_there_is() -> None:
    praise = np.zeros(100, np.float32)
    praise[::4] = 0.4
    labels = labelled(np.arange(100)[:, None], np.zeros(100, int), praise)
    assert (choose_labels(run_of(HALF_PRAISED, 20), labels, 20).social_rewards > 0).sum() == 10
    assert (choose_labels(run_of(HALF_PRAISED, 80), labels, 80).social_rewards > 0).sum() == 25
    random = choose_labels(run_of(BASELINE, 20), labels, 20)
    assert len(random.social_rewards) == 20
    assert (random.social_rewards > 0).sum() < 10


def test_retention_compares_the_same_steps(tmp_path: Path) -> None:
    results, run = Results(tmp_path / "results", tmp_path / "work"), few_labels(TINY, 0, "3 walls", BASELINE, 100)
    steps = np.arange(1, 41) * 2500
    results.write(run, {"curves": {"steps": steps.tolist(), "goals": [2.0] * 20 + [1.0] * 20}})
    # The oracle goes on for longer; what it does then does not count.
    longer = np.arange(1, 61) * 2500
    results.write(oracle_of(run), {"curves": {"steps": longer.tolist(), "goals": [2.0] * 40 + [50.0] * 20}})
    np.testing.assert_allclose(retention(run, results), [1.0] * 5 + [0.5] * 5)


def result_of(doubts: list[float]) -> dict[str, Any]:
    """Doubts of so many rollouts."""
    return {"signals": {"doubt": doubts, "internal": [0.06] * len(doubts)}}


SOCIALIZATION = {"curves": {"goals": [0.0, 3.0, 3.0]}}  # praised with 0.4 in 20 steps: 0.06 a step
LOST = [1, 1, 1, 0.7, 0.31, 0, 0, 0, 0, 0]  # half of it just after 0.4
KEPT = [1, 0.8, 1, 1, 1, 1, 1, 0.8, 0.8, 0.8]
DIPPED = [1, 0.4, 1, 0.7, 0.31, 0, 0, 0, 0, 0]  # half of it also at 0.13, but not for good
AT_ONCE = [0.5, 0.4, 0.4, 0.4, 0.4, 0.4, 0.4, 0.4, 0.4, 0.4]  # half of it at 0.03


@pytest.mark.parametrize(
    ("doubts", "retained", "collapsed", "in_time", "alarm"),
    [
        ([0.01] * 20, [1.0] * 10, False, False, None),
        ([0.01] * 19 + [0.2], [1.0] * 10, False, False, 1.0),
        ([0.01] * 20, LOST, True, False, None),
        ([0.01] * 7 + [0.2] * 13, LOST, True, True, 0.4),
        ([0.01] * 8 + [0.2] * 12, LOST, True, False, 0.45),
        ([0.01] * 6 + [0.2] * 14, DIPPED, True, True, 0.35),
        ([0.01] * 6 + [0.2] * 14, KEPT, False, False, 0.35),
        ([0.2] * 20, AT_ONCE, True, False, 0.05),
        ([0.2] * 40, AT_ONCE, True, True, 0.025),
    ],
)
def test_how_an_alarm_is_judged(
    doubts: list[float], retained: list[float], collapsed: bool, in_time: bool, alarm: float | None
) -> None:
    seen = watch_run(result_of(doubts), SOCIALIZATION, np.array(retained))
    assert (seen.collapsed, seen.in_time, seen.alarm) == (collapsed, in_time, alarm)


def test_an_internal_reward_above_what_the_caregiver_gave_raises_an_alarm() -> None:
    result = result_of([0.0] * 20)
    result["signals"]["internal"][7:] = [0.06 + 0.051 * 0.4] * 13
    assert watch_run(result, SOCIALIZATION, np.array(LOST)).alarm == 0.4
    result["signals"]["internal"][7:] = [0.06 + 0.049 * 0.4] * 13
    assert watch_run(result, SOCIALIZATION, np.array(LOST)).alarm is None
