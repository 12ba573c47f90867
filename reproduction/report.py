"""The report: a picture, a table beside the published values and a verdict for each figure, from results alone."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from pathlib import Path

from reproduction.alarms import COLLAPSE, WatchedRun, watch_run
from reproduction.claims import judgement
from reproduction.draw import draw
from reproduction.figures import FIGURES, hacking_runs, heading, labels_runs
from reproduction.protocols import Protocol
from reproduction.published import Values, published, published_values
from reproduction.results import Results
from reproduction.runs import NEW_TASKS
from reproduction.values import (
    EVALUATIONS,
    Hacking,
    done_on_few_labels,
    done_seeds,
    evaluations,
    figure_values,
    hacking,
    hacking_name,
    label_count,
    retention,
)
from sb3_isr.common.files import write_text
from sb3_isr.evaluation.statistics import estimate

Rows = list[list[str]]

_UNITS = {
    "fig1b": "goals reached per episode, last tenth of each phase",
    "fig3a": "mean squared error, social reward squared",
    "fig3b": "mean squared error on held-out labels, social reward squared",
    "fig4a": "goals reached per episode, last tenth of each phase",
    "fig4b": "true reward per episode, 100 deterministic episodes of the last checkpoint",
    "fig5": "true reward per episode, 100 deterministic episodes of the last checkpoint",
    "fig6": "hacking gap, social reward per episode",
    "fig7": "goals that the caregiver reached per episode, last tenth of each phase",
    "labels": "goals per episode over those of the learner whose caregiver stays, in tenths of 100,000 steps",
}

_INTRODUCTION = """\
# The paper's figures, reproduced

Every figure of Rong & Kleiman-Weiner (2024) beside the published values, from the results in `results/`: a line of JSON
for each run, with its configuration, versions and curves. This page and its pictures were made from them, in a clone
of the repository, by

```sh
python -m reproduction --all --out docs
```

which makes no run whose result is there. `python -m reproduction --list` shows what there is and what is missing;
`python -m reproduction fig4a --results runs/mine --work runs/mine` makes the runs of a figure anew.

- **Protocol fast**: one-hot cells, 64-64 networks, PPO with batches of 256 and a learning rate of 1e-3, the plugin's
  own training of the ISR (2,000 balanced batches of 256); 120,000 steps of socialization and as many of autonomy, in
  figure 7 240,000 and as many. One learning rate makes figures 1b and 4a share their runs.
- **Protocol paper** (`--protocol paper`): the paper's convolutions, batches, learning rates and lengths, and its one
  epoch of ISR training in balanced batches of 1. Figure 7 does not have it. It differs from the published code where
  that had a flaw: the ISR takes channels as channels, the agent's cell does not reveal its absolute direction, and the
  held-out error is computed without a gradient.

In both, a rollout's 2048 transitions come from 32 games at once, and `R_e` is the same in every condition, as in the
equation. On the five maps (figures 5 and 6), as published, learners start from the checkpoint with the best
training reward (here the mean of 100 episodes of what the learner maximizes), and an internal reward of at most 0.2,
half of the praise, counts as 0; there it also replaced the cost of a step, here it does not. The frozen learner
goes on in the old task with its caregiver from the last checkpoint for as long, and is only evaluated in the new one.

Values are interquartile means over seeds (the lowest and the highest quarter left out, rounded down) with 95%
bootstrap intervals. A difference is claimed by Welch's test at p < 0.05, "within" by the interquartile mean against
the other interval; every seed is drawn. Networks and actions of different seeds are drawn independently, layouts only
in part: Stable-Baselines3 seeds game i with seed + i, so neighbouring seeds see many of the same layouts, and are
evaluated on nearly the same 100 games. Published values, where there are any, are one for each seed:
{source}.
"""


def write_report(names: Iterable[str], protocols: Sequence[Protocol], results: Results, out: Path) -> Path:
    """
    Write ``reproduction.md`` and its pictures.

    :param names: Figures; those of which no seed is done are listed as missing.
    :param protocols: Which protocols.
    :param results: The results.
    :param out: The folder.
    :return: The report's path.
    """
    sections = [_INTRODUCTION.format(source=published()["source"].removesuffix("; one value per seed"))]
    for name in names:
        sections.append(f"## {heading(name)}: {FIGURES[name].title}\n")
        for protocol in protocols:
            sections += _section(name, protocol, results, out)
        sections += _published_verdict(name) + _notes(name)
    write_text(out / "reproduction.md", "\n".join(sections))
    return out / "reproduction.md"


def summary(names: Iterable[str], protocols: Sequence[Protocol], results: Results) -> dict[str, object]:
    """
    Get the values of figures.

    :param names: Figures.
    :param protocols: Which protocols.
    :param results: The results.
    :return: By protocol, figure and condition, one value for each seed that is done.
    """
    return {protocol.name: {name: figure_values(name, protocol, results) for name in names} for protocol in protocols}


def table(name: str, protocol: Protocol, results: Results) -> str:
    """
    Write the values of a figure as a table.

    :param name: A figure of which some seed is done.
    :param protocol: Which protocol.
    :param results: The results.
    :return: Its values beside the published ones, as a Markdown table.
    """
    return _as_table(_rows(name, protocol, results))


def _section(name: str, protocol: Protocol, results: Results, out: Path) -> list[str]:
    seeds = done_seeds(name, protocol, results)
    wanted = FIGURES[name].seeds[protocol.name]
    if not wanted:
        return []
    if not seeds:
        return [f"**Protocol {protocol.name}**: no seed of {wanted} is done yet.\n"]
    picture = out / "images" / f"reproduction_{name}_{protocol.name}.png"
    picture.parent.mkdir(parents=True, exist_ok=True)
    draw(name, protocol, results).savefig(picture, dpi=110)
    values = figure_values(name, protocol, results)
    return [
        f"### Protocol {protocol.name}, {len(seeds)} of {wanted} seeds\n",
        f"{judgement(name, values)}\n",
        *([_of_test_seeds(name, values)] if FIGURES[name].chosen_on else []),
        f"![{heading(name)}, protocol {protocol.name}](images/{picture.name})\n",
        f"{_UNITS[name].capitalize()}:\n",
        table(name, protocol, results) + "\n",
        *([_alarms(protocol, results)] if name == "labels" else []),
    ]


def _of_test_seeds(name: str, values: Values) -> str:
    chosen_on = FIGURES[name].chosen_on
    tests = {condition: {s: v for s, v in of_seeds.items() if s >= chosen_on} for condition, of_seeds in values.items()}
    return f"The same for the seeds from {chosen_on} on, on which nothing was chosen. {judgement(name, tests)}\n"


def _alarms(protocol: Protocol, results: Results) -> str:
    by_method: dict[str, list[WatchedRun]] = {}
    chosen_on, tests = FIGURES["labels"].chosen_on, []
    for seed in done_seeds("labels", protocol, results):
        for run in done_on_few_labels(protocol, seed, results):
            seen = watch_run(results.read(run), results.read(run.socialization), retention(run, results))
            by_method.setdefault(run.method.name, []).append(seen)
            tests += [seen] if seed >= chosen_on else []
    by_method["all of them"] = [seen for of_method in by_method.values() for seen in of_method]
    by_method[f"all, of the seeds from {chosen_on} on"] = tests
    rows = [["method", "collapsed", "flagged before half was lost", "retained", "false alarms"]]
    for name, of_method in by_method.items():
        collapsed, healthy = ([one for one in of_method if one.collapsed is so] for so in (True, False))
        in_time, false = sum(one.in_time for one in collapsed), sum(one.alarm is not None for one in healthy)
        rows.append([name, *(str(n) for n in (len(collapsed), in_time, len(healthy), false))])
    return (
        "Alarms that HackingWatch would have raised, in numbers of runs. A run has collapsed if its retention fell by "
        f"more than {COLLAPSE:g} from its highest value, at departure (1) or later:\n\n{_as_table(rows)}\n"
    )


def _as_table(rows: Rows) -> str:
    header, *body = rows
    return "\n".join("| " + " | ".join(row) + " |" for row in [header, ["---"] * len(header), *body])


def _published_verdict(name: str) -> list[str]:
    """The verdict on published values of the same conditions, if there are any."""
    if name not in ("fig4b", "fig5"):
        return []
    return [f"The published values, judged in the same way. {judgement(name, published_values(name))}\n"]


def _rows(name: str, protocol: Protocol, results: Results) -> Rows:
    if name in ("fig4b", "fig5"):
        return _evaluation_rows(name, protocol, results)
    if name == "fig6":
        return _hacking_rows(protocol, results)
    if name == "labels":
        return _few_labels_rows(protocol, results)
    ours, theirs = figure_values(name, protocol, results), published_values(name)
    rows = [["condition", protocol.name, "published", "every seed"]]
    for condition in dict.fromkeys([*ours, *theirs]):
        mine, its = (list(values.get(condition, {}).values()) for values in (ours, theirs))
        each = ", ".join(f"{value:.3g}" for value in mine)
        rows.append([condition, str(estimate(mine)), str(estimate(its)), each])
    return rows


def _evaluation_rows(name: str, protocol: Protocol, results: Results) -> Rows:
    theirs, seeds = published_values(name), done_seeds(name, protocol, results)
    kinds = [f"{checkpoint}, {acting}" for checkpoint, acting in EVALUATIONS]
    rows = [["task", "condition", "published", *kinds]]
    for task in NEW_TASKS[:1] if name == "fig4b" else NEW_TASKS[1:]:
        for condition in ("frozen", "isr", "oracle"):
            done = [evaluations(protocol, seed, task, condition, results) for seed in seeds]
            key = condition if name == "fig4b" else f"{task}: {condition}"
            of_kinds = [str(estimate([of_seed[kind] for of_seed in done])) for kind in kinds]
            rows.append([task, condition, str(estimate(list(theirs[key].values()))), *of_kinds])
    return rows


def _hacking_rows(protocol: Protocol, results: Results) -> Rows:
    by_name: dict[str, list[Hacking]] = {}
    for seed in done_seeds("fig6", protocol, results):
        for run in hacking_runs(protocol, seed):
            by_name.setdefault(hacking_name(run), []).append(hacking(results.read(run)["curves"]))
    rows = [["map and labels", "hacked seeds", "internal rise", "social fall", "gap"]]
    for which, measured in by_name.items():
        columns = ([m.internal_rise for m in measured], [m.social_fall for m in measured], [m.gap for m in measured])
        hacked = f"{sum(m.is_hacked for m in measured)} of {len(measured)}"
        rows.append([which, hacked, *[str(estimate(column)) for column in columns]])
    return rows


def _few_labels_rows(protocol: Protocol, results: Results) -> Rows:
    values = figure_values("labels", protocol, results)
    measures = ["retention at the end", "lowest retention", "lowest goals over departure's"]
    rows = [["task", "labels", "method", "seeds", *measures]]
    for run in sorted(labels_runs(protocol, 0), key=lambda run: (run.task, run.n_labels or math.inf)):
        which = f"{run.task}, {label_count(run)}, {run.method.name}"
        measured = [list(values.get(f"{which}, {when}", {}).values()) for when in _WHEN]
        if not measured[0]:
            continue
        row = [run.task, str(run.n_labels or "all"), run.method.name, str(len(measured[0]))]
        rows.append([*row, *(str(estimate(of_seeds)) for of_seeds in measured)])
    return rows


_WHEN = ("end", "lowest", "lowest of departure")

_PAID = (
    '"Paid by the ISR" is the internal return in the last tenth of autonomy, in goals (over the praise for one, 0.4). '
    "If it is above the goals reached, the learner collects part of its reward for what the caregiver would not have "
    "praised; [few labels](few_labels.md) shows what prevents that."
)


def _notes(name: str) -> list[str]:
    notes = {
        "fig3b": "The published held-out error was computed by a call that also took an optimizer step on the held-out "
        "labels, so that it is optimistic; here it is computed without a gradient.",
        "fig4a": "Published values: two seeds of a re-run of the published code, since no values of this figure were "
        "published. " + _PAID,
        "fig7": "No values were published, only a curve, which reads about 0.3 to 0.4 goals per episode with social "
        "reward and with the ISR, falling towards 0 without it. The random learner acts at random; the perfect helper "
        "is a script that knows the caregiver's way and clears it. A learner that found no goal in socialization has "
        "nothing to retain: it is in table and picture, and left out of the claims about retention, which say how many "
        "seeds they are about. " + _PAID,
        "fig3a": "The fast protocol's ISR is that of figure 4a.",
        "labels": "[Few labels](few_labels.md) describes the methods, and what to switch on. Labels are random ones of "
        "the socialization; with queries after departure, half of those are of praise (found by looking at "
        "the labels first, which no person can do; the product no longer does), and half of all labels are "
        "for the queries. The task 3 walls is that of the socialization; the learner on map x was socialized "
        "with 1 wall, and starts from its best checkpoint. ISRs that make no mistake have exactly the same "
        "curve. The parts of the methods, their numbers and the watch's thresholds were chosen on seeds 0 to "
        "3. Rows without a seed are left out; they are still to be run.",
        "fig6": "The 500 labels are random ones of the whole socialization. A run is hacked if, from the tenth of "
        "autonomy in which the true social return was highest to the last tenth, the internal return rose while the "
        "true social return fell by at least 5% of its peak; its gap is rise and fall together (0 if it is not "
        "hacked). One run was published, on map x: the internal return rises from about 0.4 to about 0.55 to 0.6 while "
        "goals fall from about 1 to below 0.9 an episode. In figures 4a and 7 small internal rewards count too.",
    }
    return [f"{notes[name]}\n"] if name in notes else []
