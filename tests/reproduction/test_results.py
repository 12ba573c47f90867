"""Results in single files and in archives."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from reproduction.results import Results
from reproduction.runs import Socialization
from tests.reproduction.tiny import TINY, figure

FIRST, SECOND = (Socialization(TINY, "1 wall", 1e-3, seed) for seed in (0, 1))


@pytest.fixture
def results(tmp_path: Path) -> Results:
    return Results(tmp_path / "results", tmp_path / "work")


def test_results_are_read_from_single_files_and_from_archives(results: Results) -> None:
    results.write(FIRST, {"goals": 1.0})
    assert results.pack() == 1
    assert not results.file(FIRST).exists()
    results.write(SECOND, {"goals": 2.0})
    assert [results.read(run)["goals"] for run in (FIRST, SECOND)] == [1.0, 2.0]
    assert FIRST in results
    assert SECOND in results
    assert figure("fig4a", TINY)[0] not in results


def test_packing_adds_to_archives_and_replaces_earlier_results(results: Results) -> None:
    for run, goals in ((FIRST, 1.0), (SECOND, 2.0), (FIRST, 3.0)):
        results.write(run, {"goals": goals})
        results.pack()
    results.write(figure("fig4a", TINY)[0], {"goals": 4.0})
    results.pack()
    assert [results.read(run)["goals"] for run in (FIRST, SECOND)] == [3.0, 2.0]
    archives = {str(path.relative_to(results.archives)) for path in results.archives.rglob("*.gz")}
    assert archives == {"tiny/socialization.jsonl.gz", "tiny/autonomy.jsonl.gz"}
    assert results.pack() == 0


def test_the_same_results_are_the_same_bytes_in_whatever_order_they_came(tmp_path: Path) -> None:
    archives = []
    for name, runs in (("one", (FIRST, SECOND)), ("other", (SECOND, FIRST))):
        results = Results(tmp_path / name, tmp_path / "work")
        for run in runs:
            results.write(run, {"goals": float(run.seed)})
            results.pack()
        archives.append(results.archive(FIRST).read_bytes())
    assert archives[0] == archives[1]


def test_an_interrupted_packing_loses_nothing(results: Results, monkeypatch: pytest.MonkeyPatch) -> None:
    results.write(FIRST, {"goals": 1.0})
    results.pack()
    results.write(SECOND, {"goals": 2.0})

    def interrupted(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("os.replace", interrupted)
        with pytest.raises(KeyboardInterrupt):
            results.pack()
    assert [results.read(run)["goals"] for run in (FIRST, SECOND)] == [1.0, 2.0]
    assert [path.name for path in results.archive(FIRST).parent.iterdir()] == [results.archive(FIRST).name]


@pytest.mark.parametrize("is_packed", [False, True])
def test_a_result_of_other_settings_is_refused(is_packed: bool, results: Results) -> None:
    results.write(FIRST, {"goals": 1.0})
    if is_packed:
        results.pack()
    remedy = "name other --results" if is_packed else "delete the file"
    with pytest.raises(ValueError, match=f"must hold the result of .*has been changed since; .*{remedy}"):
        results.read(replace(FIRST, protocol=replace(TINY, batch_size=20)))
