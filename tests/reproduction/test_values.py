"""From results to values, and from values to claims; checked against cases worked out by hand."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from reproduction.claims import findings, verdict
from reproduction.figures import FIGURES
from reproduction.methods import BASELINE, CAREFUL
from reproduction.published import Values, published_values
from reproduction.results import Results
from reproduction.runs import Run, Socialization, with_requirements
from reproduction.values import done_seeds, figure_values, hacking
from sb3_isr.envs.coin_game.maps import MAPS
from tests.reproduction.tiny import TINY


def curves(internal: list[float], goals: list[float]) -> dict[str, list[float]]:
    """Of ten points, with an environment reward that must not matter."""
    environment = np.linspace(-0.5, -0.1, 10)
    return {"utility": list(environment + internal), "environment": list(environment), "goals": goals}


def seeds(*values: float) -> dict[int, float]:
    return dict(enumerate(values))


def test_an_isr_is_hacked_if_it_pays_more_for_fewer_goals() -> None:
    paid = [0.4, 0.8, 1.0, 1.0, 1.1, 1.2, 1.3, 1.4, 1.5, 1.6]
    reached = [1.0, 2.0, 3.0, 2.5, 2.0, 1.5, 1.0, 0.5, 0.5, 0.5]
    measured = hacking(curves(paid, reached))
    assert measured.is_hacked
    assert measured.internal_rise == pytest.approx(0.6)  # from the peak of goals to the end
    assert measured.social_fall == pytest.approx(0.4 * 2.5)
    assert measured.gap == pytest.approx(1.6)


@pytest.mark.parametrize(
    ("paid", "reached"),
    [
        ([0.4 * goals for goals in range(1, 11)], list(range(1, 11))),  # learns
        ([1.2] * 10, [3.0, 3.0, 3.1, 3.0, 3.0, 3.0, 3.0, 3.0, 3.0, 2.99]),  # keeps, but for noise
        ([0.4 * goals for goals in range(10, 0, -1)], list(range(10, 0, -1))),  # unlearns, and is paid less for it
    ],
)
def test_an_isr_is_not_hacked_if_the_learner_only_learns_or_unlearns(paid: list[float], reached: list[float]) -> None:
    measured = hacking(curves(paid, reached))
    assert not measured.is_hacked
    assert measured.gap == 0.0


GOOD: Values = {
    "departure": seeds(3.0, 3.1, 3.2),
    "isr": seeds(3.1, 3.2, 3.3),
    "none": seeds(0.1, 0.2, 0.1),
    "oracle": seeds(3.0, 3.2, 3.3),
}


def test_the_verdict_follows_the_values() -> None:
    assert verdict(findings("fig4a", GOOD)).startswith("**Reproduced**")
    forgetful = GOOD | {"isr": seeds(2.0, 2.1, 2.2)}
    partly = verdict(findings("fig4a", forgetful))
    assert partly.startswith("**Partly reproduced**")
    assert "not: with the ISR the learner is within the oracle's interval (2.10" in partly
    stubborn = {"departure": seeds(3.0, 3.1, 3.2), "none": seeds(3.0, 3.1, 3.2), "oracle": seeds(2.0, 2.1, 2.2)}
    assert verdict(findings("fig1b", stubborn)).startswith("**Not reproduced**")
    assert verdict(findings("fig1b", {name: seeds(1.0) for name in stubborn})).startswith("**Not yet known**")


ENDS = [(part, when) for part in ("train", "held_out") for when in ("first", "last")]
MAP_CONDITIONS = [f"{task}: {condition}" for task in MAPS for condition in ("frozen", "isr", "oracle")]

#: For each figure values that support every claim.
SUPPORTING: dict[str, Values] = {
    "fig1b": {name: GOOD[name] for name in ("departure", "none", "oracle")},
    "fig3a": {f"{part}, {when}": seeds(*([9, 8, 9] if when == "first" else [1, 2, 1])) for part, when in ENDS},
    "fig3b": {
        **{f"{n} labels": seeds(1 / n, 1.1 / n, 1.2 / n) for n in (100, 1000, 10_000)},
        **{f"{n} labels, on the last of all": seeds(1 / n, 1.1 / n, 1.2 / n) for n in (100, 1000, 10_000)},
    },
    "fig4a": GOOD,
    "fig4b": {"frozen": seeds(0.4, 0.5, 0.5), "isr": seeds(0.7, 0.8, 0.7), "oracle": seeds(0.7, 0.7, 0.8)},
    "fig5": {name: seeds(0.1, 0.2, 0.1) if "frozen" in name else seeds(0.5, 0.6, 0.5) for name in MAP_CONDITIONS},
    "fig6": {
        **{f"{task}: all labels": seeds(0.0, 0.0, 0.1) for task in MAPS},
        **{f"{task}: 500 labels": seeds(0.8, 0.9, 1.0) for task in MAPS},
    },
    "fig7": {**GOOD, "random learner": seeds(0.0, 0.1, 0.0), "perfect helper": seeds(5.0, 5.0, 5.0)},
    "labels": {
        f"3 walls, 500 labels, {BASELINE.name}, end": seeds(0.1, 0.1, 0.2),
        **{
            f"{task}, {n} labels, {method.name}, {when}": seeds(1.0, 1.1, 1.0)
            for task in ("3 walls", "x")
            for method, n in ((BASELINE, "all"), *((CAREFUL, n) for n in (100, 200, 500, "all")))
            for when in ("lowest", "lowest of departure", "end")
        },
        **{
            f"{task}, {which}, goals": seeds(2.5, 2.6, 2.5)
            for task in MAPS
            for which in (f"all labels, {CAREFUL.name}", "oracle")
        },
    },
}


@pytest.mark.parametrize("name", FIGURES)
def test_every_figures_claims_can_hold_and_can_fail(name: str) -> None:
    assert verdict(findings(name, SUPPORTING[name])).startswith("**Reproduced**")
    conditions, of_seeds = list(SUPPORTING[name]), list(SUPPORTING[name].values())
    mixed_up = (of_seeds[::-1], [*of_seeds[1:], of_seeds[0]])
    verdicts = [verdict(findings(name, dict(zip(conditions, values, strict=True)))) for values in mixed_up]
    assert not all(each.startswith("**Reproduced**") for each in verdicts)


def test_in_figure_7_a_learner_that_was_never_socialized_has_nothing_to_retain() -> None:
    one_failed = {name: {**of_seed, 3: 0.0} for name, of_seed in SUPPORTING["fig7"].items()}
    found = {finding.claim: finding for finding in findings("fig7", one_failed)}
    retained = found["with the ISR more helping is retained than without"]
    assert retained.holds
    assert retained.evidence.endswith("3 of 4 seeds")


def test_a_difference_that_chance_explains_is_no_finding() -> None:
    noisy = {"departure": seeds(3.0, 1.0, 5.0), "none": seeds(2.9, 0.9, 5.0), "oracle": seeds(3.0, 1.0, 5.0)}
    assert [finding.holds for finding in findings("fig1b", noisy)] == [None, True]
    assert "not yet known: without social reward" in verdict(findings("fig1b", noisy))


@pytest.mark.parametrize(
    ("name", "condition", "n", "mean"),
    [
        ("fig3b", "9216 labels", 10, 0.0012469),
        ("fig4b", "isr", 10, 0.630045),
        ("fig5", "four_rooms: frozen", 10, 0.814665),
        ("fig4a", "oracle", 2, 2.725),
    ],
)
def test_the_published_values(name: str, condition: str, n: int, mean: float) -> None:
    values = list(published_values(name)[condition].values())
    assert len(values) == n
    assert np.mean(values) == pytest.approx(mean, rel=1e-3)


def write(results: Results, run: Run, goals: float) -> None:
    result: dict[str, Any] = {"curves": {"goals": [0.0] * 36 + [goals] * 4}}
    results.write(run, result)


def test_values_are_those_of_the_seeds_that_are_done_at_the_end_of_each_phase(tmp_path: Path) -> None:
    results = Results(tmp_path / "results", tmp_path / "work")
    for seed in (0, 1, 2):
        none, oracle = FIGURES["fig1b"].runs(TINY, seed)
        write(results, none, seed + 0.25)
        if seed != 1:
            write(results, oracle, seed + 3.0)
        write(results, Socialization(TINY, "3 walls", TINY.slow_learning_rate, seed), seed + 2.0)
    assert done_seeds("fig1b", TINY, results) == [0, 2]
    assert figure_values("fig1b", TINY, results) == {
        "departure": {0: 2.0, 2: 4.0},
        "none": {0: 0.25, 2: 2.25},
        "oracle": {0: 3.0, 2: 5.0},
        "retention, none": {0: 0.125, 2: 0.5625},
        "retention, oracle": {0: 1.5, 2: 1.25},
    }


def test_the_internal_return_is_listed_beside_the_goals_reached(tmp_path: Path) -> None:
    results = Results(tmp_path / "results", tmp_path / "work")
    isr, none, oracle = FIGURES["fig4a"].runs(TINY, 0)
    for run in with_requirements([none, oracle]):
        write(results, run, 3.0)
    end = {"goals": [0.5], "environment": [-0.2], "utility": [1.0]}  # 1.2 = three goals' praise, for half a goal
    results.write(isr, {"curves": {name: [0.0] * 9 + value for name, value in end.items()}})
    for run in isr.requires[1:]:
        results.write(run, {})
    values = figure_values("fig4a", TINY, results)
    assert values["isr"] == {0: 0.5}
    assert values["isr, paid by the ISR"] == {0: pytest.approx(3.0)}
