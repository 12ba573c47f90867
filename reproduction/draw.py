"""The paper's figures, drawn from results: every seed as a thin line or a dot, the interquartile mean on top."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from reproduction.figures import (
    few_labels,
    hacking_runs,
    heading,
    isr_training,
    old_task_runs,
)
from reproduction.methods import METHODS
from reproduction.protocols import Protocol
from reproduction.published import Values, published_values
from reproduction.results import Results
from reproduction.runs import Run
from reproduction.values import (
    ON_LAST,
    done_seeds,
    figure_values,
    hacking_name,
    label_count,
    returns,
)
from sb3_isr.envs.coin_game.maps import MAPS
from sb3_isr.evaluation.statistics import interquartile_mean, interval

STYLES = {
    "departure": ("0.35", "socialization"),
    "isr": ("tab:blue", "caregiver gone, ISR in its place"),
    "none": ("tab:red", "caregiver gone, nothing in its place"),
    "oracle": ("tab:green", "caregiver stays (oracle)"),
    "frozen": ("tab:orange", "stays in the old task (frozen)"),
}


def draw(name: str, protocol: Protocol, results: Results) -> Figure:
    """
    Draw a figure.

    :param name: A figure of which some seed is done.
    :param protocol: Which protocol.
    :param results: The results.
    :return: The picture.
    """
    seeds = done_seeds(name, protocol, results)
    figure = _DRAW[name](protocol, seeds, results)
    figure.suptitle(f"{heading(name)}, protocol {protocol.name}, seeds {seeds[0]} to {seeds[-1]}", fontsize=11)
    return figure


def _over_time(name: str, protocol: Protocol, seeds: list[int], results: Results) -> Figure:
    figure, (axes,) = _panels(1)
    by_seed = [old_task_runs(name, protocol, seed) for seed in seeds]
    before = [runs["none"].socialization for runs in by_seed]
    departure = _curve(axes, before, results, "departure")
    for condition in by_seed[0]:
        _curve(axes, [runs[condition] for runs in by_seed], results, condition, offset=departure)
    axes.axvline(departure / 1000, color="0.7", linestyle=":")
    axes.annotate("departure", (departure / 1000, 0.02), (4, 2), textcoords="offset points", color="0.5")
    axes.set(xlabel="thousand environment steps", ylabel="goals reached per episode", ylim=(0, None))
    _legend(figure, axes)
    return figure


def _fig7(protocol: Protocol, seeds: list[int], results: Results) -> Figure:
    figure = _over_time("fig7", protocol, seeds, results)
    (axes,) = figure.axes
    for policy in ("random learner", "perfect helper"):
        goals = float(interquartile_mean(np.array(list(figure_values("fig7", protocol, results)[policy].values()))))
        axes.axhline(goals, color="0.5", linestyle="--", linewidth=1)
        axes.annotate(policy, (0, goals), (2, 3), textcoords="offset points", color="0.5")
    axes.set(ylabel="goals that the caregiver reached per episode", ylim=(0, 1.1 * goals))
    return figure


def _fig3a(protocol: Protocol, seeds: list[int], results: Results) -> Figure:
    figure, (axes,) = _panels(1)
    losses = [results.read(isr_training(protocol, seed))["losses"] for seed in seeds]
    for name, color, label in (("train", "0.5", "labels trained on"), ("held_out", "tab:blue", "held-out labels")):
        values = np.array([of_seed[name] for of_seed in losses])
        _line(axes, np.array(losses[0]["gradient_steps"]), values, color, label)
    axes.set(xscale="log", yscale="log", xlabel="gradient steps", ylabel="mean squared error (social reward squared)")
    _legend(figure, axes)
    return figure


def _fig3b(protocol: Protocol, seeds: list[int], results: Results) -> Figure:
    figure, (axes,) = _panels(1)
    ours = figure_values("fig3b", protocol, results)
    on_own = {condition: of_n for condition, of_n in ours.items() if not condition.endswith(ON_LAST)}
    on_last = {condition: of_n for condition, of_n in ours.items() if condition.endswith(ON_LAST)}
    for color, label, values in (
        ("0.5", "published", published_values("fig3b")),
        ("tab:blue", "ours, on these steps' last tenth", on_own),
        ("tab:purple", "ours, on the last tenth of all", on_last),
    ):
        n_labels = np.array([int(condition.split()[0]) for condition in values])
        _line(axes, n_labels, np.array([list(of_n.values()) for of_n in values.values()]).T, color, label, marker="o")
    axes.set(xscale="log", yscale="log", xlabel="labels trained on")
    axes.set(ylabel="held-out error (social reward squared)")
    _legend(figure, axes)
    return figure


def _fig4b(protocol: Protocol, seeds: list[int], results: Results) -> Figure:
    figure, axes = _panels(1)
    _bars(axes[0], "", figure_values("fig4b", protocol, results), published_values("fig4b"))
    axes[0].set(ylabel="reward per episode, 100 deterministic episodes")
    _legend(figure, axes[0])
    return figure


def _fig5(protocol: Protocol, seeds: list[int], results: Results) -> Figure:
    figure, axes = _panels(len(MAPS), width=2.4)
    ours, theirs = figure_values("fig5", protocol, results), published_values("fig5")
    for panel, task in zip(axes, MAPS, strict=True):
        _bars(panel, f"{task}: ", ours, theirs)
        panel.set_title(task.replace("_", " "), fontsize=10)
    axes[0].set(ylabel="reward per episode, 100 deterministic episodes")
    _legend(figure, axes[0])
    return figure


def _fig6(protocol: Protocol, seeds: list[int], results: Results) -> Figure:
    runs = [hacking_runs(protocol, seed) for seed in seeds]
    n_rows = len(runs[0]) // len(MAPS)
    figure = Figure(figsize=(2.6 * len(MAPS), 0.6 + 2.5 * n_rows), layout="constrained")
    rows = figure.subplots(n_rows, len(MAPS), sharex=True, squeeze=False)
    for axes, *of_seeds in zip(rows.flat, *runs, strict=True):
        curves = [results.read(run)["curves"] for run in of_seeds]
        steps = np.array(curves[0]["steps"]) / 1000
        internal, social = (np.array(part) for part in zip(*map(returns, curves), strict=True))
        _line(axes, steps, internal, "tab:purple", "internal return")
        _line(axes, steps, social, "tab:green", "true social return (0.4 a goal)")
        axes.set_title(hacking_name(of_seeds[0]).replace("_", " "), fontsize=10)
        axes.set_ylim(0, None)
    for axes in rows[:, 0]:
        axes.set_ylabel("per episode (social reward)")
    for axes in rows[-1]:
        axes.set_xlabel("thousand steps of autonomy")
    _legend(figure, rows[0, 0])
    return figure


def _few_labels(protocol: Protocol, seeds: list[int], results: Results) -> Figure:
    values = figure_values("labels", protocol, results)
    figure = Figure(figsize=(11, 8), layout="constrained")
    panels = figure.subplots(2, 2, sharex=True, sharey=True)
    all_labels = 9 * protocol.socialization_steps // 10  # where "all" is drawn
    for row, when in zip(panels, ("end", "lowest"), strict=True):
        for axes, task in zip(row, ("3 walls", "x"), strict=True):
            for color, (method, counts) in zip(_COLORS, METHODS.items(), strict=False):
                ascending = sorted(counts, key=lambda n: n or all_labels)
                of_method = [few_labels(protocol, seeds[0], task, method, n) for n in ascending]
                keys = [f"{task}, {label_count(run)}, {method.name}, {when}" for run in of_method]
                done = [(n or all_labels, values[key]) for n, key in zip(ascending, keys, strict=True) if key in values]
                if done:
                    _dots(axes, done, color, method.name)
            axes.axhline(1.0, color="0.7", linewidth=0.8)
            axes.set_title(f"{'map ' if task == 'x' else ''}{task}: {_TITLES[when]}", fontsize=10)
            axes.set(xscale="log", ylim=(0, None))
    for axes in panels[:, 0]:
        axes.set_ylabel("goals over those of the oracle")
    for axes in panels[1]:
        axes.set_xlabel("labels in all, queries after departure counted")
    _legend(figure, panels[0, 0])
    return figure


def _dots(axes: Axes, by_x: list[tuple[int, dict[int, float]]], color: str, label: str) -> None:
    """Draw a condition's values over x: seeds as dots, the interquartile means as a line."""
    for x, of_seeds in by_x:
        axes.plot([x] * len(of_seeds), list(of_seeds.values()), ".", color=color, alpha=0.4, markersize=4)
    means = [float(interquartile_mean(np.array(list(of_seeds.values())))) for _, of_seeds in by_x]
    axes.plot([x for x, _ in by_x], means, "o-", color=color, label=label, markersize=5)


_TITLES = {"end": "last tenth of autonomy", "lowest": "worst tenth of autonomy"}
_COLORS = [
    f"tab:{name}" for name in ("red", "blue", "green", "purple", "orange", "brown", "pink", "olive", "cyan", "gray")
] + ["black"]


def _panels(n: int, width: float = 6.5) -> tuple[Figure, list[Axes]]:
    figure = Figure(figsize=(max(width * n, 4.5), 4.2), layout="constrained")
    return figure, list(figure.subplots(1, n, sharey=True, squeeze=False)[0])


def _curve(axes: Axes, runs: Sequence[Run], results: Results, style: str, offset: float = 0.0) -> float:
    """Draw the goals of all seeds; returns the last step."""
    curves = [results.read(run)["curves"] for run in runs]
    steps = np.array(curves[0]["steps"]) + offset
    _line(axes, steps / 1000, np.array([curve["goals"] for curve in curves]), *STYLES[style])
    return float(steps[-1])


def _line(axes: Axes, x: np.ndarray, values: np.ndarray, color: str, label: str, marker: str = "") -> None:
    """Draw ``[n_seeds, n_points]``: seeds thin, interquartile mean thick, its bootstrap interval as a band."""
    axes.plot(x, values.T, color=color, alpha=0.25, linewidth=0.7)
    axes.plot(x, interquartile_mean(values), color=color, label=label, linewidth=2, marker=marker)
    if len(values) > 2:
        axes.fill_between(x, *interval(values), color=color, alpha=0.2, linewidth=0)


def _bars(axes: Axes, prefix: str, ours: Values, theirs: Values) -> None:
    """Draw each condition's seeds as dots, ours beside the published ones, with interquartile mean and interval."""
    for i, condition in enumerate(("frozen", "isr", "oracle")):
        for shift, values, color, label in (
            (-0.17, theirs, "0.6", "published"),
            (0.17, ours, STYLES[condition][0], "ours"),
        ):
            seeds = np.array(list(values[prefix + condition].values()))
            mean = interquartile_mean(seeds)
            axes.bar(i + shift, mean, 0.32, color=color, alpha=0.6, label=label if i == 1 else None)
            if len(seeds) > 2:
                axes.vlines(i + shift, *interval(seeds), color="0.2")
            axes.plot(np.linspace(-0.08, 0.08, len(seeds)) + i + shift, seeds, ".", color="0.2", markersize=3)
    axes.set_xticks(range(3), ["frozen", "ISR", "oracle"])
    axes.axhline(0, color="0.7", linewidth=0.8)


def _legend(figure: Figure, axes: Axes) -> None:
    figure.legend(*axes.get_legend_handles_labels(), loc="outside lower center", ncols=2, frameon=False)
    for each in figure.axes:
        each.spines[["top", "right"]].set_visible(False)


_DRAW: dict[str, Callable[[Protocol, list[int], Results], Figure]] = {
    "fig1b": partial(_over_time, "fig1b"),
    "fig3a": _fig3a,
    "fig3b": _fig3b,
    "fig4a": partial(_over_time, "fig4a"),
    "fig4b": _fig4b,
    "fig5": _fig5,
    "fig6": _fig6,
    "fig7": _fig7,
    "labels": _few_labels,
}
