"""The page, its tables and its figure, from ``results.json``."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tabulate import tabulate

#: One case of ``results.json``.
Case = dict[str, Any]
#: The panels of quantities by number of environments: case, unit, title.
CURVES = (
    ("inference", "rewards/s", "Internal rewards a second"),
    ("coin_game", "steps/s", "Coin game: steps a second"),
)
MARKS = {True: " ✓", False: " ✗", None: ""}
Row = dict[str, Any]
#: The ways of figure 4a, and the key of the goals reached at the end of each phase in their files.
WAYS, GOALS = ("ours", "published"), "goals_per_episode"

#: Why a goal was missed, by the beginning of the target's name.
CAUSES = {
    "PPO, caregiver always": "what is done for each call of `step`, whatever the number of environments: labels and "
    "rewards are checked and written into a log, presence is drawn, two callbacks are called. It is felt with 1 "
    "environment, and beside a learner that takes 1 ms for a call or less.",
    "PPO, caregiver absent": "the same, and one pass over the transitions, in batches of 128: that is the floor, with "
    "the paper's two convolutions most of it.",
    "A2C, caregiver": "rollouts of 5 steps: at 1 environment a batch has 5 transitions, and most of a call of the ISR "
    "does not depend on their number.",
    "DQN, caregiver always": "labels are put into the store at the end of a rollout of 4 steps, whenever the log is "
    "due, beside a learner that fits one minibatch of 32 in four calls of `step`.",
    "DQN, caregiver absent": "as with A2C: rollouts of 4 steps, so batches are small.",
    "SAC, caregiver": "SAC trains after each step, so that nothing is deferred: a call of the ISR for each call of "
    "`step`.",
    "ours, default learning rate": "the default is a careful one; see the row with 3e-3, which was not checked for "
    "reward hacking on other tasks and therefore is not the default.",
    "five members over one": "the first layer of five reads five times the weights (0.03 ms in place of 0.01 at 8 "
    "environments), and their mean and spread are two more operations, beside a call that takes 0.15 ms in all.",
    "label store: memory over its data": "which labels each distinct pair has (8 bytes a label, here all distinct) "
    "and a flag (1 byte) beside 336 bytes of data; the rest is what the allocator keeps of the sorting.",
}


def page(cases: Sequence[Case]) -> str:
    """
    Write the benchmark page.

    :param cases: The cases.
    :return: docs/benchmarks.md: the targets, why some were missed, the figure, and all that was measured.
    """
    missed = {_target(result) for case in cases for result in case["results"] if result["met"] is False}
    causes = [f"- {name}: {cause}" for name, cause in CAUSES.items() if any(m.startswith(name) for m in missed)]
    machine, versions = cases[0]["machine"], cases[0]["versions"]
    commands = " and ".join(f"`{command}`" for command in dict.fromkeys(case["command"] for case in cases))
    facts = ", ".join(f"{package} {number}" for package, number in versions.items())
    blocks = [
        "# Benchmarks",
        f"Made by {commands}; do not edit. Each ratio is between variants measured in turn in one run. On "
        f"{machine['cpus']} cores ({machine['system']}, {machine['torch_threads']} torch thread), {facts}.",
        "## Targets",
        targets(cases),
        *(["Why not all are met:", "\n".join(causes)] if causes else []),
        "No machine with a GPU was at hand.",
        "What the plugin costs a learner, in percent of its learning time; at the right, the learner's speed relative "
        "to plain Stable-Baselines3 (absent, always). Vertical strokes are goals.",
        "![The share of the learning time that is spent in the plugin](images/overhead.png)",
        "Everything else:",
        "![Speeds, times and memory](images/benchmarks.png)",
        "## The whole of figure 4a, one seed",
        _figure4a([json.loads((Path(__file__).parent / f"figure4a_{way}.json").read_text()) for way in WAYS]),
        "## All that was measured",
        table(cases),
    ]
    return "\n\n".join(blocks) + "\n"


def _figure4a(runs: Sequence[Row]) -> str:
    ends = [f"goals an episode: {end}" for end in runs[0][GOALS]]
    measured = ("steps_of_each_phase", "wall_seconds", "peak_megabytes")
    rows = [["", "steps of each phase", "wall time (s)", "peak memory (MB)", *ends]]
    rows += [[run["way"], *(number(run[key]) for key in measured), *map(number, run[GOALS].values())] for run in runs]
    return (
        "Four phases: socialization, and from there on autonomy with the ISR, with nothing in the caregiver's place, "
        "and with a caregiver who stays. Both train the paper's policy with the paper's PPO. Ours: 32 environments, "
        "internal rewards and labels in batches, an ISR on one-hot cells; published: one environment, both one at a "
        "time, the paper's ISR. One seed tells how long it takes, not how well it ends: "
        "[the reproduction](reproduction.md) has ten. `python -m benchmarks.figure4a ours --out "
        "benchmarks/figure4a_ours.json`, and the same with `published`, "
        f"one after the other.\n\n{_markdown(rows)}"
    )


def targets(cases: Sequence[Case]) -> str:
    """
    Write the table of targets.

    :param cases: The cases.
    :return: Markdown: each target with the least and the greatest median that was measured for it.
    """
    by_target: dict[tuple[str, str], list[Row]] = {}
    for result in (result for case in cases for result in case["results"] if result["goal"] is not None):
        goal = f"{result['goal_is']} {number(result['goal'])} {result['unit']}"
        by_target.setdefault((_target(result), goal), []).append(result)
    rows = [["target", "goal", "measured", "met"]]
    for (name, goal), results in by_target.items():
        low, high = (number(f(result["value"] for result in results)) for f in (min, max))
        rows.append([name, goal, low if low == high else f"{low} to {high}", _share([r["met"] for r in results])])
    return _markdown(rows)


def _target(result: Row) -> str:
    """What is common to the results that a target is about: the algorithm rather than the task, say."""
    learner, _, variant = result["name"].rpartition(": ")
    if result["unit"] == "x plain":
        return f"{learner.partition(',')[0]}, {variant}: speed"
    if variant == "share":
        learner, _, presence = learner.rpartition(": ")
        return f"{learner.partition(',')[0]}, {presence}: share of the learning time"
    return str(result["name"])


def _share(met: Sequence[bool]) -> str:
    return {0: "no", len(met): "yes"}.get(sum(met), f"{sum(met)} of {len(met)}")


def table(cases: Sequence[Case]) -> str:
    """
    Write the table of all measurements.

    :param cases: The cases.
    :return: Markdown: what was measured, and a column for each number of environments or labels.
    """
    blocks: list[str] = []
    for case in cases:
        blocks += [
            f"### {case['case']} ({case['clock']} time, measured in {case['seconds']:.0f} s)",
            *case["notes"],
            *_tables(case["results"]),
        ]
        if case["failed"]:
            blocks.append(f"FAILED: {case['failed']}")
    goals = [result["met"] for case in cases for result in case["results"] if result["goal"] is not None]
    blocks.append(f"{sum(goals)} of {len(goals)} goals met. Medians ± half the distance between the quartiles.")
    return "\n\n".join(blocks)


def _tables(results: Sequence[Row]) -> list[str]:
    """A table for all that was measured at the same numbers."""
    by_name: dict[str, dict[int | None, Row]] = {}
    for result in results:
        by_name.setdefault(f"{result['name']} ({result['unit']})", {})[result["n"]] = result
    tables: dict[tuple[int | None, ...], list[list[str]]] = {}
    for name, by_n in by_name.items():
        header = ["", *("" if n is None else f"{n:,}" for n in by_n), "goal"]
        goals = {f"{r['goal_is']} {number(r['goal'])}" for r in by_n.values() if r["goal"] is not None}
        rows = tables.setdefault(tuple(by_n), [header])
        rows.append([name, *map(_cell, by_n.values()), ", ".join(goals)])
    return [_markdown(rows) for rows in tables.values()]


def _cell(result: Row) -> str:
    low, high = result["quartiles"]
    return f"{number(result['value'])} ±{number((high - low) / 2)}{MARKS[result['met']]}"


def _markdown(rows: Sequence[Sequence[str]]) -> str:
    return tabulate(rows[1:], rows[0], "github", disable_numparse=True)


def line(result: Row) -> str:
    """
    Write a result as a line of text.

    :param result: One result.
    :return: Its line while the measurements run.
    """
    n = "" if result["n"] is None else f"{result['n']:,}"
    low, high = map(number, result["quartiles"])
    value = f"{number(result['value'])} [{low}, {high}] {result['unit']}"
    goal = "" if result["goal"] is None else f"{result['goal_is']} {number(result['goal'])}{MARKS[result['met']]}"
    return f"  {result['name']:56}{n:>10}  {value:42}{goal}".rstrip()


def number(value: float) -> str:
    """
    Write a number with three significant digits, or as a whole number.

    :param value: Any number.
    :return: The text.
    """
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.3f}" if 0.01 <= abs(value) < 10 else f"{value:.3g}"


def draw(cases: Sequence[Case], path: Path) -> None:
    """
    Draw all results.

    :param cases: The cases.
    :param path: The picture's file.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 7), layout="constrained")
    axes = figure.subplot_mosaic("ic;tg")
    results = {case["case"]: case["results"] for case in cases}
    for place, (case, unit, title) in zip("ic", CURVES, strict=True):
        _draw_curves(axes[place], [r for r in results.get(case, []) if r["unit"] == unit], "environments", title)
    _draw_training(axes["t"], results.get("training", []))
    stores = [r for r in results.get("growth", []) if r["unit"] == "MB" and r["name"].startswith("label store")]
    _draw_curves(axes["g"], stores, "labels", "Label store: megabytes")
    for panel in axes.values():
        panel.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=120)


def _draw_curves(axes: Any, results: Sequence[Row], xlabel: str, title: str) -> None:
    for name in dict.fromkeys(result["name"] for result in results):
        curve = [result for result in results if result["name"] == name]
        low, high = zip(*(result["quartiles"] for result in curve), strict=True)
        n = [result["n"] for result in curve]
        axes.plot(n, [result["value"] for result in curve], "o-", label=name)
        axes.fill_between(n, low, high, alpha=0.3)
    if results:
        axes.set(xscale="log", yscale="log", xlabel=xlabel)
        axes.legend(frameon=False, fontsize=8)
    axes.set_title(title)


def _draw_training(axes: Any, results: Sequence[Row]) -> None:
    times = [result for result in results if result["unit"] == "s"]
    for y, result in enumerate(times):
        axes.barh(y, result["value"], color="tab:blue")
        axes.plot(result["quartiles"], [y, y], color="black")
    axes.set_yticks(range(len(times)), [result["name"].removesuffix(": time") for result in times])
    axes.set(title="ISR training: seconds to the same error", xscale="log")
