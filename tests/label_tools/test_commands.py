"""`sb3-isr labels`, as a user runs it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from sb3_isr import AttributedLabels, read_labels, write_labels
from sb3_isr.cli import main
from tests.callbacks.folders import train
from tests.label_tools.matching import ID, matching_labels
from tests.labels.made_labels import assert_same, attributed


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def run(*command: str) -> None:
    assert main(["labels", *command]) == 0


def refused(capsys: pytest.CaptureFixture[str], *command: str) -> str:
    """Run a command that must fail with a message; returns it."""
    capsys.readouterr()
    assert main(["labels", *command]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith("sb3-isr labels: ")
    return printed.err


def test_the_labels_of_a_checkpoint_are_exported(capsys: pytest.CaptureFixture[str]) -> None:
    callback = train(Path("run"), steps=128)
    (checkpoint,) = Path("run").glob("step_*")
    held = callback.store.labels()
    for source in ("run", str(checkpoint), str(checkpoint / "labels.npz")):
        run("export", source, "labels.safetensors")
        exported = read_labels("labels.safetensors")
        # the newest checkpoint was written at the start of a rollout
        n = len(exported)
        assert n == 64
        assert capsys.readouterr().out == f"labels.safetensors: {n} labels\n"
        expected = AttributedLabels(exported.spaces, held.select(slice(n)))
        assert_same(exported, expected)
        assert exported.spaces == (callback.isr.observation_space, callback.isr.action_space)
    run("export", "run", "signed.jsonl", "--by", "the program")
    assert_same(read_labels("signed.jsonl"), expected.signed("the program"))


def test_a_csv_is_imported_with_the_spaces_of_an_environment(capsys: pytest.CaptureFixture[str]) -> None:
    Path("labels.csv").write_text(
        "obs_0,action_0,next_obs_0,terminated,social_reward,by\n2,2,1,0,1,\n1,3,0,false,0,Bo\n"
    )
    run("import", "labels.csv", "labels.jsonl", "--env", ID, "--by", "Ann")
    imported = read_labels("labels.jsonl")
    assert imported.by == ["Ann", "Bo"]
    assert imported.spaces == matching_labels().spaces
    assert imported.labels.social_rewards.tolist() == [1.0, 0.0]
    assert "--env" in refused(capsys, "import", "labels.csv", "other.jsonl")
    assert "obs_0 to obs_3" in refused(capsys, "import", "labels.csv", "other.jsonl", "--env", "CartPole-v1")
    assert "registered" in refused(capsys, "import", "labels.csv", "other.jsonl", "--env", "Nowhere-v0")
    assert not Path("other.jsonl").exists()


def test_show_tells_how_many_by_whom_and_which_rewards(capsys: pytest.CaptureFixture[str]) -> None:
    ann = attributed([0.0, 1.0, 0.0, 1.0, 0.0], "Ann", time=1.7e9)
    write_labels("labels.jsonl", AttributedLabels.concatenate([ann, attributed([-1.0], first=5)]))
    run("show", "labels.jsonl")
    assert capsys.readouterr().out.splitlines() == [
        "6 labels, 1 of them of steps that terminated an episode",
        "observation space: Box(0.0, 1000.0, (2,), float32)",
        "action space: Discrete(3)",
        "",
        "by           labels  mean       first        last",
        "(not known)       1    -1",
        "Ann               5   0.4  2023-11-14  2023-11-14",
        "",
        "reward  labels  share",
        "-1           1  16.7%  ##########",
        "0            3  50.0%  ##############################",
        "1            2  33.3%  ####################",
    ]


def test_many_different_rewards_are_counted_in_intervals(capsys: pytest.CaptureFixture[str]) -> None:
    write_labels("labels.safetensors", attributed([i / 100 for i in range(100)]))
    run("show", "labels.safetensors")
    rows = capsys.readouterr().out.splitlines()[-10:]
    assert rows[0].split() == ["0", "to", "0.099", "10", "10.0%", "#" * 30]
    assert [int(row.split()[3]) for row in rows] == [10] * 10


def test_no_labels_are_shown_as_none(capsys: pytest.CaptureFixture[str]) -> None:
    write_labels("labels.jsonl", attributed([]))
    run("show", "labels.jsonl")
    assert capsys.readouterr().out.startswith("0 labels, 0 of them")


def test_merge_keeps_both_and_lists_what_they_disagree_on(capsys: pytest.CaptureFixture[str]) -> None:
    write_labels("ann.jsonl", attributed([0.0, 1.0, 0.5], "Ann", "3f2a", time=1))
    write_labels("newer.safetensors", attributed([0.0, 1.0, 1.0], "Ann", "3f2a", time=2))
    write_labels("unnamed.jsonl", attributed([0.0, -1.0, 1.0, 1.0]))
    run("merge", "ann.jsonl", "newer.safetensors", "unnamed.jsonl", "--out", "all.jsonl")
    assert capsys.readouterr().out.splitlines() == [
        "3 transitions were labelled by several people, who disagree on 1 of them",
        "",
        "question  Ann  unnamed.jsonl",
        "3f2a/1      1             -1",
        "all.jsonl: 7 labels of 10",
    ]
    merged = read_labels("all.jsonl")
    assert merged.by == ["Ann"] * 3 + ["unnamed.jsonl"] * 4
    assert merged.labels.social_rewards.tolist() == [0.0, 1.0, 1.0, 0.0, -1.0, 1.0, 1.0]


def test_of_many_disagreements_the_greatest_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    write_labels("ann.jsonl", attributed([float(i) for i in range(25)], "Ann"))
    write_labels("bo.jsonl", attributed([0.0] * 25, "Bo"))
    run("merge", "ann.jsonl", "bo.jsonl", "--out", "all.jsonl")
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[-2:] for line in lines[3:23]] == [[str(i), "0"] for i in range(24, 4, -1)]
    assert lines[23] == "... and 4 with smaller differences"
    run("merge", "ann.jsonl", "--out", "all.jsonl")
    assert capsys.readouterr().out.startswith("No transition was labelled by several people.\n")


def test_wrong_sources_and_places_are_named(capsys: pytest.CaptureFixture[str]) -> None:
    write_labels("labels.jsonl", attributed([1.0]))
    Path("empty").mkdir()
    for command, message in (
        (("show", "nowhere.jsonl"), r"got nowhere\.jsonl, which is not there"),
        (("show", "empty"), "got empty, which has no checkpoint"),
        (("show", "labels.jsonl", "--env", "CartPole-v1"), "must be of the same spaces"),
        (("export", "labels.jsonl", "labels.pkl"), r"must end in \.jsonl, \.safetensors, got 'labels\.pkl'"),
        (("export", "labels.jsonl", "labels.jsonl/more.jsonl"), "Files must be there"),
        (("export", "labels.jsonl", "more.jsonl", "--by", "\n"), "'by' must be a printable text"),
    ):
        assert re.search(message, refused(capsys, *command)), message
    write_labels("matching.jsonl", matching_labels(4))
    assert "same spaces" in refused(capsys, "merge", "labels.jsonl", "matching.jsonl", "--out", "all.jsonl")
    assert not Path("all.jsonl").exists()


def test_a_damaged_checkpoint_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    train(Path("run"), steps=128)
    (checkpoint,) = Path("run").glob("step_*")
    path = checkpoint / "isr.safetensors"
    path.write_bytes(path.read_bytes()[:100])
    assert "cannot be loaded as an ISR: it is not whole" in refused(capsys, "show", str(checkpoint))
