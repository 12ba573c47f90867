"""The study ``python -m reproduction teach``: what a person can teach from nothing, with how many key presses."""

from __future__ import annotations

from pathlib import Path

import matplotlib as mpl
from matplotlib.figure import Figure
from tabulate import tabulate

from reproduction.results import Result, Results
from reproduction.study_runs import TeachRun
from reproduction.teach_run import METHODS, N_PARTS
from reproduction.teach_tasks import TEACH_TASKS
from sb3_isr.evaluation.statistics import estimate

#: Number of seeds in the committed results.
SEEDS = 10
#: The methods that are made first, of all seeds.
FIRST = 2
#: Colours that the colour-blind can tell apart (Okabe & Ito 2008).
_COLOURS = (
    "#000000",
    "#0072B2",
    "#D55E00",
    "#009E73",
    "#CC79A7",
    "#E69F00",
    "#56B4E9",
    "#F0E442",
    "#999999",
    "#882255",
)


def teach_runs(n_seeds: int | None = None) -> list[TeachRun]:
    """
    List the runs of the study.

    :param n_seeds: Number of seeds; None for as many as the committed results have.
    :return: Its runs, task by task: the most important methods first.
    """
    names = [*METHODS]
    return [
        TeachRun(task, method, seed, TEACH_TASKS[task].steps)
        for task in TEACH_TASKS
        for methods in (names[:FIRST], names[FIRST:])
        for seed in range(n_seeds or SEEDS)
        for method in methods
    ]


def write_teach(results: Results, out: Path) -> str:
    """
    Write tables and figure of what is done.

    :param results: The results.
    :param out: Folder of ``teach.md`` and ``images``.
    :return: The tables.
    """
    done = {task: _done(results, task) for task in TEACH_TASKS}
    tables = "\n\n".join(f"## {task}\n\n{_table(of_task)}" for task, of_task in done.items() if of_task)
    (out / "images").mkdir(parents=True, exist_ok=True)
    (out / "teach.md").write_text(f"{_HEAD}\n\n{tables}\n")
    _draw({task: of_task for task, of_task in done.items() if of_task}, out / "images" / "teach.png")
    return tables


_HEAD = """# Teaching from nothing

Made by `python -m reproduction teach --out docs`; do not edit. A learner has no reward but what it is taught (in the
coin game a move has a cost). It is shown to a simulated person, who praises and scolds by a rule that a person could
follow, and answers about whole episodes (windows of at most 64 steps), or about single steps. No rule of what is asked
looks at a label. A mark on a step is one key press, "the rest is nothing" another one for each episode, a skip one; a
single step takes one. The person has 60 key presses in all, where the table says nothing else, and then stops. An ISR
is trained on the answers so far, and its `R_i` is all that the learner gets; before there is one, `R_i` is 0. Where
there is a caregiver at every step, its rewards reach the learner itself.

Goals per episode are those of the last tenth of the run: interquartile means over seeds, with 95% bootstrap intervals,
and the lowest seed; the share is goals over those of "every step" with the same seeds. Answers, praises
(labels that are not 0) and key presses are means. Settings were chosen on seeds from 10 on; seeds 0 to 9 are the study.
Rows of fewer seeds are still to be run; there are no results yet for DoorKey and reach.

- One praise in twenty wrong: one in twenty marks is on a random step of the episode.
- One step late: every mark is one step late; the mark of a last step is lost.
- Answers after 5 rollouts: training goes on meanwhile.

The coin game's ISR is given observation and action alone, and trained with `l1_coef=0.006` and `action_contrast=True`,
as docs/few_labels.md advises; DoorKey has the default ISR, and reach `l1_coef=0.006`. All are trained for 500 gradient
steps a cycle on batches of 64.

- **coin game**: praise of 0.4 for each goal; episodes of 20 steps. A random policy is praised in one episode of seven.
- **DoorKey**: MiniGrid-DoorKey-5x5; praise of 0.2 for unlocking the door, and 1 at the goal.
- **reach**: a mass is pushed on a field, with a continuous action; praise of 1 on a target, -0.5 for leaving the
  field. A random policy is praised in one episode of eleven.

Questions are chosen by `EpisodeQueries(60, first=1/3, n_rounds=6)`: 20 episodes at random, 10 more in each rollout
until five were praised or scolded, and the rest in five rounds.

![Goals per episode at the end, a dot a seed, and over training](images/teach.png)"""


def _done(results: Results, task: str) -> dict[str, dict[int, Result]]:
    """The results of a task by method and seed."""
    read: dict[str, dict[int, Result]] = {}
    for run in teach_runs():
        if run.task == task and run in results:
            read.setdefault(run.method, {})[run.seed] = results.read(run)
    return {method: read[method] for method in METHODS if method in read}


def _table(done: dict[str, dict[int, Result]]) -> str:
    rows = []
    for method, by_seed in done.items():
        goals = {seed: result["goals"][-1] for seed, result in by_seed.items()}
        shares = [
            goals[seed] / result["goals"][-1] for seed, result in done.get("every step", {}).items() if seed in goals
        ]
        rows.append(
            (
                method,
                f"{len(goals)}/{SEEDS}",
                f"{estimate([*goals.values()])}; {min(goals.values()):.2f}",
                f"{estimate(shares)}; {min(shares):.2f}" if shares else "-",
                *(_mean([result[name][-1] for result in by_seed.values()]) for name in ("answers", "key_presses")),
                _mean([result["praises"] for result in by_seed.values()]) if method != "every step" else "-",
            )
        )
    head = ["taught by", "seeds", "goals per episode; lowest", "share; lowest", "answers", "key presses", "praises"]
    return tabulate(rows, head, "github", disable_numparse=True)


def _mean(values: list[float]) -> str:
    mean = sum(values) / len(values)
    return f"{mean:.0f}" if mean else "-"


def _draw(done: dict[str, dict[str, dict[int, Result]]], path: Path) -> None:
    with mpl.rc_context({"font.size": 8}):
        heights = [0.26 * len(methods) + 1 for methods in done.values()] or [1]
        figure = Figure(figsize=(9, sum(heights)), layout="constrained")
        axes = figure.subplots(len(heights), 2, squeeze=False, height_ratios=heights)
        for (ends, over_time), (task, methods) in zip(axes, done.items(), strict=False):
            for row, (method, by_seed) in enumerate(methods.items()):
                colour, results = _COLOURS[[*METHODS].index(method)], [*by_seed.values()]
                final = [result["goals"][-1] for result in results]
                ends.scatter(final, [row] * len(final), s=16, color=colour, lw=0, alpha=0.7)
                ends.vlines(estimate(final).iqm, row - 0.3, row + 0.3, color=colour, lw=2)
                curve = [estimate([result["goals"][part] for result in results]).iqm for part in range(N_PARTS)]
                over_time.plot([(part + 0.5) / N_PARTS for part in range(N_PARTS)], curve, color=colour, lw=1.2)
            ends.set_yticks(range(len(methods)), methods)
            for tick, method in zip(ends.get_yticklabels(), methods, strict=True):
                tick.set_color(_COLOURS[[*METHODS].index(method)])
            ends.invert_yaxis()
            ends.set(title=task, xlabel="goals per episode at the end", xlim=(0, None))
            over_time.set(title=task, xlabel="fraction of training", ylabel="goals per episode", ylim=(0, None))
            for each in (ends, over_time):
                each.spines[["top", "right"]].set_visible(False)
        figure.savefig(path, dpi=150)
