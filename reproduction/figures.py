"""The paper's figures as data, and what goes past them: a figure is a list of runs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache

from reproduction.methods import CAREFUL, METHODS
from reproduction.protocols import Protocol
from reproduction.runs import (
    NEW_TASKS,
    Autonomy,
    Baseline,
    FewLabels,
    Internalization,
    Method,
    Run,
    Socialization,
)
from sb3_isr.envs.coin_game.maps import MAPS
from sb3_isr.evaluation.conditions import Condition

#: Number of labels of an internalization that is certainly incomplete, see figure 6.
FEW_LABELS = 500


def heading(name: str) -> str:
    """
    Get the heading of a figure.

    :param name: The figure.
    :return: The name by which a reader knows it.
    """
    return f"Figure {name.removeprefix('fig')}" if name.startswith("fig") else "Beyond the paper"


@dataclass(frozen=True)
class Figure:
    """
    A figure as a list of runs.

    :param title: What the figure shows.
    :param runs: All runs of one seed.
    :param seeds: Number of seeds in the committed results of each protocol; 0 if it does not have the figure.
    :param in_parts: Whether a seed is shown as soon as some of its runs are done.
    :param chosen_on: Number of seeds, from 0 on, on which something was chosen; the others are the test.
    """

    title: str
    runs: Callable[[Protocol, int], list[Run]]
    seeds: dict[str, int]
    in_parts: bool = False
    chosen_on: int = 0


def autonomy_in_old_task(socialization: Socialization, condition: Condition) -> Autonomy:
    """
    Get a run of figures 1b, 4a and 7, where the task stays the same.

    :return: The run.
    """
    isr = internalization(socialization) if condition == "isr" else None
    return Autonomy(socialization, socialization.task, condition, socialization.protocol.autonomy_steps, isr)


def internalization(socialization: Socialization, n_labels: int | None = None) -> Internalization:
    """
    Get the training of the ISR that autonomy is given.

    :return: The run.
    """
    return Internalization(socialization, socialization.protocol.socialization_steps, n_labels)


def autonomy_on(
    task: str, protocol: Protocol, seed: int, condition: Condition, n_labels: int | None = None
) -> Autonomy:
    """
    Get a run of figures 4b, 5 and 6, with a new task after socialization with 1 wall.

    On the maps the published learner starts from its best checkpoint, and an internal reward counts only above half of
    the praise.

    :return: The run.
    """
    socialization = Socialization(protocol, "1 wall", protocol.slow_learning_rate, seed)
    is_map = task in MAPS
    return Autonomy(
        socialization,
        task,
        condition,
        protocol.new_task_steps,
        internalization(socialization, n_labels) if condition == "isr" else None,
        start="best" if is_map else "last",
        threshold=0.2 if is_map and condition == "isr" else None,
        evaluate_on=(task,),
    )


def frozen(protocol: Protocol, seed: int) -> Autonomy:
    """
    Get the run of the learner that stays in the old task, and is only evaluated in new ones.

    :return: The run; the caregiver stays, and it is as long as the others.
    """
    socialization = Socialization(protocol, "1 wall", protocol.slow_learning_rate, seed)
    return Autonomy(socialization, "1 wall", "oracle", protocol.new_task_steps, evaluate_on=NEW_TASKS)


def old_task_runs(name: str, protocol: Protocol, seed: int) -> dict[Condition, Autonomy]:
    """
    Get the runs of a figure whose task stays the same.

    :param name: Figure 1b, 4a or 7.
    :param protocol: Which protocol.
    :param seed: Which seed.
    :return: Its runs by condition.
    """
    conditions: tuple[Condition, ...] = ("none", "oracle") if name == "fig1b" else ("isr", "none", "oracle")
    if name == "fig7":
        longer = replace(
            protocol,
            socialization_steps=2 * protocol.socialization_steps,
            autonomy_steps=2 * protocol.autonomy_steps,
        )
        socialization = Socialization(longer, "prosocial", protocol.learning_rate, seed)
    else:
        rate = protocol.slow_learning_rate if name == "fig1b" else protocol.learning_rate
        socialization = Socialization(protocol, "3 walls", rate, seed)
    return {condition: autonomy_in_old_task(socialization, condition) for condition in conditions}


def _fig1b(protocol: Protocol, seed: int) -> list[Run]:
    return [*old_task_runs("fig1b", protocol, seed).values()]


def isr_training(protocol: Protocol, seed: int) -> Internalization:
    """
    Get the run of figure 3a; the paper trains this ISR in batches of 10, and more slowly.

    :return: The run.
    """
    socialization = Socialization(protocol, "3 walls", protocol.learning_rate, seed)
    if protocol.networks == "mlp":
        return internalization(socialization)
    return Internalization(socialization, protocol.socialization_steps, batch_size=10, learning_rate=3e-5)


def label_curve(protocol: Protocol, seed: int) -> list[Internalization]:
    """
    Get the runs of figure 3b.

    :return: One ISR for each number of steps.
    """
    socialization = Socialization(protocol, "3 walls", protocol.learning_rate, seed)
    return [Internalization(socialization, steps) for steps in protocol.label_steps]


def _fig4a(protocol: Protocol, seed: int) -> list[Run]:
    return [*old_task_runs("fig4a", protocol, seed).values()]


def _fig4b(protocol: Protocol, seed: int) -> list[Run]:
    runs = [autonomy_on("5 walls", protocol, seed, condition) for condition in ("isr", "oracle")]
    return [*runs, frozen(protocol, seed)]


def _fig5(protocol: Protocol, seed: int) -> list[Run]:
    runs = [autonomy_on(task, protocol, seed, condition) for task in MAPS for condition in ("isr", "oracle")]
    return [*runs, frozen(protocol, seed)]


def hacking_runs(protocol: Protocol, seed: int) -> list[Autonomy]:
    """
    Get the runs of figure 6: every ISR on every map.

    :return: The runs; the fast protocol's ISR is also given few labels, since with all of them it is hardly incomplete.
    """
    label_counts = (None, FEW_LABELS) if protocol.networks == "mlp" else (None,)
    return [autonomy_on(task, protocol, seed, "isr", n_labels) for n_labels in label_counts for task in MAPS]


def baselines(protocol: Protocol, seed: int) -> list[Baseline]:
    """
    Get the baselines of figure 7.

    :return: The runs.
    """
    return [Baseline(protocol, "random learner", seed), Baseline(protocol, "perfect helper", seed)]


def _fig7(protocol: Protocol, seed: int) -> list[Run]:
    return [*old_task_runs("fig7", protocol, seed).values(), *baselines(protocol, seed)]


def few_labels(protocol: Protocol, seed: int, task: str, method: Method, n_labels: int | None) -> FewLabels:
    """
    Get one run of the study of few labels.

    :param task: "3 walls", where the learner was socialized, or a map, where it was not.
    :return: The run.
    """
    if task in MAPS:
        socialization = Socialization(protocol, "1 wall", protocol.slow_learning_rate, seed)
        return FewLabels(socialization, task, method, n_labels, start="best")
    return FewLabels(Socialization(protocol, task, protocol.learning_rate, seed), task, method, n_labels)


@cache
def oracle_of(run: FewLabels) -> Autonomy:
    """
    Get the run in which the caregiver stays.

    :return: The run.
    """
    if run.task in MAPS:
        return autonomy_on(run.task, run.protocol, run.seed, "oracle")
    return autonomy_in_old_task(run.socialization, "oracle")


@cache
def labels_runs(protocol: Protocol, seed: int) -> tuple[FewLabels, ...]:
    """
    Get all runs of the study of few labels.

    :return: The runs in the old task and on map "x"; for the careful ISR that is given all labels also those on the
        other maps.
    """
    of_methods = [
        few_labels(protocol, seed, task, method, n_labels)
        for method, counts in METHODS.items()
        for n_labels in counts
        for task in ("3 walls", "x")
    ]
    return (*of_methods, *(few_labels(protocol, seed, task, CAREFUL, None) for task in MAPS if task != "x"))


def _labels(protocol: Protocol, seed: int) -> list[Run]:
    runs = labels_runs(protocol, seed)
    return [*runs, *dict.fromkeys(oracle_of(run) for run in runs)]


def _all_seeds(paper: int) -> dict[str, int]:
    return {"fast": 10, "paper": paper}


FIGURES: dict[str, Figure] = {
    "fig1b": Figure("Without social rewards, socialized behaviour is unlearned", _fig1b, _all_seeds(10)),
    "fig3a": Figure(
        "The ISR's training and held-out loss fall",
        lambda protocol, seed: [isr_training(protocol, seed)],
        _all_seeds(10),
    ),
    "fig3b": Figure(
        "The more labels, the lower the ISR's held-out error", lambda *at: [*label_curve(*at)], _all_seeds(10)
    ),
    "fig4a": Figure("With the ISR, learning goes on after the caregiver has left", _fig4a, _all_seeds(10)),
    "fig4b": Figure("Out of distribution: socialized with 1 wall, then 5 random walls", _fig4b, _all_seeds(3)),
    "fig5": Figure("Out of distribution: five hand-made maps", _fig5, _all_seeds(3)),
    "fig6": Figure(
        "Reward hacking: internal return rises while fewer goals are reached",
        lambda *at: [*hacking_runs(*at)],
        _all_seeds(3),
    ),
    "fig7": Figure(
        "The prosocial game: a learner praised only when another reached its goal goes on helping",
        _fig7,
        {"fast": 5, "paper": 0},
    ),
    "labels": Figure(
        "Few labels: what is retained with how many", _labels, {"fast": 10, "paper": 0}, in_parts=True, chosen_on=4
    ),
}
