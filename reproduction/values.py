"""The values of each figure: one number for each condition and seed, computed from results."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from reproduction.figures import (
    FIGURES,
    autonomy_on,
    baselines,
    frozen,
    hacking_runs,
    isr_training,
    label_curve,
    labels_runs,
    old_task_runs,
    oracle_of,
)
from reproduction.learning import Curves
from reproduction.protocols import Protocol
from reproduction.published import Values
from reproduction.results import Results
from reproduction.runs import Autonomy, FewLabels, Run, with_requirements
from sb3_isr.envs.coin_game.maps import MAPS
from sb3_isr.envs.coin_game.rules import PRAISE
from sb3_isr.evaluation.episodes import mean_of_last_tenth

#: Figure 3b also measures every ISR on the same labels: the last tenth of the whole socialization's.
ON_LAST = ", on the last of all"

#: The evaluations: which checkpoint, and how it acted.
EVALUATIONS = [(checkpoint, acting) for checkpoint in ("last", "best") for acting in ("deterministic", "sampled")]

#: A fall of the true social return counts from here on, relative to its peak.
MIN_FALL = 0.05


class Hacking(NamedTuple):
    """
    The change from the tenth of autonomy in which the true social return was highest to the last tenth.

    :param internal_rise: Rise of the internal return per episode, in units of the social reward.
    :param social_fall: Fall of the true social return per episode.
    :param is_hacked: Whether the first rose while the second fell by at least 5% of its peak.
    """

    internal_rise: float
    social_fall: float
    is_hacked: bool

    @property
    def gap(self) -> float:
        """The hacking gap: rise and fall together if the ISR is hacked, otherwise 0."""
        return self.internal_rise + self.social_fall if self.is_hacked else 0.0


def done_seeds(name: str, protocol: Protocol, results: Results) -> list[int]:
    """
    List the seeds of a figure that are done.

    :param name: A figure.
    :param protocol: Which protocol.
    :param results: The results.
    :return: The seeds of which all runs are done, or some if the figure is shown in parts.
    """
    most = 100
    if FIGURES[name].in_parts:
        return [seed for seed in range(most) if done_on_few_labels(protocol, seed, results)]
    runs = {seed: with_requirements(FIGURES[name].runs(protocol, seed)) for seed in range(most)}
    return [seed for seed, of_seed in runs.items() if all(run in results for run in of_seed)]


def done_on_few_labels(protocol: Protocol, seed: int, results: Results) -> list[FewLabels]:
    """
    List the runs on few labels that can be shown.

    :param protocol: Which protocol.
    :param seed: Which seed.
    :param results: The results.
    :return: The runs that are done together with all that they are compared to.
    """
    return [
        run
        for run in labels_runs(protocol, seed)
        if all(needed in results for needed in (run, oracle_of(run), *run.requires))
    ]


def figure_values(name: str, protocol: Protocol, results: Results) -> Values:
    """
    Compute the values of a figure.

    :param name: A figure.
    :param protocol: Which protocol.
    :param results: The results.
    :return: Its values over the seeds that are done, in the form of :func:`~reproduction.published.published_values`.
    """
    of_seed = _VALUES[name]
    values: Values = {}
    for seed in done_seeds(name, protocol, results):
        for condition, value in of_seed(protocol, seed, results).items():
            values.setdefault(condition, {})[seed] = value
    return values


def evaluations(protocol: Protocol, seed: int, task: str, condition: str, results: Results) -> dict[str, float]:
    """
    Get the evaluations of a run in a new task.

    :param condition: "frozen", "isr" or "oracle".
    :param task: A new task.
    :return: The true reward per episode by ``"checkpoint, way of acting"``.
    """
    return _rewards(results.read(_new_task_run(protocol, seed, task, condition)), task)


def hacking(curves: Curves) -> Hacking:
    """
    Measure how much an ISR was hacked.

    :param curves: The curves of autonomy with the ISR.
    :return: The change of its internal and true social return.
    """
    internal, social = (np.array([part.mean() for part in np.array_split(c, 10)]) for c in returns(curves))
    peak = int(social.argmax())
    rise, fall = float(internal[-1] - internal[peak]), float(social[peak] - social[-1])
    return Hacking(round(rise, 5), round(fall, 5), rise > 0 and fall > MIN_FALL * float(social[peak]))


def returns(curves: Curves) -> tuple[np.ndarray, np.ndarray]:
    """
    Get the returns of autonomy with an ISR.

    :param curves: The curves.
    :return: Over time, the internal return and the true social return per episode.
    """
    return np.subtract(curves["utility"], curves["environment"]), PRAISE * np.array(curves["goals"])


def beside_oracle(run: FewLabels, results: Results) -> tuple[np.ndarray, np.ndarray]:
    """
    Compare the goals of a run on few labels with those of the oracle.

    :param run: The run.
    :param results: The results.
    :return: Goals per episode in each tenth of its steps, ``[10]``, and those of the learner whose caregiver stays.
    """
    edges = np.linspace(0, run.steps, 11)[1:-1]
    goals = []
    for which in (run, oracle_of(run)):
        curves = results.read(which)["curves"]
        steps = np.array(curves["steps"])
        tenths = np.split(
            np.array(curves["goals"])[steps <= run.steps],
            np.searchsorted(steps[steps <= run.steps], edges, side="right"),
        )
        goals.append([tenth.mean() for tenth in tenths])
    return np.array(goals[0]), np.array(goals[1])


def retention(run: FewLabels, results: Results) -> np.ndarray:
    """
    Compute the retention of a run on few labels.

    :param run: The run.
    :param results: The results.
    :return: Its goals over those of the learner whose caregiver stays, in each tenth of its steps, ``[10]``.
    """
    own, oracle = beside_oracle(run, results)
    return np.asarray(own / oracle)


def label_count(run: FewLabels) -> str:
    """
    Get the number of labels of a run, in words.

    :return: The text.
    """
    return f"{run.n_labels or 'all'} labels"


def _goals(run: Run, results: Results) -> float:
    return mean_of_last_tenth(results.read(run)["curves"]["goals"])


def _paid_in_goals(run: Autonomy, results: Results) -> float:
    """The internal return at the end, in goals: over the praise for one."""
    internal, _ = returns(results.read(run)["curves"])
    return mean_of_last_tenth(internal.tolist()) / PRAISE


def _rewards(result: dict[str, Any], task: str) -> dict[str, float]:
    return {f"{c}, {a}": result["evaluation"][c][task][a]["reward"] for c, a in EVALUATIONS}


def _new_task_run(protocol: Protocol, seed: int, task: str, condition: str) -> Autonomy:
    if condition == "frozen":
        return frozen(protocol, seed)
    return autonomy_on(task, protocol, seed, "isr" if condition == "isr" else "oracle")


def _old_task(name: str, protocol: Protocol, seed: int, results: Results) -> dict[str, float]:
    runs = old_task_runs(name, protocol, seed)
    departure = _goals(runs["none"].socialization, results)
    goals: dict[str, float] = {condition: _goals(run, results) for condition, run in runs.items()}
    retention = {f"retention, {c}": at_end / departure for c, at_end in goals.items()} if departure else {}
    paid = {"isr, paid by the ISR": _paid_in_goals(runs["isr"], results)} if "isr" in runs else {}
    return {"departure": departure, **goals, **retention, **paid}


def _fig3a(protocol: Protocol, seed: int, results: Results) -> dict[str, float]:
    losses = results.read(isr_training(protocol, seed))["losses"]
    return {
        f"{name}, {when}": losses[name][i] for name in ("train", "held_out") for when, i in (("first", 0), ("last", -1))
    }


def _fig3b(protocol: Protocol, seed: int, results: Results) -> dict[str, float]:
    done = [results.read(run) for run in label_curve(protocol, seed)]
    own = {f"{result['n_labels']} labels": result["held_out_mse"] for result in done}
    return own | {f"{result['n_labels']} labels{ON_LAST}": result["last_labels_mse"] for result in done}


def _fig4b(protocol: Protocol, seed: int, results: Results) -> dict[str, float]:
    return {c: evaluations(protocol, seed, "5 walls", c, results)[MAIN] for c in ("frozen", "isr", "oracle")}


def _fig5(protocol: Protocol, seed: int, results: Results) -> dict[str, float]:
    return {
        f"{task}: {c}": evaluations(protocol, seed, task, c, results)[MAIN]
        for task in MAPS
        for c in ("frozen", "isr", "oracle")
    }


def _fig6(protocol: Protocol, seed: int, results: Results) -> dict[str, float]:
    return {hacking_name(run): hacking(results.read(run)["curves"]).gap for run in hacking_runs(protocol, seed)}


def _fig7(protocol: Protocol, seed: int, results: Results) -> dict[str, float]:
    played = {run.policy: float(results.read(run)["goals"]) for run in baselines(protocol, seed)}
    return _old_task("fig7", protocol, seed, results) | played


def _labels(protocol: Protocol, seed: int, results: Results) -> dict[str, float]:
    values: dict[str, float] = {}
    for run in done_on_few_labels(protocol, seed, results):
        own, oracle = beside_oracle(run, results)
        departure = results.read(run.socialization)["evaluation"][run.start][run.task]["sampled"]["goals"]
        which = f"{run.task}, {label_count(run)}, {run.method.name}"
        values |= {
            f"{which}, end": float(own[-1] / oracle[-1]),
            f"{which}, lowest": float((own / oracle).min()),
            f"{which}, lowest of departure": float(own.min() / departure),
            f"{which}, goals": float(own[-1]),
            f"{run.task}, oracle, goals": float(oracle[-1]),
        }
    return values


def hacking_name(run: Autonomy) -> str:
    """
    Get the name of a run in figure 6.

    :return: The name.
    """
    assert run.isr is not None
    return f"{run.task}: {run.isr.n_labels or 'all'} labels"


#: The evaluation by which claims are judged.
MAIN = "last, deterministic"

_VALUES: dict[str, Callable[[Protocol, int, Results], dict[str, float]]] = {
    "fig1b": partial(_old_task, "fig1b"),
    "fig3a": _fig3a,
    "fig3b": _fig3b,
    "fig4a": partial(_old_task, "fig4a"),
    "fig4b": _fig4b,
    "fig5": _fig5,
    "fig6": _fig6,
    "fig7": _fig7,
    "labels": _labels,
}
