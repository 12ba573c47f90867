"""The claims of each figure, and whether our values support them."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from reproduction.figures import FEW_LABELS
from reproduction.methods import BASELINE, CAREFUL
from reproduction.published import Values
from reproduction.values import ON_LAST
from sb3_isr.envs.coin_game.maps import MAPS
from sb3_isr.evaluation.statistics import estimate, welch

#: Below this p-value a difference counts.
SIGNIFICANT = 0.05

#: A learner of figure 7 that reached fewer goals per episode at departure has nothing that could be retained.
SOCIALIZED = 0.5


class Finding(NamedTuple):
    """
    A claim and whether it holds.

    :param claim: The claim, in words.
    :param holds: Whether our values support it; None if there are too few seeds to say.
    :param evidence: The numbers.
    """

    claim: str
    holds: bool | None
    evidence: str


Judge = Callable[[Values], Finding]


def findings(name: str, values: Values) -> list[Finding]:
    """
    Judge the claims of a figure.

    :param name: A figure.
    :param values: Its values.
    :return: A finding for each of its claims.
    """
    return [claim(values) for claim in _CLAIMS[name]] if values else []


def verdict(found: list[Finding], done: str = "reproduced") -> str:
    """
    Summarize findings.

    :param found: A figure's findings.
    :param done: The word for findings that hold.
    :return: "Reproduced", "partly reproduced", "not reproduced" or "not yet known", and why, as a sentence.
    """
    held = [finding for finding in found if finding.holds]
    failed = [finding for finding in found if finding.holds is False]
    open_ = [finding for finding in found if finding.holds is None]
    if not held and not failed:
        return "**Not yet known**: too few seeds are done."
    word = f"Not {done}" if not held else done.capitalize() if not failed and not open_ else f"Partly {done}"
    parts = [f"{finding.claim} ({finding.evidence})" for finding in held]
    parts += [f"not: {finding.claim} ({finding.evidence})" for finding in failed]
    parts += [f"not yet known: {finding.claim} ({finding.evidence})" for finding in open_]
    return f"**{word}**: {'; '.join(parts)}."


def judgement(name: str, values: Values) -> str:
    """
    Get the verdict on a figure.

    :param name: A figure.
    :param values: Its values.
    :return: The verdict on its claims. What goes beyond the paper has targets, which are reached and not reproduced.
    """
    return verdict(findings(name, values), "reproduced" if name.startswith("fig") else "reached")


def above(higher: str, lower: str, claim: str, of_logarithms: bool = False) -> Judge:
    """
    Claim that one condition's values are above another's, by interquartile mean and Welch's test.

    :param higher: One condition.
    :param lower: The other one.
    :param claim: The claim, in words.
    :param of_logarithms: Whether to test the logarithms: errors span orders of magnitude.
    :return: The claim. It is open if the means are in this order and the test does not tell them apart.
    """

    def judge(values: Values) -> Finding:
        a, b = (list(values[condition].values()) for condition in (higher, lower))
        p = welch(np.log(a).tolist(), np.log(b).tolist()) if of_logarithms else welch(a, b)
        evidence = f"{estimate(a)} against {estimate(b)}, Welch p = {p:.1g}{' of logarithms' if of_logarithms else ''}"
        points_so = estimate(a).iqm > estimate(b).iqm
        holds = None if np.isnan(p) or (points_so and p >= SIGNIFICANT) else points_so
        return Finding(claim, holds, evidence)

    return judge


def not_below(kept: str, reference: str, claim: str) -> Judge:
    """
    Claim that one condition's interquartile mean is within another's interval, or above it.

    :return: The claim.
    """

    def judge(values: Values) -> Finding:
        a, b = (estimate(list(values.get(condition, {}).values())) for condition in (kept, reference))
        holds = None if b.low != b.low else a.iqm >= b.low
        return Finding(claim, holds, f"{a} against {b}")

    return judge


def at_least(least: float, condition: str, claim: str) -> Judge:
    """
    Claim that a condition's interquartile mean reaches a target.

    :return: The claim.
    """

    def judge(values: Values) -> Finding:
        reached = estimate(list(values.get(condition, {}).values()))
        holds = reached.iqm >= least if reached.n else None
        return Finding(f"{claim} at least {least:g}", holds, f"{reached}, n={reached.n}")

    return judge


def of_the_socialized(judge: Judge) -> Judge:
    """
    Restrict a claim to the seeds whose learner had learned something at departure.

    :return: The claim.
    """

    def of_socialized(values: Values) -> Finding:
        departure = values["departure"]
        seeds = [seed for seed, goals in departure.items() if goals >= SOCIALIZED]
        finding = judge({name: {s: v for s, v in of_name.items() if s in seeds} for name, of_name in values.items()})
        return finding._replace(evidence=f"{finding.evidence}, {len(seeds)} of {len(departure)} seeds")

    return of_socialized


def _held_out_error_falls(values: Values) -> Finding:
    fewest, *_, most = (condition for condition in values if not condition.endswith(ON_LAST))
    return above(fewest, most, f"the held-out error falls from {fewest} to {most}", of_logarithms=True)(values)


def _error_on_last_labels_falls(values: Values) -> Finding:
    fewest, *_, most = (condition for condition in values if condition.endswith(ON_LAST))
    claim = "so does the error on the last tenth of the whole socialization's labels"
    return above(fewest, most, claim, of_logarithms=True)(values)


def _hacked_somewhere(values: Values) -> Finding:
    gaps = {condition: estimate(list(of_seed.values())) for condition, of_seed in values.items()}
    n_runs = sum(len(of_seed) for of_seed in values.values())
    n_hacked = sum(gap > 0 for of_seed in values.values() for gap in of_seed.values())
    worst = max(gaps, key=lambda condition: sum(values[condition].values()))
    evidence = f"{n_hacked} of {n_runs} runs; the widest gap, {worst}: {gaps[worst]}"
    holds = (any(gap.low > 0 for gap in gaps.values()) or None) if n_hacked else False
    return Finding("somewhere the internal return rises while the true social return falls", holds, evidence)


def _few_labels_are_hacked_more(values: Values) -> Finding:
    claim = f"the hacking gap is wider with {FEW_LABELS} labels than with all"
    means: dict[str, dict[int, float]] = {}
    for kind in ("all", str(FEW_LABELS)):
        per_map = [values[f"{task}: {kind} labels"] for task in MAPS if f"{task}: {kind} labels" in values]
        if not per_map:
            return Finding(claim, None, "this protocol gives its ISR all labels")
        means[kind] = {seed: sum(of_map[seed] for of_map in per_map) / len(per_map) for seed in per_map[0]}
    return above(str(FEW_LABELS), "all", claim)(means)


def _targets_of_few_labels() -> list[Judge]:
    targets = []
    for task in ("3 walls", "x"):
        targets += [
            at_least(least, f"{task}, {n} labels, {CAREFUL.name}, {when}", f"{task}, {n} labels: retention {when}")
            for n, when, least in (
                (500, "end", 0.98),
                (500, "lowest", 0.85),
                (200, "end", 0.9),
                (200, "lowest of departure", 0.5),
                (100, "end", 0.75),
            )
        ]
        whole = f"{task}, all labels, "
        targets.append(
            not_below(
                f"{whole}{CAREFUL.name}, end",
                f"{whole}{BASELINE.name}, end",
                f"{task}, all labels: as one ISR or better",
            )
        )
    for task in MAPS:
        targets.append(
            not_below(
                f"{task}, all labels, {CAREFUL.name}, goals",
                f"{task}, oracle, goals",
                f"{task}, all labels: goals within the interval of the learner whose caregiver stays",
            )
        )
    return targets


_CLAIMS: dict[str, list[Judge]] = {
    "fig1b": [
        above("departure", "none", "without social reward, what was learned is unlearned"),
        not_below("oracle", "departure", "with it, it is retained"),
    ],
    "fig3a": [
        above("train, first", "train, last", "the training loss falls", of_logarithms=True),
        above("held_out, first", "held_out, last", "the held-out loss falls", of_logarithms=True),
    ],
    "fig3b": [_held_out_error_falls, _error_on_last_labels_falls],
    "fig4a": [
        above("departure", "none", "without the ISR, what was learned is unlearned"),
        above("isr", "none", "with the ISR more is retained than without"),
        not_below("isr", "oracle", "with the ISR the learner is within the oracle's interval"),
    ],
    "fig4b": [
        above("isr", "frozen", "the ISR learner does better than the frozen one"),
        not_below("isr", "oracle", "the ISR learner is within the oracle's interval"),
    ],
    "fig5": [
        *[above(f"{task}: isr", f"{task}: frozen", f"{task}: ISR above frozen") for task in MAPS],
        *[not_below(f"{task}: isr", f"{task}: oracle", f"{task}: ISR within the oracle's interval") for task in MAPS],
    ],
    "fig6": [_hacked_somewhere, _few_labels_are_hacked_more],
    "fig7": [
        above("departure", "random learner", "praise for another's goals teaches the learner to help"),
        of_the_socialized(above("isr", "none", "with the ISR more helping is retained than without")),
        of_the_socialized(above("departure", "none", "without it, helping is unlearned")),
        of_the_socialized(not_below("isr", "oracle", "with the ISR the learner is within the oracle's interval")),
    ],
    "labels": _targets_of_few_labels(),
}
