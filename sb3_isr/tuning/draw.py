"""A study's figures: the front, what mattered, and slices through the space."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure

from sb3_isr.tuning.findings import Found, front

RETURN = "true social return per episode,\nlast 10% of training"
LABELS = "labels given by the caregiver"

#: The units of parameters, for their axes.
UNITS = {
    "departure": "fraction of training",
    "fade": "fraction of the time left",
    "visit_period": "fraction of training",
    "visit_share": "fraction of the period",
    "budget": "labels",
    "isr_trainings": "trainings between departures",
    "isr_gradient_steps": "steps",
    "isr_batch_size": "labels",
    "isr_width": "units",
    "isr_depth": "layers",
    "isr_pessimism": "standard deviations",
    "isr.trainer_kwargs.gradient_steps": "steps of each training",
    "isr.train_every": "environment steps",
    "coefficient": "times R_i",
}
_COLORS = ("tab:blue", "tab:orange", "tab:green", "tab:purple", "tab:brown")


def draw_front(
    trials: Sequence[Found], chosen: Found | None, title: str, beside: Mapping[str, Sequence[Found]] | None = None
) -> Figure:
    """
    Draw returns over labels.

    :param trials: The study's trials.
    :param chosen: The one that is marked.
    :param title: Title of the figure.
    :param beside: The trials of other studies, by name.
    :return: The figure.
    """
    figure = Figure(figsize=(7.5, 5), layout="constrained")
    axes = figure.subplots()
    everyone = [*trials, *(other for others in (beside or {}).values() for other in others)]
    for name, others in (beside or {}).items():
        axes.scatter([o.labels for o in others], [o.value for o in others], s=18, facecolors="none", edgecolors="0.55")
        axes.step(*_steps(others, everyone), where="post", color="0.55", linestyle="--", label=f"front of {name}")
    kinds = sorted({str(trial.params.get("presence", "trial")) for trial in trials})
    for kind, color in zip(kinds, _COLORS, strict=False):
        ours = [trial for trial in trials if trial.params.get("presence", "trial") == kind]
        axes.scatter([t.labels for t in ours], [t.value for t in ours], s=24, color=color, label=kind, zorder=2)
    axes.step(*_steps(trials, everyone), where="post", color="black", linewidth=1.2, label="front", zorder=1)
    if chosen is not None:
        axes.scatter(
            [chosen.labels],
            [chosen.value],
            s=180,
            marker="*",
            color="tab:red",
            zorder=3,
            label=f"trial {chosen.number}",
        )
    axes.set(xscale="log", xlabel=f"{LABELS} (per seed)", ylabel=RETURN, title=title)
    axes.spines[["top", "right"]].set_visible(False)
    figure.legend(loc="outside lower center", ncols=4, frameon=False)
    return figure


def draw_importances(shares: Mapping[str, Mapping[str, float]], title: str) -> Figure:
    """
    Draw the importance of parameters as bars.

    :param shares: The result of :func:`~sb3_isr.tuning.findings.importances`.
    :param title: Title of the figure.
    :return: The figure.
    """
    names = sorted(shares["return"], key=lambda name: shares["return"][name])
    figure = Figure(figsize=(7.5, 1.3 + 0.4 * len(names)), layout="constrained")
    axes = figure.subplots()
    where = np.arange(len(names))
    for offset, (target, color) in zip((0.2, -0.2), (("return", "tab:blue"), ("labels", "tab:orange")), strict=True):
        axes.barh(where + offset, [shares[target].get(name, 0.0) for name in names], 0.38, color=color, label=target)
    axes.set_yticks(where, names)
    axes.set(xlabel="importance for being in the best quarter of trials (share, PED-ANOVA)", title=title)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(title="for the", frameon=False, loc="lower right")
    return figure


def draw_slices(trials: Sequence[Found], title: str) -> Figure:
    """
    Draw the return over each parameter, the labels as colour.

    :param trials: The study's trials.
    :param title: Title of the figure.
    :return: The figure.
    """
    names = sorted({name for trial in trials for name in trial.params})
    n_columns = min(4, len(names))
    n_rows = -(-len(names) // n_columns)
    figure = Figure(figsize=(2 + 2.7 * n_columns, 0.8 + 2.5 * n_rows), layout="constrained")
    grid = figure.subplots(n_rows, n_columns, squeeze=False, sharey=True)
    labels = [max(trial.labels, 1.0) for trial in trials]
    norm = LogNorm(min(labels), max(max(labels), min(labels) * 1.01))
    for axes, name in zip(grid.flat, names, strict=False):
        shown = [trial for trial in trials if name in trial.params]
        values = [trial.params[name] for trial in shown]
        colors = [max(trial.labels, 1.0) for trial in shown]
        points = axes.scatter(_positions(values, axes), [t.value for t in shown], c=colors, norm=norm, s=16)
        axes.set_xlabel(f"{name}\n({UNITS[name]})" if name in UNITS else f"{name}\n")
        axes.spines[["top", "right"]].set_visible(False)
    for axes in grid.flat[len(names) :]:
        axes.set_visible(False)
    figure.supylabel(RETURN.replace("\n", " "))
    figure.suptitle(title)
    figure.colorbar(points, ax=grid, label=f"{LABELS} (per seed)", aspect=40)
    return figure


def _steps(trials: Sequence[Found], everyone: Sequence[Found]) -> tuple[list[float], list[float]]:
    """The steps of a front, up to the largest number of labels of any trial."""
    on_front = front(trials)
    max_labels = max(trial.labels for trial in everyone)
    return [*(t.labels for t in on_front), max_labels], [*(t.value for t in on_front), on_front[-1].value]


def _positions(values: Sequence[Any], axes: Any) -> list[float]:
    """Positions of values on an axis: logarithmic for numbers that span a decade, side by side for words."""
    if all(isinstance(value, int | float) and not isinstance(value, bool) for value in values):
        if min(values) > 0 and max(values) / min(values) >= 10:
            axes.set_xscale("log")
        return [float(value) for value in values]
    words = sorted({str(value) for value in values})
    axes.set_xticks(range(len(words)), words)
    axes.set_xlim(-0.5, len(words) - 0.5)
    jitter = np.random.default_rng(0).uniform(-0.15, 0.15, len(values))
    return [words.index(str(value)) + shift for value, shift in zip(values, jitter, strict=True)]
