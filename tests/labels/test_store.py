from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium import spaces

from sb3_isr import LabelBatch, LabelStore
from sb3_isr.labels import LabelRange
from sb3_isr.labels.label_range import LabelRanges
from tests.labels.made_labels import BOX, DISCRETE, changed, labelled, make_labels, make_store, numbers_in


def test_labels_are_drawn_as_they_were_given() -> None:
    batch, _ = make_store(0.0, 0.5, -1.0, 0.0).sample(200)
    numbers = np.array(numbers_in(batch))
    assert set(numbers) == {0, 1, 2, 3}
    np.testing.assert_array_equal(batch.transitions.actions, numbers % 3)
    np.testing.assert_array_equal(batch.transitions.next_observations, np.stack([numbers + 1] * 2, axis=1))
    np.testing.assert_array_equal(batch.transitions.terminated, numbers == 3)
    np.testing.assert_array_equal(batch.social_rewards, np.array([0.0, 0.5, -1.0, 0.0])[numbers])


def test_no_held_out_label_is_drawn_and_each_other_one_is() -> None:
    store = make_store(*[0.0, 1.0] * 50, held_out=0.3)
    store.sample(1)
    store.add(make_labels([0.0, 1.0] * 50, first=100))
    drawn = set(numbers_in(store.sample(6000)[0]))
    held_out = [number for batch in store.held_out_batches(7) for number in numbers_in(batch)]
    assert not drawn & set(held_out)
    assert drawn | set(held_out) == set(range(200))
    assert len(held_out) == len(set(held_out)) == store.n_held_out
    assert 34 < len(held_out) < 86  # 60 +- four standard deviations


def test_beyond_its_capacity_the_store_holds_the_newest_labels() -> None:
    store = make_store(capacity=10)
    for first in range(0, 16, 4):
        store.add(make_labels([0.0] * 4, first))
        assert numbers_in(store.labels()) == list(range(max(0, first - 6), first + 4))
    assert (len(store), store.n_added) == (10, 16)
    assert set(numbers_in(store.sample(500)[0])) == set(range(6, 16))
    store.add(make_labels([0.0] * 25, first=100))
    assert (len(store), store.n_added) == (10, 41)
    assert numbers_in(store.labels()) == list(range(115, 125))


def test_labels_gives_a_copy_of_all_labels_held_out_or_not() -> None:
    store = make_store(*[0.0, 1.0] * 10, held_out=0.5)
    labels = store.labels()
    assert 0 < store.n_held_out < 20
    assert numbers_in(labels) == list(range(20))
    assert labels.social_rewards.tolist() == [0.0, 1.0] * 10
    labels.social_rewards[:] = 7
    assert set(store.labels().social_rewards) == {0.0, 1.0}
    assert numbers_in(make_store().labels()) == []


def test_label_ranges_are_those_of_the_labels_still_held() -> None:
    store = make_store(capacity=5)
    assert store.label_ranges is None
    store.add(make_labels([-1.0, 0.0, 1.0]))
    continuing = LabelRange(-1.0, 1.0, (-1.0, 0.0, 1.0))
    assert store.label_ranges == LabelRanges(continuing, None)
    store.add(make_labels([5.0], first=3))
    assert store.label_ranges == LabelRanges(continuing, LabelRange(5.0, 5.0, (5.0,)))
    store.add(make_labels([0.0, 0.0], first=4))
    assert store.label_ranges == LabelRanges(LabelRange(0.0, 1.0, (0.0, 1.0)), LabelRange(5.0, 5.0, (5.0,)))
    store.add(make_labels([0.0] * 3, first=4))
    assert store.label_ranges == LabelRanges(LabelRange(0.0, 0.0, (0.0,)), None)


def test_labels_stay_in_the_dtype_of_their_space() -> None:
    store = LabelStore(spaces.Box(0, 255, (4, 4, 3), np.uint8), DISCRETE, held_out=0.0)
    store.add(labelled(np.full((2, 4, 4, 3), 200, np.uint8), np.array([0, 1]), np.zeros(2)))
    transitions = store.sample(3)[0].transitions
    for observations in (transitions.observations, transitions.next_observations):
        assert isinstance(observations, np.ndarray)
        assert observations.dtype == np.uint8
        assert (observations == 200).all()


def test_what_is_stored_is_a_copy() -> None:
    """Algorithms and environments may reuse their arrays."""
    store, batch = make_store(), make_labels([1.0])
    store.add(batch)
    batch.social_rewards[:] = 7
    assert store.sample(1)[0].social_rewards == [1.0]


def test_the_seed_decides_what_is_held_out_and_drawn() -> None:
    def draw(seed: int) -> Any:
        store = LabelStore(BOX, DISCRETE, held_out=0.5, seed=seed)
        store.add(make_labels([0.0, 1.0] * 50))
        return numbers_in(next(store.held_out_batches())), numbers_in(store.sample(30)[0])

    assert draw(1) == draw(1)
    assert all(one != other for one, other in zip(draw(1), draw(2), strict=True))


DICT = spaces.Dict({"a": BOX, "b": spaces.Discrete(4), "c/d": spaces.Discrete(4)})


def observe(space: gym.Space[Any], numbers: Any) -> Any:
    boxes = np.stack([numbers, numbers], axis=1).astype(np.float32)
    return {"a": boxes, "b": numbers % 4, "c/d": numbers % 3} if space is DICT else boxes


@pytest.mark.parametrize("space", [BOX, DICT], ids=["array", "dict"])
@pytest.mark.parametrize("n_added", [0, 7, 25])
def test_a_loaded_store_goes_on_as_the_saved_one_would(space: gym.Space[Any], n_added: int, tmp_path: Path) -> None:
    def make(seed: int) -> LabelStore:
        return LabelStore(space, DISCRETE, capacity=10, held_out=0.3, seed=seed)

    def add(store: LabelStore, numbers: Any) -> None:
        outcome = {"next_observations": observe(space, numbers + 1), "terminated": numbers % 4 == 1}
        store.add(labelled(observe(space, numbers), numbers % 3, numbers.astype(np.float32), **outcome))

    saved, loaded = make(0), make(1)
    add(saved, np.arange(n_added))
    add(loaded, np.arange(3))
    saved.save(tmp_path / "labels.npz")
    loaded.load(tmp_path / "labels.npz")
    for store in (saved, loaded):
        add(store, np.arange(n_added, n_added + 2))
    assert (loaded.n_added, len(loaded), loaded.n_held_out) == (saved.n_added, len(saved), saved.n_held_out)
    (drawn, weights), (expected, expected_weights) = loaded.sample(40), saved.sample(40)
    np.testing.assert_array_equal(weights, expected_weights)
    for one, other in ((loaded.labels(), saved.labels()), (drawn, expected)):
        np.testing.assert_array_equal(one.social_rewards, other.social_rewards)
        numbers, transitions = one.social_rewards.astype(int), one.transitions
        np.testing.assert_array_equal(transitions.actions, numbers % 3)
        np.testing.assert_equal(transitions.observations, observe(space, numbers))
        np.testing.assert_equal(transitions.next_observations, observe(space, numbers + 1))
        np.testing.assert_array_equal(transitions.terminated, numbers % 4 == 1)


GOOD = make_labels([0.0, 1.0])


@pytest.mark.parametrize(
    ("batch", "message"),
    [
        (GOOD._replace(social_rewards=np.array([0.0, np.nan])), "finite"),
        (GOOD._replace(social_rewards=np.array([np.inf, 0.0])), "finite"),
        (GOOD._replace(social_rewards=np.zeros((2, 1))), r"shape \[n\]"),
        (changed(GOOD, observations=np.zeros((2, 3), np.float32)), r"shape \[2, 2\].*got \[2, 3\]"),
        (changed(GOOD, observations=np.zeros((3, 2), np.float32)), r"shape \[2, 2\].*got \[3, 2\]"),
        (changed(GOOD, observations=np.full((2, 2), np.nan, np.float32)), "observations must be finite, got nan"),
        (changed(GOOD, observations={"a": np.zeros((2, 2))}), "shape"),
        (changed(GOOD, observations=np.full((2, 2), 1e39)), "observations must lie within"),
        (GOOD._replace(social_rewards=np.array(["0", "1"])), "finite numbers"),
        (GOOD._replace(social_rewards=np.array([0.0, 1e39])), "finite numbers"),
        (changed(GOOD, actions=np.array([0, 3])), r"actions must be elements of Discrete\(3\), got 3"),
        (changed(GOOD, actions=np.array([-1, 0])), r"actions must be elements of Discrete\(3\), got -1"),
        (changed(GOOD, actions=np.array([0.9, 0.0])), r"actions must be elements of Discrete\(3\), got 0.9"),
        (changed(GOOD, actions=np.array(["0", "1"])), "actions must be numbers"),
        (changed(GOOD, next_observations=np.zeros((2, 3), np.float32)), r"next observations.* shape \[2, 2\]"),
        (changed(GOOD, next_observations=np.full((2, 2), np.nan, np.float32)), "next observations must be finite"),
        (changed(GOOD, terminated=np.zeros(3, bool)), "terminated must be True or False for each of 2"),
        (changed(GOOD, terminated=np.array([0.5, 0.0])), "terminated must be numbers of .* bool, got 0.5"),
        (changed(GOOD, actions=np.zeros((2, 1), int)), r"actions must have the shape \[2\].*got \[2, 1\]"),
    ],
)
def test_bad_labels_are_refused_and_nothing_is_added(batch: LabelBatch, message: str) -> None:
    store = LabelStore(BOX, DISCRETE)
    with pytest.raises(ValueError, match=message):
        store.add(batch)
    assert len(store) == 0


def test_bad_arguments_and_empty_stores_are_refused() -> None:
    for name, value in (("capacity", 0), ("capacity", 2.5), ("held_out", 1.0), ("held_out", True), ("seed", -1)):
        with pytest.raises(ValueError, match=f"{name} must be a .*, got {value}; change it"):
            LabelStore(BOX, DISCRETE, **{name: value})  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="no label to train on"):
        LabelStore(BOX, DISCRETE).sample(1)


def test_numbers_of_numpy_and_whole_floats_are_converted() -> None:
    store = LabelStore(BOX, DISCRETE, capacity=np.float64(2e3), held_out=np.float32(0.5), seed=np.int64(3))  # type: ignore[arg-type]
    assert (store.capacity, store.held_out) == (2000, 0.5)
    assert (type(store.capacity), type(store.held_out)) == (int, float)


IMAGE = spaces.Box(0, 255, (1080, 1920, 3), np.uint8)


def test_a_store_that_does_not_fit_into_memory_is_refused_before_training(monkeypatch: pytest.MonkeyPatch) -> None:
    """Full-HD images, and no capacity named: 1.2 TB."""
    monkeypatch.setattr("sb3_isr.labels.label_rows.total_memory", lambda: 8 * 2**30)
    with pytest.raises(ValueError, match=r"capacity=200000 .*1,159 GiB, more than this machine's 8 GiB; give it a"):
        LabelStore(IMAGE, DISCRETE)
    with pytest.raises(ValueError, match="capacity") as refused:
        LabelStore(IMAGE, DISCRETE)
    capacity = int(str(refused.value).split('"capacity": ')[1].split("}")[0])
    assert 300 < capacity < 400
    assert LabelStore(IMAGE, DISCRETE, capacity=capacity).capacity == capacity


def test_a_store_that_cannot_be_allocated_is_refused_where_the_size_of_memory_is_not_known(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("sb3_isr.labels.label_rows.total_memory", lambda: None)
    with pytest.raises(ValueError, match="more than what this machine can give; give it a smaller capacity"):
        LabelStore(IMAGE, DISCRETE, capacity=10**12)


def test_an_integer_box_holds_the_actions_that_the_environment_was_told() -> None:
    """Algorithms disregard its dtype, and tell it fractions."""
    space = spaces.Box(-10, 10, (1,), np.int64)
    store = LabelStore(BOX, space)
    told = np.array([[0.4], [-0.6]], np.float32)
    store.add(changed(GOOD, actions=told))
    np.testing.assert_array_equal(store.labels().transitions.actions, told)


def test_a_fraction_is_not_cut_off_where_the_observation_space_says_integers() -> None:
    store = LabelStore(spaces.Box(0, 255, (2,), np.uint8), DISCRETE)
    for number in (0.5, 256.0, -1.0):
        with pytest.raises(ValueError, match=f"their space's dtype uint8, got {number} among them"):
            store.add(changed(GOOD, observations=np.full((2, 2), number)))
    store.add(changed(GOOD, observations=np.full((2, 2), 255.0), next_observations=np.full((2, 2), 254.0)))
    assert len(store) == 2


def test_replaced_labels_are_those_of_a_new_store_whatever_was_there_before() -> None:
    labels = make_labels([0.0, 1.0, 0.5, 2.0, -1.0])
    held_out = np.array([False, True, False, False, True])
    used, new = make_store(*[3.0] * 300, held_out=0.5, capacity=100), make_store(capacity=100)
    for store in (used, new):
        store.sample(7) if len(store) else None
        store.replace(labels, held_out, seed=1)
    for store in (used, new):
        assert numbers_in(store.labels()) == [0, 1, 2, 3, 4]
        assert (len(store), store.n_added, store.n_held_out) == (5, 5, 2)
        assert [numbers_in(batch) for batch in store.held_out_batches()] == [[1, 4]]
    assert numbers_in(used.sample(50)[0]) == numbers_in(new.sample(50)[0])
    used.replace(None, None, seed=1)
    assert (len(used), used.n_held_out, used.label_ranges) == (0, 0, None)


def test_replaced_labels_beyond_the_capacity_are_dropped_and_bad_ones_change_nothing() -> None:
    store = make_store(capacity=3)
    store.replace(make_labels([0.0] * 5), np.array([True, False, True, False, False]), seed=0)
    assert numbers_in(store.labels()) == [2, 3, 4]
    assert store.n_held_out == 1
    with pytest.raises(ValueError, match="Labels must be finite numbers"):
        store.replace(make_labels([float("nan")]), np.zeros(1, bool), seed=0)
    assert numbers_in(store.labels()) == [2, 3, 4]
