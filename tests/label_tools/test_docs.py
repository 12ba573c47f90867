"""What docs/labels.md says is so."""

from __future__ import annotations

import re
from functools import partial, partialmethod
from pathlib import Path

import pytest
from stable_baselines3 import PPO
from stable_baselines3.common.env_util import make_vec_env

from sb3_isr import AttributedLabels, ISRCallback, ISRTrainer, VecISRReward, read_labels, write_labels
from sb3_isr.cli import main
from tests.label_tools.matching import FOUR, ID, matching_labels
from tests.labels.made_labels import attributed

DOC = (Path(__file__).parents[2] / "docs" / "labels.md").read_text()
JSON = re.findall(r"```json\n(.*?)```", DOC, flags=re.DOTALL)


def block(name: str) -> str:
    """What the page shows between two marks."""
    (content,) = re.findall(rf"<!-- {name}: start -->\n```\n(.*?)```\n<!-- {name}: end -->", DOC, flags=re.DOTALL)
    return str(content)


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_the_python_examples_run_and_the_isr_rewards_a_learner(monkeypatch: pytest.MonkeyPatch) -> None:
    rewarding, fitting, writing = re.findall(r"```python\n(.*?)```", DOC, flags=re.DOTALL)
    monkeypatch.setattr(ISRTrainer, "__init__", partialmethod(ISRTrainer.__init__, gradient_steps=50, max_cycles=1))
    write_labels("labels.jsonl", matching_labels())
    names: dict[str, object] = {}
    exec(fitting, names)
    assert names["metrics"].held_out.explained > 0.5  # type: ignore[attr-defined]
    names = {
        "PPO": partial(PPO, n_steps=32),
        "VecISRReward": VecISRReward,
        "ISRCallback": ISRCallback,
        "venv": make_vec_env(ID),
    }
    exec(rewarding.replace("10_000", "100"), names)
    exec(writing, {})
    mine = read_labels("mine.jsonl", (FOUR, FOUR))
    assert (mine.by, mine.labels.social_rewards.tolist()) == (["Ann", "Ann"], [1.0, 0.0])


def test_the_json_lines_are_a_file() -> None:
    header, label = JSON
    Path("labels.jsonl").write_text(header + 2 * label)
    labels = read_labels("labels.jsonl")
    assert (labels.by[0], labels.questions[0], len(labels)) == ("Ann", "3f2a/4", 2)


def test_the_csv_is_a_file() -> None:
    Path("labels.csv").write_text(block("csv"))
    assert read_labels("labels.csv", (FOUR, FOUR)).labels.social_rewards.tolist() == [1.0, 0.0]


def test_show_prints_what_the_page_shows(capsys: pytest.CaptureFixture[str]) -> None:
    write_labels("labels.jsonl", matching_labels())
    assert main(["labels", "show", "labels.jsonl"]) == 0
    assert capsys.readouterr().out == block("show")


def test_merge_prints_what_the_page_shows(capsys: pytest.CaptureFixture[str]) -> None:
    write_labels("ann.jsonl", attributed([0.0, 1.0, 0.0, 1.0, 0.0], "Ann", "3f2a"))
    bo = attributed([0.0, -1.0, 0.0, 1.0, 0.5], "Bo", "3f2a"), attributed([-1.0, 0.0], "Bo", "77b0", first=5)
    write_labels("bo.jsonl", AttributedLabels.concatenate(bo))
    assert main(["labels", "merge", "ann.jsonl", "bo.jsonl", "--out", "all.jsonl"]) == 0
    assert capsys.readouterr().out == block("merge")


def test_the_commands_of_the_page_exist(capsys: pytest.CaptureFixture[str]) -> None:
    write_labels("labels.jsonl", matching_labels(4))
    for command in re.findall(r"^sb3-isr (.*?)(?: +#.*)?$", DOC.replace("\\\n", ""), flags=re.MULTILINE):
        assert command.split()[0] in ("labels", "fit")
        with pytest.raises(SystemExit):
            main([*command.split()[:2], "--help"])
        options = capsys.readouterr().out
        assert all(option in options for option in re.findall(r"--[a-z-]+", command)), command
