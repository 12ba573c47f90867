"""Files of labels that are handed on: what is written is read again to the last bit."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium import spaces

from sb3_isr import AttributedLabels, LabelBatch, LabelStore, read_labels, write_labels
from sb3_isr.labels.file_errors import LabelFileError
from tests.isr.some_spaces import ACTIONS, BOX, MINIGRID, OBSERVATIONS, transitions_of
from tests.labels.made_labels import DISCRETE, assert_same, attributed

SPACES = [(space, DISCRETE) for space in OBSERVATIONS] + [(BOX, space) for space in ACTIONS]
OWN_SPACES = attributed([]).spaces


@pytest.mark.parametrize("ending", ["jsonl", "safetensors"])
@pytest.mark.parametrize("pair", SPACES, ids=str)
def test_labels_of_any_spaces_survive_a_file(
    pair: tuple[gym.Space[Any], gym.Space[Any]], ending: str, tmp_path: Path
) -> None:
    transitions = transitions_of(*pair, 5)
    labels = AttributedLabels(
        pair,
        LabelBatch(transitions, np.array([0.1, -1e-30, 3e38, 0.0, 1 / 3])),
        ["3f2a/0", "", "3f2a/2", "", "7"],
        ["Ann", "", "Bo Å", "李", ""],
        [1.7e9, 0, 0.25, 0, 0],
    )
    path = tmp_path / f"labels.{ending}"
    write_labels(path, labels)
    assert_same(read_labels(path), labels)
    assert_same(read_labels(path, pair), labels)
    write_labels(path, labels.select(np.arange(0)))
    assert len(read_labels(path)) == 0


def test_json_lines_look_as_they_are_documented(tmp_path: Path) -> None:
    path = tmp_path / "labels.jsonl"
    one = attributed([0.1], by="Ann", question="3f2a", time=1.5)
    write_labels(path, AttributedLabels.concatenate([one, attributed([1.0], first=3)]))
    header, *rows = path.read_text().splitlines()
    assert json.loads(header).items() >= {"format": "sb3-isr labels", "version": 1, "n_labels": 2}.items()
    assert rows == [
        '{"observation": [0.0, 0.0], "action": 0, "next_observation": [1.0, 1.0], "terminated": false, '
        '"social_reward": 0.1, "question": "3f2a/0", "by": "Ann", "time": 1.5}',
        '{"observation": [3.0, 3.0], "action": 0, "next_observation": [4.0, 4.0], "terminated": true, '
        '"social_reward": 1.0}',
    ]


def test_many_labels_are_read_in_order(tmp_path: Path) -> None:
    labels = attributed([float(i) for i in range(2500)])
    write_labels(tmp_path / "labels.jsonl", labels)
    assert_same(read_labels(tmp_path / "labels.jsonl"), labels)


CSV = """obs_0,obs_1,action_0,next_obs_0,next_obs_1,terminated,social_reward,by,time
0,0,0,1,1,0,0.1,Ann,1.5
1, 1 ,1,2,2,FALSE,-1e-1,,
2,2,2,3,3,true,1,"Bo ""B"" B, jr.",0
"""


@pytest.mark.parametrize("change", [lambda t: t, lambda t: "\ufeff" + t.replace("\n", "\r\n") + "\r\n"])
def test_a_csv_is_read_with_the_spaces_that_it_is_given(change: Any, tmp_path: Path) -> None:
    path = tmp_path / "labels.csv"
    path.write_bytes(change(CSV).encode())
    labels = read_labels(path, OWN_SPACES)
    expected = attributed([0.1, -0.1, 1.0]).labels
    terminated = np.array([False, False, True])
    expected = expected._replace(transitions=expected.transitions._replace(terminated=terminated))
    assert_same(labels, AttributedLabels(OWN_SPACES, expected, None, ["Ann", "", 'Bo "B" B, jr.'], [1.5, 0, 0]))


def test_a_csv_of_numbered_observations_and_of_grids(tmp_path: Path) -> None:
    path = tmp_path / "labels.csv"
    path.write_text("action_0,obs_0,next_obs_0,social_reward,terminated\n1,2,0,0.5,1\n")
    labels = read_labels(path, (spaces.Discrete(3), DISCRETE)).labels
    assert [part.tolist() for part in labels.transitions] == [[2], [1], [0], [True]]  # type: ignore[union-attr]
    grid = spaces.Box(0, 255, (1, 2, 2), np.uint8)
    names = [f"{name}_{i}" for name in ("obs", "next_obs") for i in range(4)]
    path.write_text(f"{','.join(names)},action_0,terminated,social_reward\n0,1,2,255,0,0,0,0,1,1,1\n")
    observations = read_labels(path, (grid, DISCRETE)).labels.transitions.observations
    assert isinstance(observations, np.ndarray)
    assert observations.tolist() == [[[[0, 1], [2, 255]]]]


def test_the_file_of_a_label_store_is_read_whatever_its_capacity(tmp_path: Path) -> None:
    for n in (0, 3, 5, 8):
        store = LabelStore(*OWN_SPACES, capacity=5, seed=0)
        store.add(attributed([float(i) for i in range(n)]).labels)
        store.save(tmp_path / "labels.npz")
        expected = attributed([float(i) for i in range(max(0, n - 5), n)], first=max(0, n - 5))
        assert_same(read_labels(tmp_path / "labels.npz", OWN_SPACES), expected)


def test_what_is_missing_or_cannot_be_told_is_asked_for(tmp_path: Path) -> None:
    (tmp_path / "labels.csv").write_text(CSV)
    with pytest.raises(ValueError, match=r"\.csv file does not say which spaces .*--env"):
        read_labels(tmp_path / "labels.csv")
    with pytest.raises(ValueError, match=r"must end in .jsonl, .safetensors, .csv, .npz, got .*labels.pkl'"):
        read_labels(tmp_path / "labels.pkl")
    with pytest.raises(ValueError, match=r"must end in .jsonl, .safetensors, got .*labels.csv'"):
        write_labels(tmp_path / "labels.csv", attributed([1.0]))
    with pytest.raises(FileNotFoundError):
        read_labels(tmp_path / "labels.jsonl")
    with pytest.raises(LabelFileError, match="columns cannot hold the observations of a Dict"):
        read_labels(tmp_path / "labels.csv", (MINIGRID, DISCRETE))


@pytest.mark.parametrize("ending", ["jsonl", "safetensors"])
def test_labels_of_another_environment_are_refused(ending: str, tmp_path: Path) -> None:
    write_labels(tmp_path / f"labels.{ending}", attributed([1.0]))
    with pytest.raises(LabelFileError, match=r"must be of the same spaces.* got labels of"):
        read_labels(tmp_path / f"labels.{ending}", (BOX, DISCRETE))


@pytest.mark.parametrize("ending", ["jsonl", "safetensors"])
def test_a_file_that_cannot_be_finished_leaves_the_old_one(
    ending: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / f"labels.{ending}"
    write_labels(path, attributed([1.0]))

    def fail(*_: Any) -> None:
        raise OSError("No space left on device")

    monkeypatch.setattr("os.replace", fail)
    with pytest.raises(OSError, match="No space"):
        write_labels(path, attributed([2.0, 3.0]))
    assert_same(read_labels(path), attributed([1.0]))
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"by": ["\x1b[2J", ""]}, "'by' must be a printable text"),
        ({"by": ["é" * 129, ""]}, "'by' must be a printable text of at most 256 bytes"),
        ({"by": ["one"]}, "'by' must be a text for each of 2 labels, got 1"),
        ({"questions": [3, ""]}, "'question' must be a printable text"),
        ({"times": [0.0, float("nan")]}, "'time' must be seconds since 1970"),
        ({"times": [0.0, -1.0]}, "'time' must be seconds since 1970"),
        ({"times": [0.0]}, "'time' must be seconds since 1970 for each of 2"),
        ({"spaces": (spaces.Text(3), DISCRETE)}, "A space must be Box"),
        ({"spaces": (BOX, DISCRETE)}, "observations must have the shape"),
    ],
)
def test_what_is_no_label_is_refused_before_it_can_be_written(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        AttributedLabels(**{"spaces": OWN_SPACES, "labels": attributed([1.0, 2.0]).labels, **change})
