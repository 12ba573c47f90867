"""Files of labels that a stranger may have written, or a slip of the hand: whole or refused, with the place named."""

from __future__ import annotations

import json
import re
import struct
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.numpy
from hypothesis import given

from sb3_isr import AttributedLabels, LabelStore, read_labels, write_labels
from sb3_isr.labels.attributed import Spaces
from sb3_isr.labels.file_errors import LabelFileError
from tests.labels.made_labels import attributed
from tests.labels.test_store_file import MUTATIONS, Mutation, mutated

N = 6
SPACES = attributed([]).spaces
CSV_HEAD = "obs_0,obs_1,action_0,next_obs_0,next_obs_1,terminated,social_reward"


def some_labels() -> AttributedLabels:
    return attributed([0.0, 1.0] * (N // 2), by="Ann", question="3f2a", time=1.5)


def refused(path: Path, spaces: Spaces | None = None) -> str:
    """Try to read a file; check that it is refused by name and with a remedy. Returns the message."""
    with pytest.raises(LabelFileError) as caught:
        read_labels(path, SPACES if path.suffix in (".csv", ".npz") else spaces)
    message = str(caught.value)
    assert message.startswith(f"'{path}' cannot be loaded as labels: ")
    assert ";" in message
    assert message.endswith(".")
    assert len(message) < 800
    return message


Row = dict[str, Any]

ROWS: list[tuple[str, Callable[[Row], Any], str]] = [
    ("NaN", lambda r: r | {"social_reward": float("nan")}, "numbers must be finite, got NaN"),
    ("infinite", lambda r: r | {"observation": [0.0, float("-inf")]}, "numbers must be finite, got -Infinity"),
    ("infinite in writing", lambda r: '{"observation": [1e999, 0]}', "says nothing of action"),
    ("too large a reward", lambda r: r | {"social_reward": 1e39}, "Labels must be finite numbers"),
    ("no reward", lambda r: r | {"social_reward": None}, "Labels must be finite numbers"),
    ("two rewards", lambda r: r | {"social_reward": [1.0, 2.0]}, "Labels must be finite numbers"),
    ("a reward as text", lambda r: r | {"social_reward": "1"}, "Labels must be finite numbers"),
    ("no action of the space", lambda r: r | {"action": 3}, r"elements of Discrete\(3\), got 3"),
    ("a part of an action", lambda r: r | {"action": 0.5}, r"elements of Discrete\(3\), got 0.5"),
    ("an action too many", lambda r: r | {"action": [1]}, "actions must have the shape"),
    ("too short", lambda r: r | {"observation": [0.0]}, r"observations must have the shape \[1, 2\].*got \[1, 1\]"),
    ("ragged", lambda r: r | {"observation": [[0.0], 1.0]}, "'observation' must be numbers in the shape"),
    ("a dictionary", lambda r: r | {"next_observation": {"a": 1}}, "next observations must have the shape"),
    ("words", lambda r: r | {"next_observation": ["a", "b"]}, "next observations must be numbers"),
    ("too large", lambda r: r | {"observation": [1e39, 0.0]}, "observations must lie within"),
    ("huge", lambda r: r | {"observation": [10**400, 0.5]}, "must be numbers"),
    ("terminated a number", lambda r: r | {"terminated": 1}, "'terminated' must be true or false, got 1"),
    ("no action", lambda r: {k: v for k, v in r.items() if k != "action"}, "says nothing of action"),
    ("a misspelt name", lambda r: r | {"question_id": "3"}, "got 'question_id'; rename or remove"),
    ("no name", lambda r: r | {"by": 3}, "'by' must be a printable text"),
    ("a command as a name", lambda r: r | {"by": "\x1b[2J"}, "'by' must be a printable text"),
    ("a long name", lambda r: r | {"by": "a" * 300}, "'by' must be a printable text of at most 256 bytes"),
    ("no time", lambda r: r | {"time": "now"}, "'time' must be seconds since 1970"),
    ("a list", lambda r: [1, 2], "it must say what observation"),
    ("no JSON", lambda r: "observation: 3", r"it must be JSON, got 'observation: 3' \(Expecting value at character 1"),
    ("torn", lambda r: '{"observation": [0.0, ', "it must be JSON"),
    ("nested", lambda r: "[" * 5000, "nested too deeply"),
    ("a long line", lambda r: " " * 20_000, "a line must have at most 16584 bytes"),
]


@pytest.mark.parametrize(("change", "message"), [row[1:] for row in ROWS], ids=[row[0] for row in ROWS])
def test_a_wrong_line_is_named(change: Callable[[Row], Any], message: str, tmp_path: Path) -> None:
    path = tmp_path / "labels.jsonl"
    write_labels(path, some_labels())
    lines = path.read_text().splitlines()
    changed = change(json.loads(lines[3]))
    lines[3] = changed if isinstance(changed, str) else json.dumps(changed)
    path.write_text("\n".join(lines))
    met = refused(path)
    assert "line 4: " in met
    assert re.search(message, met), met


def test_lines_that_are_missing_are_missed(tmp_path: Path) -> None:
    path = tmp_path / "labels.jsonl"
    write_labels(path, some_labels())
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(lines[:-1]))
    assert "says that it has 6 labels, got 5" in refused(path)
    header = json.loads(lines[0])
    del header["n_labels"]  # written by hand
    path.write_text("".join([json.dumps(header), "\n\n", *lines[1:-1], "\n"]))
    assert len(read_labels(path)) == 5


HEADERS: list[tuple[Any, str]] = [
    ("no JSON", "its header must be JSON with"),
    ([], "its header must be JSON with"),
    ({"format": "sb3-isr"}, "its header must be JSON with"),
    ({"version": 2}, "version must be a number from 1 to 1, got 2; if it is a later one, install"),
    ({"version": True}, "version must be a number"),
    ({"n_labels": -1}, "'n_labels' must be a number of labels, got -1"),
    ({"observation_space": None}, "'observation_space' in its header: A space's type"),
    ({"action_space": {"type": "Dict", "spaces": []}}, "A space must be Box"),
    ({"action_space": {"type": "Box", "shape": [2**40], "dtype": "float32", "low": 0, "high": 1}}, "a space's sides"),
    ({"observation_space": {"type": "Discrete", "n": 2**60, "start": 0, "dtype": "int64"}}, "between 1 and 8388608"),
]


@pytest.mark.parametrize("ending", ["jsonl", "safetensors"])
@pytest.mark.parametrize(("change", "message"), HEADERS)
def test_a_wrong_header_is_refused_without_taking_memory(
    change: Any, message: str, ending: str, tmp_path: Path
) -> None:
    path = tmp_path / f"labels.{ending}"
    write_labels(tmp_path / "good.jsonl", some_labels())
    write_labels(path, some_labels())
    header = json.loads((tmp_path / "good.jsonl").read_text().splitlines()[0])
    text = json.dumps({**header, **change}) if isinstance(change, dict) else json.dumps(change)
    if ending == "jsonl":
        path.write_text(f"{text}\n")
    else:
        path.write_bytes(safetensors.numpy.save(arrays_of(path), {"labels": text}))
    tracemalloc.start()
    try:
        assert re.search(message, refused(path), re.IGNORECASE)
        assert tracemalloc.get_traced_memory()[1] < 5e6
    finally:
        tracemalloc.stop()


def arrays_of(path: Path) -> dict[str, Any]:
    arrays: dict[str, Any] = safetensors.numpy.load_file(path)
    return arrays


def metadata_of(path: Path) -> dict[str, str]:
    metadata: dict[str, str] = header_of(path.read_bytes())[0]["__metadata__"]
    return metadata


def header_of(content: bytes) -> tuple[dict[str, Any], int]:
    """What safetensors put before the arrays, and where the arrays begin."""
    (length,) = struct.unpack("<Q", content[:8])
    return json.loads(content[8 : 8 + length]), 8 + length


ARRAYS: list[tuple[dict[str, Any], str]] = [
    ({"social_reward": np.full(N, np.nan, np.float32)}, "Labels must be finite"),
    ({"observation": np.full((N, 2), np.inf, np.float32)}, "observations must be finite"),
    ({"observation": np.zeros((N, 2))}, r"'observation' must be F32 in the shape \[n, 2\].*got F64"),
    ({"observation": np.zeros((N, 3), np.float32)}, r"'observation' must be F32 in the shape \[n, 2\].*\[6, 3\]"),
    ({"observation": np.zeros((N + 1, 2), np.float32)}, "observations must have the shape"),
    ({"action": np.full(N, 3)}, r"elements of Discrete\(3\), got 3"),
    ({"action": None}, "holds no array 'action'"),
    ({"more": np.zeros(1)}, "got .'more'. too"),
    ({"social_reward": np.zeros((), np.float32)}, "'social_reward' must be F32"),
    ({"social_reward": np.zeros(N - 1, np.float32)}, "says that it has 6 labels, got 5"),
    ({"terminated": np.zeros(N, np.uint8)}, "'terminated' must be BOOL"),
    ({"by": np.zeros((N, 300), np.uint8)}, "'by' must have at most 256 bytes each, got 300"),
    ({"by": np.full((N, 2), 255, np.uint8)}, "decode"),
    ({"by": np.full((N, 2), 7, np.uint8)}, "'by' must be a printable text"),
    ({"by": np.zeros(N, np.uint8)}, "'by' must be U8"),
    ({"by": np.zeros((N - 1, 1), np.uint8)}, "'by' must be a text for each of 6"),
    ({"time": np.full(N, np.nan)}, "'time' must be seconds"),
]


@pytest.mark.parametrize(("change", "message"), ARRAYS)
def test_a_wrong_array_is_named(change: dict[str, Any], message: str, tmp_path: Path) -> None:
    path = tmp_path / "labels.safetensors"
    write_labels(path, some_labels())
    arrays = {name: array for name, array in {**arrays_of(path), **change}.items() if array is not None}
    path.write_bytes(safetensors.numpy.save(arrays, metadata_of(path)))
    met = refused(path)
    assert re.search(message, met), met


def test_neither_true_nor_false_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "labels.safetensors"
    write_labels(path, some_labels())
    content = bytearray(path.read_bytes())
    header, start = header_of(bytes(content))
    content[start + header["terminated"]["data_offsets"][0]] = 2
    path.write_bytes(content)
    assert "'terminated' are neither true nor false" in refused(path)


TABLES: list[tuple[str, str]] = [
    ("", "line 1: its columns must be obs_0 to obs_1, action_0 to action_0, .*missing are"),
    (CSV_HEAD.replace(",", ";"), "line 1: its columns must be .* with commas between them"),
    (CSV_HEAD.replace("next_obs_1", "next_obs_2"), "missing are .'next_obs_1'., not known .'next_obs_2'."),
    (f"{CSV_HEAD},obs_0\n", "each once"),
    (f"{CSV_HEAD}\n0,0,0,1,1,0,0\n0,0,0,1,1,0\n", "line 3: it must have 7 fields.* got 6"),
    (f"{CSV_HEAD}\n0,0,0,1,1,0,nan\n", "line 2: Labels must be finite"),
    (f"{CSV_HEAD}\n0,0,0,1,1,0,\n", "line 2: its numbers must be written with a point"),
    (f"{CSV_HEAD}\n0,0,0,1,1,maybe,0\n", "line 2: terminated must be 0, 1, true or false, got 'maybe'"),
    (f"{CSV_HEAD}\n\n0,inf,0,1,1,0,0\n", "line 3: .*observations must be finite"),
    (f"{CSV_HEAD}\n0,0,7,1,1,0,0\n", r"line 2: .*elements of Discrete\(3\), got 7"),
    (f'{CSV_HEAD}\n0,0,0,1,1,0,"0\n', "line 2: it must be CSV"),
    (f"{CSV_HEAD}\n0,0,0,1,1,0,=1+1\n", "line 2: its numbers must be written with a point"),
    (f"{CSV_HEAD}\n{'0' * 20_000}\n", "line 2: a line must have at most"),
]


@pytest.mark.parametrize(("text", "message"), TABLES)
def test_a_wrong_line_of_a_csv_is_named(text: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "labels.csv"
    path.write_text(text)
    met = refused(path)
    assert re.search(message, met), met


def test_text_that_is_not_unicode_is_refused(tmp_path: Path) -> None:
    for name in ("labels.jsonl", "labels.csv"):
        (tmp_path / name).write_bytes(b"\xff\xfe{\x00")
        assert "decode" in refused(tmp_path / name)


def good_file(path: Path) -> bytes:
    """Write six labels in the format of a file's ending; returns its content."""
    if path.suffix == ".csv":
        rows = [f"{i},{i},{i % 3},{i + 1},{i + 1},{int(i % 4 == 3)},{i % 2}" for i in range(N)]
        path.write_text("\n".join([CSV_HEAD, *rows, ""]))
    elif path.suffix == ".npz":
        store = LabelStore(*SPACES, capacity=10, seed=0)
        store.add(some_labels().labels)
        store.save(path)
    else:
        write_labels(path, some_labels())
    return path.read_bytes()


@pytest.mark.parametrize("ending", ["jsonl", "safetensors", "csv", "npz"])
@given(mutations=MUTATIONS)
def test_any_damage_is_found_or_leaves_good_labels(
    tmp_path_factory: pytest.TempPathFactory, ending: str, mutations: list[Mutation]
) -> None:
    path = tmp_path_factory.getbasetemp() / f"damaged.{ending}"
    path.write_bytes(mutated(good_file(path), mutations))
    try:
        labels = read_labels(path, SPACES)
    except LabelFileError:
        assert refused(path, SPACES)
        return
    transitions, social_rewards = labels.labels
    assert np.isfinite(social_rewards).all()
    assert np.isfinite(transitions.observations).all()  # type: ignore[arg-type]
    assert np.isin(transitions.actions, [0, 1, 2]).all()
    write_labels(path.with_suffix(".jsonl"), labels)
    assert len(read_labels(path.with_suffix(".jsonl"))) == len(labels)
