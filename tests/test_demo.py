"""The main job, as a user runs it."""

import io
import json
from contextlib import redirect_stdout
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from sb3_isr import InternalSocialReward
from sb3_isr.cli import main
from sb3_isr.demo import DemoConfig, run_demo, table
from sb3_isr.evaluation.conditions import CONDITIONS

#: One rollout of each phase.
SMALL = DemoConfig(n_envs=4, socialization_steps=256, autonomy_steps=256, isr_gradient_steps=5)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`sb3-isr demo`, with half of its steps: enough to learn, and to unlearn without the ISR."""
    out = tmp_path_factory.mktemp("demo")
    printed = io.StringIO()
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(printed):
        half = partial(DemoConfig, socialization_steps=57_344, autonomy_steps=36_864)
        patch.setattr("sb3_isr.demo.DemoConfig", half)
        assert main(["demo", "--seed", "1", "--out", str(out)]) == 0
    (out / "printed.txt").write_text(printed.getvalue())
    return out


@pytest.mark.slow
@pytest.mark.xdist_group("demo")
def test_the_isr_retains_what_was_learned_and_without_it_it_is_unlearned(whole: Path) -> None:
    result = json.loads((whole / "result.json").read_text())
    assert result["seed"] == 1
    assert result["goals_at_departure"] > 2.2
    assert set(result["goals_per_episode"]) == set(result["retention"]) == set(CONDITIONS)
    assert result["retention"]["isr"] >= 0.9
    assert result["retention"]["oracle"] >= 0.9
    assert result["retention"]["none"] <= 0.25


@pytest.mark.slow
@pytest.mark.xdist_group("demo")
def test_what_it_leaves_behind(whole: Path) -> None:
    assert {path.name for path in whole.iterdir()} == {
        "goals_per_episode.png",
        "isr.safetensors",
        "learner_at_departure.zip",
        "printed.txt",
        "result.json",
        "table.txt",
    }
    printed = (whole / "printed.txt").read_text()
    assert (whole / "table.txt").read_text() in printed
    assert str(whole / "goals_per_episode.png") in printed
    assert (whole / "goals_per_episode.png").stat().st_size > 10_000
    InternalSocialReward.load(whole / "isr.safetensors")


def without_time(result: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in result.items() if key != "wall_seconds"}


def test_one_seed_is_one_result_and_another_is_another(tmp_path: Path) -> None:
    first, again, other = (
        without_time(run_demo(replace(SMALL, seed=seed), tmp_path / str(i))) for i, seed in enumerate([0, 0, 1])
    )
    assert first == again
    assert first["curves"] != other["curves"]


def test_the_table() -> None:
    result = {
        "seed": 7,
        "goals_at_departure": 3.0,
        "goals_per_episode": {"isr": 2.7, "none": 0.3, "oracle": 3.15},
        "retention": {"isr": 0.9, "none": 0.1, "oracle": None},
        "isr_training": {"n_labels": 81920},
        "config": {"n_walls": 3, "seed": 7, "socialization_steps": 81920, "autonomy_steps": 4096},
    }
    lines = table(result).splitlines()
    assert lines[2].split() == ["isr", "2.70", "0.90"]
    assert lines[3].split() == ["none", "0.30", "0.10"]
    assert lines[4].split() == ["oracle", "3.15", "-"]
    assert "last tenth" in lines[-1]
    assert "seed 7" in lines[-1]


@pytest.mark.parametrize("seed", ["-1", "many"])
def test_a_bad_seed_is_refused(seed: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["demo", "--seed", seed])
    assert "--seed" in capsys.readouterr().err


def test_missing_packages_are_named_with_the_remedy(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setattr(
        "sb3_isr.common.command_line.find_spec", lambda name: None if name == "matplotlib" else object()
    )
    assert main(["demo", "--out", str(tmp_path)]) == 1
    assert capsys.readouterr().err == "sb3-isr demo needs matplotlib: pip install 'sb3-isr[experiments]'\n"


def test_an_interrupted_demo_leaves_an_earlier_result(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def interrupted(*args: object) -> None:
        raise KeyboardInterrupt

    (tmp_path / "result.json").write_text("{}")
    monkeypatch.setattr("sb3_isr.demo.PPO.save", interrupted)
    monkeypatch.setattr("sb3_isr.demo.DemoConfig", lambda seed: SMALL)
    assert main(["demo", "--out", str(tmp_path)]) == 130
    assert (tmp_path / "result.json").read_text() == "{}"
