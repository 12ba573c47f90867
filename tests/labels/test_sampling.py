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


# The weights: with them each distinct pair counts the same, whatever its labels.


def estimate(labels: LabelBatch, n: int) -> tuple[float, float, float]:
    """The weighted mean of drawn labels, its standard error by hand, and the mean of the weights."""
    index, weights = make_sampler(labels).draw(n, np.random.default_rng(1))
    # By hand: a pair is drawn by its kind (1 / n_kinds) and among its kind (1 / n_pairs of it), and so is its weight.
    actions, rewards = labels.transitions.actions, labels.social_rewards
    pairs: dict[tuple[int, int], list[float]] = {}
    for number, action, reward in zip(numbers_in(labels), actions.tolist(), rewards.tolist(), strict=True):
        pairs.setdefault((number, action), []).append(reward)
    kinds = [[of_pair for of_pair in pairs.values() if any(of_pair) == is_nonzero] for is_nonzero in (False, True)]
    kinds = [kind for kind in kinds if kind]
    mean = np.mean([np.mean(of_pair) for of_pair in pairs.values()])
    square = 0.0
    for kind in kinds:
        weight = len(kinds) * len(kind) / len(pairs)
        square += np.mean([np.mean(np.square(of_pair)) for of_pair in kind]) * weight**2 / len(kinds)
    error = ((square - mean**2) / n) ** 0.5
    return float((weights * rewards[index]).mean()), float(error), float(weights.mean())


def test_where_rare_reproach_is_stochastic_and_nothing_repeats_the_estimate_is_unbiased() -> None:
    """Without weights it would be -0.5, where the caregiver's mean is -0.01."""
    labels = make_labels((-1.0 * (np.random.default_rng(0).random(3000) < 0.01)).tolist())
    met, error, mean_weight = estimate(labels, 20_000)
    truth = labels.social_rewards.mean()
    assert error == pytest.approx(-truth / 20_000**0.5, rel=1e-6)  # by hand: 0 or twice the truth, each half the time
    assert abs(met - truth) < 4 * error < 0.05 * -truth
    assert abs(mean_weight - 1) < 0.03


@pytest.mark.parametrize("seed", range(3))
def test_the_estimate_is_unbiased_for_labels_of_several_kinds_and_repeated_pairs(seed: int) -> None:
    """Each distinct pair counts the same, however often it was labelled."""
    rng = np.random.default_rng(seed)
    numbers = rng.integers(60, size=400) // rng.integers(1, 5, size=400)
    rewards = rng.choice([0.0, -1.0, 0.5, 2.0], p=[0.9, 0.04, 0.04, 0.02], size=400)
    labels = LabelBatch.concatenate(
        [make_labels([reward], first=number) for number, reward in zip(numbers.tolist(), rewards.tolist(), strict=True)]
    )
    by_pair = [rewards[numbers == number].mean() for number in np.unique(numbers)]
    met, error, mean_weight = estimate(labels, 40_000)
    assert abs(met - np.mean(by_pair)) < 4 * error
    assert abs(mean_weight - 1) < 0.03
    assert estimate(make_labels([3.0] * 5), 10)[::2] == (3.0, 1.0)  # one kind: no weights
