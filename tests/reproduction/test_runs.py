"""The figures as data: the paper's constants, and what runs share."""

import pytest

from reproduction.figures import FIGURES
from reproduction.protocols import PROTOCOLS, TASKS, Protocol
from reproduction.reproduce import runs_of
from reproduction.runs import Autonomy, Baseline, Internalization, Run, Socialization, with_requirements

PAPER = PROTOCOLS["paper"]


def all_runs(protocol: Protocol) -> list[Run]:
    return with_requirements(runs_of(list(FIGURES), protocol, 2))


@pytest.mark.parametrize("protocol", PROTOCOLS.values(), ids=list(PROTOCOLS))
def test_no_two_runs_have_the_same_path(protocol: Protocol) -> None:
    runs = all_runs(protocol)
    assert len({run.path for run in runs}) == len(runs)


def test_what_a_run_requires_comes_before_it() -> None:
    done: set[Run] = set()
    for run in all_runs(PAPER):
        assert done.issuperset(run.requires)
        done.add(run)


def test_a_rollout_has_the_papers_size_in_both_protocols() -> None:
    assert {protocol.rollout for protocol in PROTOCOLS.values()} == {2048}


# Figure, its socialization's task and learning rate, its runs' tasks, and their number of steps.
TABLE = [
    ("fig1b", "3 walls", 1e-4, {"3 walls"}, 120_000),
    ("fig4a", "3 walls", 3e-4, {"3 walls"}, 120_000),
    ("fig4b", "1 wall", 1e-4, {"5 walls", "1 wall"}, 240_000),
    ("fig5", "1 wall", 1e-4, {"plus", "x", "U", "T", "four_rooms", "1 wall"}, 240_000),
    ("fig6", "1 wall", 1e-4, {"plus", "x", "U", "T", "four_rooms"}, 240_000),
]


@pytest.mark.parametrize(("name", "old_task", "learning_rate", "tasks", "steps"), TABLE)
def test_the_papers_autonomy(name: str, old_task: str, learning_rate: float, tasks: set[str], steps: int) -> None:
    runs = FIGURES[name].runs(PAPER, 0)
    assert all(isinstance(run, Autonomy) for run in runs)
    for run in runs:
        assert isinstance(run, Autonomy)
        assert run.socialization == Socialization(PAPER, old_task, learning_rate, seed=0)
        assert run.socialization.steps == 120_000
        assert run.steps == steps
    assert {run.task for run in runs if isinstance(run, Autonomy)} == tasks <= set(TASKS)


def test_the_papers_internalization() -> None:
    (slow,) = FIGURES["fig3a"].runs(PAPER, 0)
    assert isinstance(slow, Internalization)
    assert (slow.batch_size, slow.learning_rate, slow.steps) == (10, 3e-5, 120_000)
    label_steps = [run.steps for run in FIGURES["fig3b"].runs(PAPER, 0)]
    assert label_steps == [10_000, 20_000, 30_000, 40_000, 80_000, 120_000]


def test_figure_7_has_twice_the_steps_and_what_it_is_compared_to() -> None:
    runs = FIGURES["fig7"].runs(PROTOCOLS["fast"], 0)
    in_autonomy = [run for run in runs if isinstance(run, Autonomy)]
    assert [run.condition for run in in_autonomy] == ["isr", "none", "oracle"]
    assert {(run.task, run.steps, run.socialization.steps) for run in in_autonomy} == {("prosocial", 240_000, 240_000)}
    assert [run.policy for run in runs if isinstance(run, Baseline)] == ["random learner", "perfect helper"]


def test_figures_share_socializations_and_isrs() -> None:
    runs = with_requirements(runs_of(["fig3b", "fig4a", "fig4b", "fig5", "fig6"], PAPER, 1))
    assert sum(isinstance(run, Socialization) for run in runs) == 2  # 3 walls fast, 1 wall slow
    in_autonomy = [run.isr for run in runs if isinstance(run, Autonomy) and run.socialization.task == "3 walls"]
    assert set(in_autonomy) - {None} <= set(FIGURES["fig3b"].runs(PAPER, 0))


def test_on_the_maps_the_learner_starts_from_the_best_checkpoint_and_only_half_of_the_praise_counts() -> None:
    for run in FIGURES["fig5"].runs(PAPER, 0):
        assert isinstance(run, Autonomy)
        on_map = run.task != "1 wall"
        assert run.start == ("best" if on_map else "last")
        assert run.threshold == (0.2 if run.condition == "isr" else None)
