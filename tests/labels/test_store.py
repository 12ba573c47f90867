from typing import Any

import numpy as np
import pytest
from gymnasium import spaces

from sb3_isr import LabelBatch, LabelStore
from sb3_isr.labels.store import pair_hashes

BOX = spaces.Box(0, 1000, (2,), np.float32)
DISCRETE = spaces.Discrete(3)


def labels(social_rewards: list[float], first: int = 0) -> LabelBatch:
    """Labels whose observation says which number they have."""
    numbers = first + np.arange(len(social_rewards))
    observations = np.stack([numbers, numbers], axis=1).astype(np.float32)
    return LabelBatch(observations, numbers % 3, np.array(social_rewards, np.float32))


def numbers_in(batch: LabelBatch) -> set[int]:
    assert isinstance(batch.observations, np.ndarray)
    return set(batch.observations[:, 0].astype(int))


def test_what_is_drawn_is_what_was_given() -> None:
    store = LabelStore(BOX, DISCRETE, held_out=0.0, seed=0)
    store.add(labels([0.0, 0.5, -1.0, 0.0]))
    batch = store.sample(200)
    assert numbers_in(batch) == {0, 1, 2, 3}
    assert isinstance(batch.observations, np.ndarray)
    number = batch.observations[:, 0].astype(int)
    np.testing.assert_array_equal(batch.actions, number % 3)
    np.testing.assert_array_equal(batch.social_rewards, np.array([0.0, 0.5, -1.0, 0.0])[number])


def test_rare_praise_is_drawn_as_often_as_none() -> None:
    store = LabelStore(BOX, DISCRETE, held_out=0.0, seed=0)
    store.add(labels([0.0] * 990 + [0.4] * 10))
    drawn = store.sample(4000).social_rewards != 0
    assert abs(drawn.mean() - 0.5) < 0.03  # four standard deviations


def test_a_pair_labelled_a_thousand_times_is_drawn_as_often_as_one_labelled_once() -> None:
    """A learner that knows MiniGrid's DoorKey labels the same few pairs over and over, and was hacked at the others."""
    store = LabelStore(BOX, DISCRETE, held_out=0.0, seed=0)
    for _ in range(3000):  # more labels than are looked at in one piece
        store.add(labels([0.0] * 2))
    store.add(labels([0.0] * 8, first=2))
    same_place = labels([0.0])
    store.add(same_place._replace(actions=same_place.actions + 1))  # another action is another pair
    batch = store.sample(11_000)
    assert isinstance(batch.observations, np.ndarray)
    _, counts = np.unique(10 * batch.observations[:, 0] + batch.actions, return_counts=True)
    assert len(counts) == 11
    assert (np.abs(counts - 1000) < 130).all()  # four standard deviations


def test_small_numbers_make_distinct_pairs() -> None:
    """Hashes that add up observation and action would take (1, 0) for (0, 3)."""
    observations, actions = (grid.ravel() for grid in np.meshgrid(np.arange(16), np.arange(16)))
    assert len(set(pair_hashes(observations, actions).tolist())) == 256


def test_balancing_does_not_change_what_a_pair_is_worth_on_average() -> None:
    """A goal on ice is reached one time in four: half of the drawn labels must not say so."""
    store = LabelStore(BOX, DISCRETE, held_out=0.0, seed=0)
    for _ in range(50):
        for social_reward in (1.0, 0.0, 0.0, 0.0):
            store.add(labels([social_reward]))
            store.add(labels([0.0] * 3, first=1))
    batch = store.sample(8000)
    assert isinstance(batch.observations, np.ndarray)
    at_goal = batch.observations[:, 0] == 0
    assert abs(at_goal.mean() - 0.5) < 0.03
    assert abs(batch.social_rewards[at_goal].mean() - 0.25) < 0.03


@pytest.mark.parametrize("label", [0.0, 1.0])
def test_labels_of_one_kind_are_all_drawn(label: float) -> None:
    """The published split divided by zero when nothing was rewarded."""
    store = LabelStore(BOX, DISCRETE, held_out=0.0, seed=0)
    store.add(labels([label] * 5))
    assert numbers_in(store.sample(200)) == set(range(5))


def test_no_held_out_label_is_ever_drawn_and_none_is_lost() -> None:
    store = LabelStore(BOX, DISCRETE, held_out=0.3, seed=0)
    store.add(labels([0.0, 1.0] * 100))
    store.add(labels([0.0, 1.0] * 100, first=200))
    drawn = set().union(*(numbers_in(store.sample(1000)) for _ in range(20)))
    held_out = set().union(*(numbers_in(batch) for batch in store.held_out_batches(7)))
    assert not drawn & held_out
    assert drawn | held_out == set(range(400))
    assert len(held_out) == store.n_held_out == sum(len(b.actions) for b in store.held_out_batches(7))
    assert 80 < len(held_out) < 160  # 120 +- four standard deviations


def test_beyond_its_capacity_it_holds_the_newest() -> None:
    store = LabelStore(BOX, DISCRETE, capacity=10, held_out=0.0, seed=0)
    for first in range(0, 16, 4):
        store.add(labels([0.0] * 4, first))
    assert (len(store), store.n_added) == (10, 16)
    assert numbers_in(store.sample(500)) == set(range(6, 16))
    store.add(labels([0.0] * 25, first=100))
    assert (len(store), store.n_added) == (10, 41)
    assert numbers_in(store.sample(500)) == set(range(115, 125))


def test_labels_stay_in_the_dtype_of_their_space() -> None:
    store = LabelStore(spaces.Box(0, 255, (4, 4, 3), np.uint8), DISCRETE, held_out=0.0)
    store.add(LabelBatch(np.full((2, 4, 4, 3), 200, np.uint8), np.array([0, 1]), np.zeros(2)))
    observations = store.sample(3).observations
    assert isinstance(observations, np.ndarray)
    assert observations.dtype == np.uint8
    assert (observations == 200).all()


def test_dict_observations() -> None:
    space = spaces.Dict({"a": BOX, "b": spaces.Discrete(4)})
    store = LabelStore(space, DISCRETE, held_out=0.0, seed=0)
    store.add(LabelBatch({"a": np.ones((3, 2), np.float32), "b": np.arange(3)}, np.zeros(3, int), np.arange(3)))
    batch = store.sample(50)
    assert isinstance(batch.observations, dict)
    np.testing.assert_array_equal(batch.observations["b"], batch.social_rewards)
    assert set(batch.social_rewards) == {0.0, 1.0, 2.0}


def test_what_is_stored_is_a_copy() -> None:
    """Algorithms and environments may reuse their arrays."""
    store = LabelStore(BOX, DISCRETE, held_out=0.0)
    batch = labels([1.0])
    store.add(batch)
    batch.social_rewards[:] = 7
    assert store.sample(1).social_rewards == [1.0]


def test_same_seed_draws_the_same() -> None:
    def draw(seed: int) -> Any:
        store = LabelStore(BOX, DISCRETE, seed=seed)
        store.add(labels([0.0, 1.0] * 50))
        return store.sample(30).observations

    np.testing.assert_array_equal(draw(1), draw(1))
    assert not np.array_equal(draw(1), draw(2))


GOOD = labels([0.0, 1.0])


@pytest.mark.parametrize(
    ("batch", "message"),
    [
        (GOOD._replace(social_rewards=np.array([0.0, np.nan])), "finite"),
        (GOOD._replace(social_rewards=np.array([np.inf, 0.0])), "finite"),
        (GOOD._replace(social_rewards=np.zeros((2, 1))), r"shape \[n\]"),
        (GOOD._replace(observations=np.zeros((2, 3), np.float32)), r"shape \[2, 2\].*got \[2, 3\]"),
        (GOOD._replace(observations=np.zeros((3, 2), np.float32)), r"shape \[2, 2\].*got \[3, 2\]"),
        (GOOD._replace(observations=np.full((2, 2), np.nan, np.float32)), "observations must be finite, got nan"),
        (GOOD._replace(observations={"a": np.zeros((2, 2))}), "shape"),
        (GOOD._replace(actions=np.zeros((2, 1), int)), r"actions must have the shape \[2\].*got \[2, 1\]"),
    ],
)
def test_bad_labels_are_refused_and_nothing_is_added(batch: LabelBatch, message: str) -> None:
    store = LabelStore(BOX, DISCRETE)
    with pytest.raises(ValueError, match=message):
        store.add(batch)
    assert len(store) == 0


def test_bad_arguments_and_empty_stores_are_refused() -> None:
    with pytest.raises(ValueError, match="capacity must be at least 1, got 0"):
        LabelStore(BOX, DISCRETE, capacity=0)
    with pytest.raises(ValueError, match=r"\[0, 1\).*got 1\.0"):
        LabelStore(BOX, DISCRETE, held_out=1.0)
    with pytest.raises(ValueError, match="no label to train on"):
        LabelStore(BOX, DISCRETE).sample(1)
