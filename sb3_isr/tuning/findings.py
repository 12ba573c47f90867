"""The findings of a study: its front, the knee, the importance of parameters."""

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

#: The knee is where a front still has this much of its best return, counted from the worst return of the study.
RETAINED = 0.95


class Found(NamedTuple):
    """
    A finished trial.

    :param number: The trial's number.
    :param value: True social return per episode late in training, mean over seeds.
    :param labels: Number of labels, mean over seeds.
    :param params: The sampled parameters.
    :param entry: The entry that was trained.
    :param returns: The return of each seed.
    :param is_feasible: Whether it meets the study's constraint.
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
    Get the trials of a study that were trained to their end.

    :param study: A study.
    :return: The trials.
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
    Get the Pareto front of return and labels.

    :param trials: Any trials.
    :return: Those for which no other one has more return with no more labels, in ascending order of labels.
    """
    highest, on_front = -math.inf, []
    for trial in sorted(trials, key=lambda one: (one.labels, -one.value)):
        if trial.value > highest:
            highest = trial.value
            on_front.append(trial)
    return on_front


def knee(trials: Sequence[Found]) -> Found:
    """
    Get the knee of a front.

    :param trials: Any trials, one at least.
    :return: The one with the fewest labels that retains ``RETAINED`` of the way from the worst return to the best.
    """
    values = [trial.value for trial in trials]
    least = min(values) + RETAINED * (max(values) - min(values))
    return next(trial for trial in front(trials) if trial.value >= least)


def best(trials: Sequence[Found], max_labels: int | None = None, min_return: float | None = None) -> Found | None:
    """
    Get the best trial of a study.

    :param trials: The study's trials.
    :param max_labels: Its constraint, if it has this one.
    :param min_return: Or this one.
    :return: The best that meets the constraint, None if none does; without a constraint the knee.
    """
    feasible = [trial for trial in trials if trial.is_feasible]
    if not feasible:
        return None
    if max_labels is not None:
        return max(feasible, key=lambda trial: trial.value)
    return min(feasible, key=lambda trial: trial.labels) if min_return is not None else knee(feasible)


def dominated(trials: Sequence[Found], labels: tuple[float, float], values: tuple[float, float]) -> float:
    """
    Compute the hypervolume of a front.

    :param trials: Any trials.
    :param labels: Lower and upper bound of the labels.
    :param values: Lower and upper bound of the return.
    :return: The fraction of that rectangle, labels on a logarithmic scale, which the front dominates, in [0, 1].
    """
    (few, many), (low, high) = np.log(labels), values
    area, height, left = 0.0, 0.0, few
    for trial in front(trials):
        x = min(max(math.log(max(trial.labels, 1.0)), few), many)
        area += height * (x - left)
        left, height = x, min(max((trial.value - low) / (high - low), 0.0), 1.0)
    return float((area + height * (many - left)) / (many - few))


def importances(study: Study) -> dict[str, dict[str, float]]:
    """
    Compute the importance of parameters for being in the best quarter of trials.

    The method is PED-ANOVA (Watanabe, Bansal & Hutter 2023).

    :param study: A study.
    :return: For the return and for the labels, the share of each parameter; empty where there are too few trials.
    """
    targets: dict[str, Callable[[FrozenTrial], float]] = {  # lower is better
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
