"""Next observations in a store: what was given is returned, and what is another row's observation is not stored."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium import spaces
from hypothesis import given, settings
from hypothesis import strategies as st

from sb3_isr import LabelBatch, LabelStore, Transitions
from sb3_isr.labels.file_errors import LabelFileError
from sb3_isr.labels.next_observations import OWN
from tests.labels.made_labels import BOX, DISCRETE, make_store

DICT = spaces.Dict({"a": BOX, "b": spaces.Discrete(4), "c/d": spaces.MultiBinary(2)})


def observe(space: gym.Space[Any], numbers: Any) -> Any:
    """Observations of which few are different, so that equal ones are everywhere."""
    boxes = np.stack([numbers, numbers // 2], axis=1).astype(np.float32)
    return boxes if space is BOX else {"a": boxes // 2, "b": numbers % 4, "c/d": boxes.astype(np.int8) % 2}


def play(space: gym.Space[Any], numbers: Any, ends: Any, n_envs: int, first_label: int) -> LabelBatch:
    """Steps of environments that are recorded in turn: an observation's number, and whether an episode ends there."""
    n_steps = len(numbers) // n_envs - 1
    grid = np.array(numbers[: (n_steps + 1) * n_envs]).reshape(n_steps + 1, n_envs)
    ended = np.array(ends[: n_steps * n_envs], bool).reshape(n_steps, n_envs)
    # At an end the last observation is none that the learner acts on.
    then = np.where(ended, (grid[1:] + 3) % 6, grid[1:]).ravel()
    now = grid[:-1].ravel()
    n = n_steps * n_envs
    labels = (first_label + np.arange(n)).astype(np.float32)
    return LabelBatch(Transitions(observe(space, now), now % 3, observe(space, then), ended.ravel()), labels)


def check_holds(store: LabelStore, given: LabelBatch, n_total: int) -> None:
    """The store holds the newest of what it was given; a label is its number."""
    held = store.labels()
    numbers = held.social_rewards.astype(int)
    assert numbers.tolist() == list(range(max(0, n_total - store.capacity), n_total))
    np.testing.assert_equal(tuple(held.transitions), tuple(given.select(numbers).transitions))
    if len(store):
        drawn, _ = store.sample(20)
        expected = given.select(drawn.social_rewards.astype(int))
        np.testing.assert_equal(tuple(drawn.transitions), tuple(expected.transitions))


PIECES = st.lists(
    st.tuples(st.integers(1, 3), st.lists(st.tuples(st.integers(0, 5), st.booleans()), min_size=2, max_size=20)),
    min_size=1,
    max_size=4,
)


@pytest.mark.parametrize("space", [BOX, DICT], ids=["array", "dict"])
@settings(deadline=None, max_examples=60)
@given(PIECES, st.integers(1, 30))
def test_a_store_returns_the_next_observations_that_it_was_given(
    space: gym.Space[Any], pieces: list[tuple[int, list[tuple[int, bool]]]], capacity: int
) -> None:
    store, loaded = (LabelStore(space, DISCRETE, capacity, held_out=0.0, seed=0) for _ in range(2))
    batches: list[LabelBatch] = [play(space, [0], [False], 1, 0)]
    n_total = 0
    with tempfile.TemporaryDirectory() as folder:
        for n_envs, steps in pieces:
            numbers, ends = zip(*steps, strict=True)
            if len(numbers) < 2 * n_envs:
                continue
            batches.append(play(space, numbers, ends, n_envs, n_total))
            n_total += len(batches[-1].social_rewards)
            store.add(batches[-1])
            check_holds(store, LabelBatch.concatenate(batches), n_total)
            store.save(Path(folder) / "labels.npz")
            loaded.load(Path(folder) / "labels.npz")
            check_holds(loaded, LabelBatch.concatenate(batches), n_total)


def rows_of(store: LabelStore) -> Any:
    return store._rows._next_observations.rows[: len(store)]


def test_a_next_observation_that_is_another_labels_observation_is_not_stored_again(tmp_path: Path) -> None:
    """Images of four environments, recorded in turn; each plays one episode of 25 steps."""
    space = spaces.Box(0, 255, (36, 36, 3), np.uint8)
    images = np.random.default_rng(0).integers(256, size=(26, 4, 36, 36, 3), dtype=np.uint8)
    now, then = (images[part].reshape(100, 36, 36, 3) for part in (slice(25), slice(1, 26)))
    store = LabelStore(space, DISCRETE, capacity=100, held_out=0.0)
    transitions = Transitions(now, np.zeros(100, int), then, np.arange(100) >= 96)
    store.add(LabelBatch(transitions, np.zeros(100, np.float32)))
    assert (rows_of(store) == OWN).tolist() == [False] * 96 + [True] * 4
    np.testing.assert_array_equal(store.labels().transitions.next_observations, then)
    store.save(tmp_path / "labels.npz")
    size = (tmp_path / "labels.npz").stat().st_size
    assert now.nbytes * 1.04 < size < now.nbytes * 1.05 + 10_000  # half of what both would take


N = 8  # as make_store's labels follow each other, the last one alone has a next observation of its own


def saved(tmp_path: Path) -> dict[str, Any]:
    make_store(*[0.0, 1.0] * (N // 2), capacity=10).save(tmp_path / "good.npz")
    with np.load(tmp_path / "good.npz") as file:
        arrays = dict(file)
    assert arrays["next_rows"].tolist() == [1, 2, 3, 4, 5, 6, 7, OWN]
    assert arrays["next_observations/"].tolist() == [[8, 8]]
    return arrays


def rows(*numbers: int) -> Callable[[dict[str, Any]], dict[str, Any]]:
    return lambda arrays: {"next_rows": np.array(numbers)}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (rows(1, 2, 3, 4, 5, 6, 8, OWN), "numbers of newer rows"),  # beyond the labels
        (rows(1, 2, 3, 4, 5, 6, 2**62, OWN), "numbers of newer rows"),
        (rows(1, 2, 3, 4, 5, 6, -2, OWN), "numbers of newer rows"),
        (rows(1, 2, 3, 4, 5, 6, -(2**63), OWN), "numbers of newer rows"),
        (rows(0, 2, 3, 4, 5, 6, 7, OWN), "numbers of newer rows"),  # itself
        (rows(1, 0, 3, 4, 5, 6, 7, OWN), "numbers of newer rows"),  # an older one, which is overwritten first
        (rows(1, 2, 3, 4, 5, 6, 7, 0), "numbers of newer rows"),
        (rows(1, 2, 3, 4, 5, 6, OWN, OWN), "1 next_observations/"),  # fewer than it says
        (rows(1, 2, 3, 4, 5, 6, 7), "7 next_rows for 8 labels"),
        (lambda a: {"next_rows": a["next_rows"].astype(np.int32)}, "dtype int32.*not int64"),
        (lambda a: {"next_rows": a["next_rows"].astype(float)}, "dtype float64.*not int64"),
        (lambda a: {"next_rows": a["next_rows"][:, None]}, "as this store"),
        (lambda a: {"next_observations/": np.zeros((2, 2), np.float32)}, "2 next_observations/"),
        (lambda a: {"next_observations/": np.zeros((11, 2), np.float32)}, "11 next_observations/"),
        (lambda a: {"next_observations/": np.full((1, 2), np.nan, np.float32)}, "next observations must be finite"),
        (lambda a: {"next_observations/": np.zeros((1, 3), np.float32)}, r"not float32 and \[n, 2\]"),
        (lambda a: {"next_observations/": None}, "it holds .*, not "),
        (lambda a: {"terminated": None}, "it holds .*, not "),
        (lambda a: {"terminated": np.full(N, 0.5)}, "dtype float64.*not bool"),
        (lambda a: {"terminated": np.full(N, 2, np.uint8).view(bool)}, "'terminated' are neither true nor false"),
    ],
)
def test_a_file_whose_next_observations_are_hostile_is_refused(change: Any, message: str, tmp_path: Path) -> None:
    arrays = saved(tmp_path)
    changed = {key: value for key, value in {**arrays, **change(arrays)}.items() if value is not None}
    np.savez(tmp_path / "bad.npz", **changed)
    store = make_store(1.0, -1.0, capacity=10)
    with pytest.raises(LabelFileError, match=message):
        store.load(tmp_path / "bad.npz")
    assert store.labels().social_rewards.tolist() == [1.0, -1.0]
    np.testing.assert_array_equal(store.labels().transitions.next_observations, [[1, 1], [2, 2]])


def test_after_a_wrap_around_newer_rows_are_those_that_were_written_later(tmp_path: Path) -> None:
    """Row 0 holds a newer label than row 9 then."""
    store = LabelStore(BOX, DISCRETE, capacity=10, held_out=0.0, seed=0)
    numbers = np.arange(14)
    boxes = np.stack([numbers, numbers], axis=1).astype(np.float32)
    for part in (slice(0, 8), slice(8, 13)):
        transitions = Transitions(boxes[part], numbers[part] % 3, boxes[1:][part], np.zeros(14, bool)[part])
        store.add(LabelBatch(transitions, numbers[part].astype(np.float32)))
    assert rows_of(store).tolist() == [1, 2, OWN, 4, 5, 6, 7, OWN, 9, 0]
    store.save(tmp_path / "labels.npz")
    with np.load(tmp_path / "labels.npz") as file:
        arrays = dict(file)
    loaded = LabelStore(BOX, DISCRETE, capacity=10, held_out=0.0)
    loaded.load(tmp_path / "labels.npz")
    np.testing.assert_array_equal(loaded.labels().transitions.next_observations, boxes[4:14])
    arrays["next_rows"] = np.array([1, 3, OWN, 4, 5, 6, 7, OWN, 9, 0])  # row 3 is the oldest
    np.savez(tmp_path / "bad.npz", **arrays)
    with pytest.raises(LabelFileError, match="numbers of newer rows"):
        loaded.load(tmp_path / "bad.npz")
