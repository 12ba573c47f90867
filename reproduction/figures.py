"""The paper's figures as data, and what goes past them: a figure is a list of runs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from reproduction.protocols import Protocol
from reproduction.runs import (
    NEW_TASKS,
    Autonomy,
    Baseline,
    Condition,
    FewLabels,
    Internalization,
    Method,
    Run,
    Socialization,
)
from sb3_isr.envs.coin_game.maps import MAPS

#: Labels of an internalization that is incomplete for sure, see figure 6.
FEW_LABELS = 500


def heading(name: str) -> str:
    """
    :param name: Of a figure.
    :return: What a reader calls it.
    """
    return f"Figure {name.removeprefix('fig')}" if name.startswith("fig") else "Beyond the paper"


@dataclass(frozen=True)
class Figure:
    """
    :param title: What the figure shows.
    :param runs: All runs of one seed.
    :param seeds: How many seeds each protocol's committed results are to have; 0 if it does not have the figure.
    :param in_parts: Whether a seed is shown as soon as some of its runs are done.
    :param chosen_on: On how many seeds, from 0 on, something was chosen; the others are the test.
    """

    title: str
    runs: Callable[[Protocol, int], list[Run]]
    seeds: dict[str, int]
    in_parts: bool = False
    chosen_on: int = 0


def autonomy_in_old_task(socialization: Socialization, condition: Condition) -> Autonomy:
    """
    :return: Figures 1b, 4a and 7: the task stays the same.
    """
    isr = internalization(socialization) if condition == "isr" else None
    return Autonomy(socialization, socialization.task, condition, socialization.protocol.autonomy_steps, isr)


def internalization(socialization: Socialization, n_labels: int | None = None) -> Internalization:
    """
    :return: The ISR that autonomy is given.
    """
    return Internalization(socialization, socialization.protocol.socialization_steps, n_labels)


def autonomy_on(
    task: str, protocol: Protocol, seed: int, condition: Condition, n_labels: int | None = None
) -> Autonomy:
    """
    :return: Figures 4b, 5 and 6: a new task after socialization with 1 wall. On the maps the published learner starts
        from its best checkpoint, and an internal reward counts only above half of the praise.
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
    :return: The learner that stays in the old task with its caregiver for as long, and is only evaluated in new ones.
    """
    socialization = Socialization(protocol, "1 wall", protocol.slow_learning_rate, seed)
    return Autonomy(socialization, "1 wall", "oracle", protocol.new_task_steps, evaluate_on=NEW_TASKS)


def old_task_runs(name: str, protocol: Protocol, seed: int) -> dict[Condition, Autonomy]:
    """
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
    :return: Figure 3a: the paper trains this one in batches of 10, and more slowly.
    """
    socialization = Socialization(protocol, "3 walls", protocol.learning_rate, seed)
    if protocol.networks == "mlp":
        return internalization(socialization)
    return Internalization(socialization, protocol.socialization_steps, batch_size=10, learning_rate=3e-5)


def label_curve(protocol: Protocol, seed: int) -> list[Internalization]:
    """
    :return: Figure 3b: one ISR for each number of steps.
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
    :return: Figure 6: every ISR on every map; the fast protocol's ISR is also given few labels, since with all of them
        it is hardly incomplete.
    """
    label_counts = (None, FEW_LABELS) if protocol.networks == "mlp" else (None,)
    return [autonomy_on(task, protocol, seed, "isr", n_labels) for n_labels in label_counts for task in MAPS]


def baselines(protocol: Protocol, seed: int) -> list[Baseline]:
    """
    :return: What figure 7's learners are compared to.
    """
    return [Baseline(protocol, "random learner", seed), Baseline(protocol, "perfect helper", seed)]


def _fig7(protocol: Protocol, seed: int) -> list[Run]:
    return [*old_task_runs("fig7", protocol, seed).values(), *baselines(protocol, seed)]


#: What an ISR is given in the study of few labels, in all.
LABEL_COUNTS = (100, 200, 500, 1000, 3000, 10_000, None)

#: One ISR as it is by itself, and random labels.
BASELINE = Method("one")
#: The same network and labels, with all that it can make of them.
CAREFUL = Method("careful", limit_to_labels=True, l1_coef=0.006, action_contrast=True)
#: Five of these, and half of the labels are for call-backs to what they disagree on.
CALLING = replace(
    CAREFUL,
    name="careful, called back when unsure",
    n_members=5,
    pessimism=1.0,
    half_praised=True,
    calls="unsure",
    watched=True,
)
_FIVE = replace(CAREFUL, name="careful, five members", n_members=5, pessimism=1.0)
#: The methods, and the numbers of labels at which each is tried. What follows the first three leaves one part out.
METHODS: dict[Method, tuple[int | None, ...]] = {
    BASELINE: LABEL_COUNTS,
    CAREFUL: (25, 50, 100, 200, 500, None),
    CALLING: (25, 50, 100, 200, 500),
    replace(CAREFUL, name="careful, no action_contrast", action_contrast=False): (100,),
    replace(CAREFUL, name="careful, no l1_coef", l1_coef=0.0): (100,),
    replace(CAREFUL, name="careful, no limit", limit_to_labels=False): (100,),
    _FIVE: (100,),
    replace(_FIVE, name="careful, five members, no pessimism", pessimism=0.0): (100,),
    replace(CALLING, name="careful, called back by the clock alone", watched=False): (50,),
    replace(CALLING, name="careful, called back at random", calls="random"): (50,),
    Method("five members", n_members=5, pessimism=1.0): (500,),
}


def few_labels(protocol: Protocol, seed: int, task: str, method: Method, n_labels: int | None) -> FewLabels:
    """
    :param task: "3 walls", where the learner was socialized, or a map, where it was not.
    :return: One run of the study of few labels.
    """
    if task in MAPS:
        socialization = Socialization(protocol, "1 wall", protocol.slow_learning_rate, seed)
        return FewLabels(socialization, task, method, n_labels, start="best")
    return FewLabels(Socialization(protocol, task, protocol.learning_rate, seed), task, method, n_labels)


def oracle_of(run: FewLabels) -> Autonomy:
    """
    :return: The run in which the caregiver stays.
    """
    if run.task in MAPS:
        return autonomy_on(run.task, run.protocol, run.seed, "oracle")
    return autonomy_in_old_task(run.socialization, "oracle")


def labels_runs(protocol: Protocol, seed: int) -> list[FewLabels]:
    """
    :return: All runs of the study of few labels: in the old task and on map "x"; the careful ISR that is given all
        labels on the other maps too.
    """
    of_methods = [
        few_labels(protocol, seed, task, method, n_labels)
        for method, counts in METHODS.items()
        for n_labels in counts
        for task in ("3 walls", "x")
    ]
    return [*of_methods, *(few_labels(protocol, seed, task, CAREFUL, None) for task in MAPS if task != "x")]


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
