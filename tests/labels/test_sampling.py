"""How often each label is drawn. Bounds on frequencies are four standard deviations or more."""

import numpy as np
import pytest

from sb3_isr import LabelBatch
from sb3_isr.common.batches import Array, Observations
from sb3_isr.labels.sampling import HASH_CHUNK, BalancedSampler, pair_hashes
from tests.labels.made_labels import changed, make_labels, numbers_in


def make_sampler(labels: LabelBatch, candidates: Array | None = None) -> BalancedSampler:
    def pairs(index: Array) -> tuple[Observations, Array]:
        observations, actions, *_ = labels.transitions.select(index)
        return observations, actions

    candidates = np.arange(len(labels.social_rewards)) if candidates is None else candidates
    return BalancedSampler(candidates, pairs, labels.social_rewards)


def draw(labels: LabelBatch, n: int, seed: int = 0) -> LabelBatch:
    index, _ = make_sampler(labels).draw(n, np.random.default_rng(seed))
    return labels.select(index)


def test_rare_praise_is_drawn_as_often_as_its_absence() -> None:
    drawn = draw(make_labels([0.0] * 990 + [0.4] * 10), 4000).social_rewards != 0
    assert abs(drawn.mean() - 0.5) < 0.03


def test_a_pair_with_thousands_of_labels_is_drawn_as_often_as_a_pair_with_one() -> None:
    """A learner that knows MiniGrid's DoorKey labels the same few pairs over and over; the ISR failed on the others."""
    often = [make_labels([0.0] * 2)] * (HASH_CHUNK + 50)
    once = make_labels([0.0] * 8, first=2)
    other_action = changed(make_labels([0.0]), actions=np.array([1]))
    batch = draw(LabelBatch.concatenate([*often, once, other_action]), 11_000)
    _, counts = np.unique(10 * np.array(numbers_in(batch)) + batch.transitions.actions, return_counts=True)
    assert len(counts) == 11
    assert (np.abs(counts - 1000) < 130).all()


def test_balancing_keeps_the_mean_label_of_each_pair() -> None:
    """A goal on slippery ice may be reached one time in four; half of the drawn labels would overestimate it."""
    rounds = [LabelBatch.concatenate([make_labels([reward]), make_labels([0.0] * 3, 1)]) for reward in (1, 0, 0, 0)]
    batch = draw(LabelBatch.concatenate(rounds * 50), 8000)
    at_goal = np.array(numbers_in(batch)) == 0
    assert abs(at_goal.mean() - 0.5) < 0.03
    assert abs(batch.social_rewards[at_goal].mean() - 0.25) < 0.03


@pytest.mark.parametrize("label", [0.0, 1.0])
def test_labels_of_one_kind_are_all_drawn(label: float) -> None:
    """The published split divided by zero when nothing was rewarded."""
    assert set(numbers_in(draw(make_labels([label] * 5), 200))) == set(range(5))


def test_only_candidates_are_drawn() -> None:
    labels = make_labels([0.0, 1.0] * 10)
    sampler = make_sampler(labels, np.array([3, 4, 9]))
    index, _ = sampler.draw(200, np.random.default_rng(0))
    assert set(index.tolist()) == {3, 4, 9}
    assert sampler
    assert not make_sampler(labels, np.array([], int))


def test_the_same_seed_draws_the_same_labels() -> None:
    labels = make_labels([0.0, 1.0] * 50)
    assert numbers_in(draw(labels, 30, seed=1)) == numbers_in(draw(labels, 30, seed=1))
    assert numbers_in(draw(labels, 30, seed=1)) != numbers_in(draw(labels, 30, seed=2))


def test_different_pairs_have_different_hashes() -> None:
    """Hashes that added up observation and action would confuse (1, 0) with (0, 3)."""
    numbers, actions = (grid.ravel() for grid in np.meshgrid(np.arange(16), np.arange(16)))
    for observations in (numbers, {"a": numbers, "b": actions}, np.stack([numbers, actions], axis=1)):
        assert len(set(pair_hashes(observations, actions).tolist())) == 256


def test_equal_pairs_have_equal_hashes_in_any_order_of_memory() -> None:
    grids = np.random.default_rng(0).integers(3, size=(20, 4, 5))
    expected = pair_hashes(grids, np.zeros(20, int))
    np.testing.assert_array_equal(pair_hashes(np.asfortranarray(grids), np.zeros(20, int)), expected)
    np.testing.assert_array_equal(pair_hashes(grids[::-1], np.zeros(20, int)), expected[::-1])
