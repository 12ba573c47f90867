"""`python -m reproduction`, as a user runs it on the committed results."""

import json
from pathlib import Path

import pytest

from reproduction.__main__ import ROOT, main
from reproduction.figures import FIGURES, heading
from reproduction.protocols import PROTOCOLS
from reproduction.reproduce import runs_of
from reproduction.results import Results
from tests.reproduction.tiny import TINY, figure

RESULTS = ROOT / "results"


def done_figures() -> list[str]:
    """Those of the fast protocol of which every run is committed."""
    results = Results(RESULTS, Path("no_such_folder"))
    return [name for name in FIGURES if all(run in results for run in runs_of([name], PROTOCOLS["fast"]))]


@pytest.mark.slow
def test_what_is_committed_is_reported_and_not_run_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = {path: path.stat().st_mtime_ns for path in RESULTS.rglob("*.gz")}
    names = done_figures()
    assert set(names) >= set(FIGURES) - {"labels"}
    assert main([*names, "--work", str(tmp_path / "work"), "--out", str(tmp_path / "out")]) == 0
    assert {path: path.stat().st_mtime_ns for path in RESULTS.rglob("*.gz")} == before
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
    results = Results(RESULTS, Path("no_such_folder"))
    n_read = 0
    for protocol in PROTOCOLS.values():
        for run in runs_of(list(FIGURES), protocol, 10):
            if run in results:
                results.read(run)  # raises if a setting has been changed since
                n_read += 1
    assert n_read > 900


def test_the_summary_is_json_by_protocol_figure_condition_and_seed(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert main(["fig4a", "--summary", "--work", str(tmp_path)]) == 0
    summary = json.loads(capsys.readouterr().out)
    isr, none = (summary["fast"]["fig4a"][condition] for condition in ("isr", "none"))
    assert isr.keys() == none.keys() >= {str(seed) for seed in range(3)}
    assert min(isr.values()) > max(none.values())


def test_the_list_shows_what_is_done_and_what_the_rest_costs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--list", "--results", str(tmp_path), "--work", str(tmp_path)]) == 0
    lines = capsys.readouterr().out.splitlines()
    rows = [line.split() for line in lines]
    listed = [row[:2] for row in rows if row[0] in FIGURES]
    assert listed == [[name, protocol] for name in FIGURES for protocol in PROTOCOLS if FIGURES[name].seeds[protocol]]
    (fig4a,) = (row for row in rows if row[:2] == ["fig4a", "fast"])
    assert fig4a[2:5] == ["0/10", "0/30", "6,000,000"]


def test_packing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    results, run = Results(tmp_path / "results", tmp_path / "work"), figure("fig4a", TINY)[0]
    results.write(run, {"goals": 1.0})
    assert main(["--pack", "--results", str(results.archives), "--work", str(results.work)]) == 0
    assert capsys.readouterr().out.startswith("1 results moved")
    assert results.archive(run).exists()


def test_started_in_an_empty_folder_it_makes_no_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main([]) == 2
    printed = capsys.readouterr().err
    assert "Name figures (some of fig1b" in printed
    assert "--all makes all of them, and --list shows" in printed
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["fig9"], "A figure must be one of fig1b, fig3a"),
        (["fig4a", "--protocol", "slow"], "A protocol must be one of fast, paper, got slow"),
        (["fig7", "--protocol", "paper"], "Protocol paper does not have fig7"),
        (["--all", "--seeds", "0"], "--seeds must be at least 1, got 0"),
    ],
)
def test_wrong_arguments_are_named(arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == 2
    assert message in capsys.readouterr().err
