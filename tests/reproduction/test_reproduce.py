"""`sb3-isr reproduce`, as a user runs it on the committed results."""

import json
from pathlib import Path

import pytest

from reproduction.__main__ import runs_of
from reproduction.figures import FIGURES, heading
from reproduction.protocols import PROTOCOLS
from reproduction.results import Results
from sb3_isr.cli import main

RESULTS = Path(__file__).parents[2] / "results"


def done_figures() -> list[str]:
    """Those of the fast protocol of which every run is committed."""
    results = Results(RESULTS)
    return [name for name in FIGURES if all(run in results for run in runs_of([name], PROTOCOLS["fast"]))]


def test_what_is_committed_is_reported_and_not_run_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = {path: path.stat().st_mtime_ns for path in RESULTS.rglob("*.json")}
    names = done_figures()
    assert "fig7" in names
    options = ["--results", str(RESULTS), "--work", str(tmp_path / "work"), "--out", str(tmp_path / "out")]
    assert main(["reproduce", *names, *options]) == 0
    assert {path: path.stat().st_mtime_ns for path in RESULTS.rglob("*.json")} == before
    assert not (tmp_path / "work").exists()

    printed = capsys.readouterr().out
    report = (tmp_path / "out" / "reproduction.md").read_text()
    for name in names:
        assert f"{heading(name)}, protocol fast" in printed
        assert f"## {heading(name)}: {FIGURES[name].title}" in report
        picture = tmp_path / "out" / "images" / f"reproduction_{name}_fast.png"
        assert f"images/{picture.name}" in report
        assert picture.stat().st_size > 10_000


def test_every_committed_result_is_that_of_a_run_as_it_is_now() -> None:
    results = Results(RESULTS)
    for protocol in PROTOCOLS.values():
        for run in runs_of(list(FIGURES), protocol, 10):
            if run in results:
                results.read(run)  # raises if a setting has been changed since


def test_the_summary_is_json_by_protocol_figure_condition_and_seed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["reproduce", "fig4a", "--summary", "--results", str(RESULTS)]) == 0
    summary = json.loads(capsys.readouterr().out)
    isr, none = (summary["fast"]["fig4a"][condition] for condition in ("isr", "none"))
    assert isr.keys() == none.keys() >= {str(seed) for seed in range(3)}
    assert min(isr.values()) > max(none.values())


def test_the_list_says_what_is_done_and_what_the_rest_costs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["reproduce", "--list", "--results", str(tmp_path), "--work", str(tmp_path)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[:2] for line in lines[1:-1]] == [
        [f, p] for f in FIGURES for p in PROTOCOLS if FIGURES[f].seeds[p]
    ]
    fig4a = next(line for line in lines if line.startswith("fig4a   fast"))
    assert fig4a.split()[2:5] == ["0/10", "0/30", "6,000,000"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["fig9"], "A figure must be one of fig1b, fig3a"),
        (["--protocol", "slow"], "A protocol must be one of fast, paper, got slow"),
        (["fig7", "--protocol", "paper"], "Protocol paper does not have fig7"),
        (["--seeds", "0"], "--seeds must be at least 1, got 0"),
    ],
)
def test_wrong_arguments_are_named(arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["reproduce", *arguments]) == 2
    assert said in capsys.readouterr().err
