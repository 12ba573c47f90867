"""What the paper claims of each figure, and whether our values bear it out."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from sb3_isr.envs.coin_game_rules import MAPS
from sb3_isr.experiments.runs import FEW_LABELS
from sb3_isr.experiments.statistics import estimate, welch
from sb3_isr.experiments.values import ON_LAST, Values

#: Below this p-value a difference counts.
SIGNIFICANT = 0.05


class Finding(NamedTuple):
    """
    :param claim: What was claimed, in words.
    :param holds: Whether our values bear it out; None if there are too few seeds to say.
    :param evidence: The numbers.
    """

    claim: str
    holds: bool | None
    evidence: str


def findings(name: str, values: Values) -> list[Finding]:
    """
    :param name: A figure.
    :param values: Its values.
    :return: A finding for each of its claims.
    """
    return [claim(values) for claim in _CLAIMS[name]] if values else []


def verdict(found: list[Finding]) -> str:
    """
    :param found: A figure's findings.
    :return: "Reproduced", "partly reproduced", "not reproduced" or "not yet known", and why, as a sentence.
    """
    known = [finding for finding in found if finding.holds is not None]
    if not known:
        return "**Not yet known**: too few seeds are done."
    held = [finding for finding in known if finding.holds]
    failed = [finding for finding in known if not finding.holds]
    words = {len(known): "Reproduced", 0: "Not reproduced"}.get(len(held), "Partly reproduced")
    why = "; ".join(f"{finding.claim} ({finding.evidence})" for finding in held)
    why_not = "; ".join(f"not: {finding.claim} ({finding.evidence})" for finding in failed)
    return f"**{words}**: {'; '.join(part for part in (why, why_not) if part)}."


def above(higher: str, lower: str, claim: str) -> Callable[[Values], Finding]:
    """
    :return: The claim that one condition's values lie above another's, by interquartile mean and Welch's test.
    """

    def judge(values: Values) -> Finding:
        a, b = (list(values[condition].values()) for condition in (higher, lower))
        p = welch(a, b)
        evidence = f"{estimate(a)} against {estimate(b)}, Welch p = {p:.1g}"
        if p != p:
            return Finding(claim, None, evidence)
        return Finding(claim, bool(estimate(a).iqm > estimate(b).iqm and p < SIGNIFICANT), evidence)

    return judge


def not_below(kept: str, reference: str, claim: str) -> Callable[[Values], Finding]:
    """
    :return: The claim that one condition's interquartile mean lies within another's interval, or above it.
    """

    def judge(values: Values) -> Finding:
        a, b = (estimate(list(values[condition].values())) for condition in (kept, reference))
        holds = None if b.low != b.low else a.iqm >= b.low
        return Finding(claim, holds, f"{a} against {b}")

    return judge


def _held_out_error_falls(values: Values) -> Finding:
    fewest, *_, most = (condition for condition in values if not condition.endswith(ON_LAST))
    return above(fewest, most, f"the held-out error falls from {fewest} to {most}")(values)


def _error_on_last_labels_falls(values: Values) -> Finding:
    fewest, *_, most = (condition for condition in values if condition.endswith(ON_LAST))
    return above(fewest, most, "so does the error on the last tenth of the whole socialization's labels")(values)


def _hacked_somewhere(values: Values) -> Finding:
    gaps = {condition: estimate(list(of_seed.values())) for condition, of_seed in values.items()}
    n_runs = sum(len(of_seed) for of_seed in values.values())
    n_hacked = sum(gap > 0 for of_seed in values.values() for gap in of_seed.values())
    worst = max(gaps, key=lambda condition: gaps[condition].iqm)
    evidence = f"{n_hacked} of {n_runs} runs; the widest gap, {worst}: {gaps[worst]}"
    return Finding("internal return rises while the true social return falls", n_hacked > 0, evidence)


def _few_labels_are_hacked_more(values: Values) -> Finding:
    claim = f"the hacking gap is wider with {FEW_LABELS} labels than with all"
    means: dict[str, dict[int, float]] = {}
    for kind in ("all", str(FEW_LABELS)):
        per_map = [values[f"{task}: {kind} labels"] for task in MAPS if f"{task}: {kind} labels" in values]
        if not per_map:
            return Finding(claim, None, "this protocol gives its ISR all labels")
        means[kind] = {seed: sum(of_map[seed] for of_map in per_map) / len(per_map) for seed in per_map[0]}
    return above(str(FEW_LABELS), "all", claim)(means)


_CLAIMS: dict[str, list[Callable[[Values], Finding]]] = {
    "fig1b": [
        above("departure", "none", "without social reward, what was learned is unlearned"),
        above("oracle", "none", "with it, it is not"),
    ],
    "fig3a": [
        above("train, first", "train, last", "the training loss falls"),
        above("held_out, first", "held_out, last", "the held-out loss falls"),
    ],
    "fig3b": [_held_out_error_falls, _error_on_last_labels_falls],
    "fig4a": [
        above("departure", "none", "without the ISR, what was learned is unlearned"),
        above("isr", "none", "with the ISR it is not"),
        not_below("isr", "oracle", "the ISR keeps what was learned within the oracle's interval"),
    ],
    "fig7": [
        above("departure", "random learner", "praise for another's goals teaches the learner to help"),
        above("isr", "none", "with the ISR helping goes on, without it it stops"),
        not_below("isr", "oracle", "within the oracle's interval"),
    ],
    "fig4b": [
        above("isr", "frozen", "the ISR learner does better than the frozen one"),
        not_below("isr", "oracle", "within the oracle's interval"),
    ],
    "fig5": [
        *[above(f"{task}: isr", f"{task}: frozen", f"{task}: ISR above frozen") for task in MAPS],
        *[not_below(f"{task}: isr", f"{task}: oracle", f"{task}: ISR within the oracle's interval") for task in MAPS],
    ],
    "fig6": [_hacked_somewhere, _few_labels_are_hacked_more],
}
