import math
from typing import Any

import numpy as np
import pytest
import torch
from gymnasium import spaces

from sb3_isr import InternalSocialReward, LabelBatch, LabelStore
from sb3_isr.isr.training import fit, held_out_mse

DISCRETE = spaces.Discrete(4)


def store_of(social_reward: Any, n: int = 400, held_out: float = 0.1) -> LabelStore:
    """Labels of a tabular task: R_s is a function of observation and action."""
    rng = np.random.default_rng(0)
    observations, actions = rng.integers(4, size=n), rng.integers(4, size=n)
    store = LabelStore(DISCRETE, DISCRETE, held_out=held_out, seed=0)
    store.add(LabelBatch(observations, actions, social_reward(observations, actions)))
    return store


def test_it_learns_what_the_caregiver_rewards() -> None:
    store = store_of(lambda o, a: 0.4 * (o == a))
    isr = InternalSocialReward(DISCRETE, DISCRETE)
    before = held_out_mse(isr, store)
    metrics = fit(isr, store, gradient_steps=500, batch_size=64)
    observations, actions = (grid.ravel() for grid in np.meshgrid(np.arange(4), np.arange(4)))
    np.testing.assert_allclose(isr.predict(observations, actions), 0.4 * (observations == actions), atol=0.02)
    assert metrics.held_out_mse < 1e-4 < before
    assert metrics.train_loss < 1e-3
    assert metrics.n_labels == 400


def test_held_out_labels_change_no_weight() -> None:
    """The published held-out loss also took an optimizer step on the held-out samples."""
    store = store_of(lambda o, a: 0.4 * (o == a))
    other = store_of(lambda o, a: 0.4 * (o == a))
    other._social_rewards[other._is_held_out] = 1e6
    isr, same = (InternalSocialReward(DISCRETE, DISCRETE) for _ in range(2))
    metrics, absurd = fit(isr, store, gradient_steps=50), fit(same, other, gradient_steps=50)
    assert all(torch.equal(a, b) for a, b in zip(isr.parameters(), same.parameters(), strict=True))
    assert absurd.train_loss == metrics.train_loss
    assert absurd.held_out_mse > 1e11


def test_held_out_mse_is_the_mean_over_the_labels_as_they_came() -> None:
    store = LabelStore(DISCRETE, DISCRETE, held_out=0.5, seed=0)
    store.add(LabelBatch(np.zeros(100, int), np.zeros(100, int), np.arange(100) % 4))
    isr = InternalSocialReward(DISCRETE, DISCRETE)
    labels = np.concatenate([batch.social_rewards for batch in store.held_out_batches()])
    expected = ((isr.predict(np.zeros(1, int), np.zeros(1, int)) - labels) ** 2).mean()
    assert held_out_mse(isr, store) == pytest.approx(expected, rel=1e-5)


def test_without_a_held_out_part_its_error_is_not_a_number() -> None:
    metrics = fit(InternalSocialReward(DISCRETE, DISCRETE), store_of(lambda o, a: 0.0 * o, held_out=0.0), 2)
    assert math.isnan(metrics.held_out_mse)


def test_training_leaves_the_learners_randomness_alone_and_repeats_itself() -> None:
    def weights(seed: int) -> torch.Tensor:
        isr = InternalSocialReward(DISCRETE, DISCRETE, net_arch=(4,), activation_fn=WithDropout)
        fit(isr, store_of(lambda o, a: 0.4 * (o == a)), gradient_steps=20, seed=seed)
        return next(isr.parameters()).detach()

    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)
    first = weights(0)
    assert torch.equal(torch.rand(1), expected)
    assert torch.equal(weights(0), first)
    assert not torch.equal(weights(1), first)


class WithDropout(torch.nn.Dropout):
    """An activation that draws."""


def test_the_learning_rate_falls_within_a_training_and_not_from_one_to_the_next() -> None:
    store, isr = store_of(lambda o, a: 0.4 * (o == a)), InternalSocialReward(DISCRETE, DISCRETE, learning_rate=0.01)
    rates: list[float] = []
    isr.optimizer.register_step_pre_hook(lambda optimizer, *_: rates.append(optimizer.param_groups[0]["lr"]))
    fit(isr, store, gradient_steps=4)
    np.testing.assert_allclose(rates, 0.01 * np.array([1.0, 0.8535534, 0.5, 0.1464466]), rtol=1e-6)
    assert [group["lr"] for group in isr.optimizer.param_groups] == [0.01]


def test_bad_arguments_are_refused() -> None:
    isr, store = InternalSocialReward(DISCRETE, DISCRETE), store_of(lambda o, a: 0.0 * o)
    with pytest.raises(ValueError, match="at least 1, got 0 and 256"):
        fit(isr, store, gradient_steps=0)
    with pytest.raises(ValueError, match="no label to train on"):
        fit(isr, LabelStore(DISCRETE, DISCRETE))
