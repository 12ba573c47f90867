"""The report of a study: tables, figures and the best entry in a folder, and a summary to print."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Sequence
from pathlib import Path

import optuna
import yaml
from matplotlib.figure import Figure
from optuna.study import Study
from tabulate import tabulate

from sb3_isr.common.files import write_text
from sb3_isr.common.versions import versions
from sb3_isr.tuning.draw import draw_front, draw_importances, draw_slices
from sb3_isr.tuning.entry import Entry, callback_kwargs
from sb3_isr.tuning.findings import RETAINED, Found, dominated, found, front, importances
from sb3_isr.tuning.objective import Settings
from sb3_isr.tuning.storage import is_url
from sb3_isr.tuning.study import Place, failure, finished


def report(
    study: Study, settings: Settings, place: Place, out: Path, chosen: Found | None, beside: Sequence[str] = ()
) -> str:
    """
    Write a study's tables, figures and best entry.

    :param study: The study, with a trial that was trained to its end.
    :param settings: What was tuned.
    :param place: Where the study is.
    :param out: The folder.
    :param chosen: The trial that is marked and becomes the entry.
    :param beside: Names of other studies in the same storage, to be drawn beside it.
    :return: A summary to print.
    """
    trials = found(study)
    others = {name: found(optuna.load_study(study_name=name, storage=study._storage)) for name in beside}
    others = {name: of_other for name, of_other in others.items() if of_other}
    shares = importances(study)
    title = f"{settings.env_id}, {settings.algo}: {len(trials)} trials of {settings.timesteps:,} steps, "
    title += f"{settings.seeds} seed{'s' if settings.seeds > 1 else ''} each"

    write_text(out / "trials.csv", table_of_trials(study))
    described = {
        "settings": study.user_attrs["settings"],
        "chosen": None if chosen is None else chosen.number,
        "front": [trial.number for trial in front(trials)],
        "importances": shares,
        "dominated": _dominated({place.name: trials, **others}),
        "versions": versions("optuna"),
    }
    write_text(out / "study.json", json.dumps(described, indent=1) + "\n")
    figures: dict[str, Callable[[], Figure]] = {"front": lambda: draw_front(trials, chosen, title, others)}
    if shares:
        figures["importances"] = lambda: draw_importances(shares, title)
    if any(trial.params for trial in trials):
        figures["slices"] = lambda: draw_slices(trials, title)
    for name, draw in figures.items():
        draw().savefig(out / f"{name}.png", dpi=150)
    if chosen is not None:
        write_text(out / f"{settings.algo}.yml", _yaml(settings, place, chosen))
    return _summary(settings, place, out, trials, chosen, shares, list(figures))


def table_of_trials(study: Study) -> str:
    """
    Write the trials of a study as CSV.

    :param study: The study.
    :return: All its trials; those that were put back into the queue are left out.
    """
    trials = finished(study)
    params = sorted({name for trial in trials for name in trial.params})
    text = io.StringIO()
    columns = [
        "number",
        "state",
        "return",
        "labels",
        "returns of seeds",
        "labels of seeds",
        "seconds",
        "presence as run",
    ]
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([*columns, *params, "failure"])
    complete = {one.number: one for one in found(study)}
    for trial in trials:
        one = complete.get(trial.number)
        results = [one.value, one.labels, one.returns, trial.user_attrs["labels"]] if one else [""] * 4
        seconds = "" if trial.duration is None else round(trial.duration.total_seconds(), 1)
        schedule = callback_kwargs(trial.user_attrs["entry"]).get("presence") if "entry" in trial.user_attrs else ""
        values = [trial.params.get(name, "") for name in params]
        writer.writerow([trial.number, trial.state.name, *results, seconds, schedule, *values, failure(trial) or ""])
    return text.getvalue()


def _presence(entry: Entry) -> str:
    return str(callback_kwargs(entry).get("presence"))


def _dominated(studies: dict[str, list[Found]]) -> dict[str, float]:
    everyone = [trial for trials in studies.values() for trial in trials]
    labels = [max(trial.labels, 1.0) for trial in everyone]
    values = [trial.value for trial in everyone]
    if min(labels) == max(labels) or min(values) == max(values):
        return {}
    box = (min(labels), max(labels)), (min(values), max(values))
    return {name: round(dominated(trials, *box), 4) for name, trials in studies.items()}


def _yaml(settings: Settings, place: Place, chosen: Found) -> str:
    head = (
        f"# {settings.algo} with internalization, for RL Zoo: trial {chosen.number} of study {place.name}.\n"
        f"# True social return {chosen.value:.4g} per episode in the last tenth of training, {chosen.labels:,.0f} "
        f"labels (means over {settings.seeds} seeds, which the search has seen).\n"
    )
    return head + yaml.safe_dump({settings.env_id: chosen.entry}, sort_keys=False, width=120)


def _summary(
    settings: Settings,
    place: Place,
    out: Path,
    trials: Sequence[Found],
    chosen: Found | None,
    shares: dict[str, dict[str, float]],
    figures: Sequence[str],
) -> str:
    lines = [f"\nStudy {place.name}: {len(trials)} trials trained to their end\n", "Front: labels, return, presence"]
    lines += [
        f"{trial.labels:>12,.0f}{trial.value:>12.4g}  {_presence(trial.entry)} (trial {trial.number})"
        for trial in front(trials)
    ]
    if chosen is None:
        lines += ["", "No trial meets the constraint; loosen it, or run more trials."]
    else:
        why = f"fewest labels that retain {RETAINED:.0%} of the way from the worst return to the best"
        if settings.max_labels is not None:
            why = f"greatest return with at most {settings.max_labels:,} labels"
        elif settings.min_return is not None:
            why = f"fewest labels with a return of {settings.min_return:g} or more"
        lines += ["", f"Chosen: trial {chosen.number}, return {chosen.value:.4g}, {chosen.labels:,.0f} labels"]
        lines += [f"  ({why}, unless --trial names another)"]
        lines += [
            f"  {name:22}{value:.4g}" if isinstance(value, float) else f"  {name:22}{value}"
            for name, value in chosen.params.items()
        ]
    if shares:
        rows = [(name, share, shares["labels"].get(name, 0.0)) for name, share in shares["return"].items()]
        lines += ["", tabulate(rows, ["Importance for", "return", "labels"], "plain", floatfmt=".2f")]
    lines += [
        "",
        f"Trials: {out / 'trials.csv'}",
        f"Figures: {', '.join(str(out / name) + '.png' for name in figures)}",
    ]
    if chosen is not None:
        path = out / f"{settings.algo}.yml"
        packages = " ".join(("sb3_isr", *(settings.registration.packages if settings.registration else ())))
        lines += [
            f"RL Zoo: python -m rl_zoo3.train --algo {settings.algo} --env {settings.env_id} --gym-packages {packages} "
            f"--conf-file {path}"
        ]
    shown = "the --storage URL" if is_url(place.storage) else place.storage
    lines += [f"Dashboard: pip install optuna-dashboard, then: optuna-dashboard {shown}"]
    return "\n".join(lines)
