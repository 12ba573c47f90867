"""What a study found: its front, the knee, what mattered."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import optuna
from optuna.importance import PedAnovaImportanceEvaluator
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from sb3_isr.tuning.entry import Entry

#: The knee is where a front still has so much of its best return, counted from the worst return of the study.
KEPT = 0.95


class Found(NamedTuple):
    """
    A finished trial.

    :param number: The trial's number.
    :param value: True social return per episode late in training, mean over seeds.
    :param labels: Labels asked for, mean over seeds.
    :param params: What was searched.
    :param entry: What was trained.
    :param returns: The return of each seed.
    :param is_feasible: Whether it keeps to the study's constraint.
    """

    number: int
    value: float
    labels: float
    params: dict[str, Any]
    entry: Entry
    returns: list[float]
    is_feasible: bool = True


def found(study: Study) -> list[Found]:
    """
    :param study: A study.
    :return: Its trials that were trained to their end.
    """
    trials = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    return [
        Found(
            trial.number,
            float(np.mean(trial.user_attrs["returns"])),
            float(np.mean(trial.user_attrs["labels"])),
            dict(trial.params),
            trial.user_attrs["entry"],
            trial.user_attrs["returns"],
            all(constraint <= 0 for constraint in trial.constraints.values()),
        )
        for trial in trials
    ]


def front(trials: Sequence[Found]) -> list[Found]:
    """
    :param trials: Any.
    :return: Those for which no other one has more return with no more labels, from the fewest labels on.
    """
    best, on_it = -math.inf, []
    for trial in sorted(trials, key=lambda one: (one.labels, -one.value)):
        if trial.value > best:
            best = trial.value
            on_it.append(trial)
    return on_it


def knee(trials: Sequence[Found]) -> Found:
    """
    :param trials: Any, one at least.
    :return: The one with the fewest labels that keeps ``KEPT`` of the way from the worst return to the best.
    """
    values = [trial.value for trial in trials]
    least = min(values) + KEPT * (max(values) - min(values))
    return next(trial for trial in front(trials) if trial.value >= least)


def best(trials: Sequence[Found], max_labels: int | None = None, min_return: float | None = None) -> Found | None:
    """
    :param trials: A study's.
    :param max_labels: Its constraint, if it has this one.
    :param min_return: Or this one.
    :return: The best that keeps to the constraint, None if none does; without a constraint the knee.
    """
    feasible = [trial for trial in trials if trial.is_feasible]
    if not feasible:
        return None
    if max_labels is not None:
        return max(feasible, key=lambda trial: trial.value)
    return min(feasible, key=lambda trial: trial.labels) if min_return is not None else knee(feasible)


def dominated(trials: Sequence[Found], labels: tuple[float, float], values: tuple[float, float]) -> float:
    """
    :param trials: Any.
    :param labels: The least and the most that count.
    :param values: The least and the greatest return that count.
    :return: The part of that rectangle, labels on a logarithmic scale, which the front dominates, in [0, 1].
    """
    (few, many), (low, high) = np.log(labels), values
    area, reached, at = 0.0, 0.0, few
    for trial in front(trials):
        x = min(max(math.log(max(trial.labels, 1.0)), few), many)
        area += reached * (x - at)
        at, reached = x, min(max((trial.value - low) / (high - low), 0.0), 1.0)
    return float((area + reached * (many - at)) / (many - few))


def importances(study: Study) -> dict[str, dict[str, float]]:
    """
    How much it matters for being in the best quarter of trials, by PED-ANOVA (Watanabe, Bansal & Hutter 2023).

    :param study: A study.
    :return: For the return and for the labels, the share of each parameter; empty where there are too few trials.
    """
    targets: dict[str, Callable[[FrozenTrial], float]] = {  # the lower the better
        "return": lambda trial: -float(np.mean(trial.user_attrs["returns"])),
        "labels": lambda trial: float(np.mean(trial.user_attrs["labels"])),
    }
    if len(study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))) < 5:
        return {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        evaluator = PedAnovaImportanceEvaluator(target_quantile=0.25)  # a tenth of a small study would be too few
        return {
            name: optuna.importance.get_param_importances(study, evaluator=evaluator, target=target)
            for name, target in targets.items()
        }
