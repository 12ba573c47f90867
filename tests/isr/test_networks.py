"""An ISR of several members: that it knows what it does not know."""

import copy
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from gymnasium import spaces

from sb3_isr import InternalSocialReward, LabelBatch, LabelStore
from sb3_isr.isr.training import fit

BOX = spaces.Box(-5, 5, (2,), np.float32)
DISCRETE = spaces.Discrete(2)
NOTHING = np.zeros(1, int)


def ensemble(**kwargs: Any) -> InternalSocialReward:
    return InternalSocialReward(BOX, DISCRETE, **{"n_members": 5, "net_arch": (16,), "device": "cpu", **kwargs})


def give(isr: InternalSocialReward, *members: float) -> None:
    """Plant what each member says, whatever the transition."""
    net: Any = isr.net
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.zero_()
        net.biases[-1][:, 0, 0] = torch.tensor(members)


def reward(isr: InternalSocialReward) -> float:
    return float(isr.predict(np.zeros((1, 2), np.float32), NOTHING)[0])


def store_of(observations: Any, social_rewards: Any) -> LabelStore:
    store = LabelStore(BOX, DISCRETE, held_out=0.0, seed=0)
    observations = np.asarray(observations, np.float32)
    store.add(LabelBatch(observations, np.zeros(len(observations), int), np.asarray(social_rewards, np.float32)))
    return store


def test_the_members_mean_less_their_spread() -> None:
    isr = ensemble(n_members=4, pessimism=2.0)
    give(isr, 0.0, 0.0, 1.0, 1.0)
    assert reward(isr) == pytest.approx(0.5 - 2 * 0.5)
    isr = ensemble(n_members=4)
    give(isr, 0.0, 0.0, 1.0, 1.0)
    assert reward(isr) == pytest.approx(0.5)


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda isr: pickle.loads(pickle.dumps(isr))])
def test_a_copy_has_weights_of_its_own(copied: Callable[[InternalSocialReward], InternalSocialReward]) -> None:
    isr = ensemble()
    give(isr, 1.0, 1.0, 1.0, 1.0, 1.0)
    other = copied(isr)
    give(other, 2.0, 2.0, 2.0, 2.0, 2.0)
    assert (reward(isr), reward(other)) == (1.0, 2.0)


def test_members_are_what_single_networks_with_their_weights_would_be() -> None:
    isr = ensemble(net_arch=(16, 8))
    observations = BOX.high * np.linspace(-1, 1, 7, dtype=np.float32)[:, None]
    actions = np.arange(7) % 2
    said = isr.predict_members(observations, actions)
    assert said.shape == (5, 7)
    weights: Any = isr.net
    features = np.concatenate([observations, np.eye(2)[actions]], axis=1)
    for i in range(5):
        layers = [
            (w[i].detach().numpy(), b[i].detach().numpy()) for w, b in zip(weights.weights, weights.biases, strict=True)
        ]
        value = features
        for weight, bias in layers[:-1]:
            value = np.maximum(value @ weight + bias, 0)
        np.testing.assert_allclose(said[i], (value @ layers[-1][0] + layers[-1][1])[:, 0], rtol=1e-4, atol=1e-5)
    assert said.std(axis=0).min() > 0


def test_they_agree_where_labels_taught_them_and_not_where_none_did() -> None:
    isr = ensemble(learning_rate=1e-2)
    taught = np.random.default_rng(0).uniform([-5, -5], [0, 5], (300, 2))
    fit(isr, store_of(taught, np.sin(taught[:, 1])), gradient_steps=400, batch_size=64)
    unseen = taught * [-1, 1]
    spread = [
        isr.predict_members(where.astype(np.float32), np.zeros(300, int)).std(axis=0) for where in (taught, unseen)
    ]
    assert np.median(spread[1]) > 3 * np.median(spread[0])


def test_each_member_learns_as_it_would_alone() -> None:
    labels = store_of(np.random.default_rng(0).uniform(-5, 5, (300, 2)), np.random.default_rng(1).random(300))
    one, five = ensemble(n_members=1, learning_rate=1e-2), ensemble(learning_rate=1e-2)
    losses = [fit(isr, labels, gradient_steps=300, batch_size=64).train_loss for isr in (one, five)]
    assert losses[1] == pytest.approx(losses[0], rel=0.25)


def test_praise_or_none_is_rounded_to_one_of_them() -> None:
    isr = ensemble(limit_to_labels="values")
    fit(isr, store_of([[0, 0], [1, 1]], [0.0, 0.4]), gradient_steps=1, batch_size=2)
    for said, given in ((-1.0, 0.0), (0.19, 0.0), (0.21, 0.4), (7.0, 0.4)):
        give(isr, *[said] * 5)
        assert reward(isr) == pytest.approx(given)


def test_rewards_by_degrees_are_clipped_to_their_range() -> None:
    isr = ensemble(limit_to_labels="values")
    fit(isr, store_of(np.zeros((20, 2)), np.linspace(-1, 2, 20)), gradient_steps=1, batch_size=2)
    for said, given in ((-3.0, -1.0), (0.123, 0.123), (3.0, 2.0)):
        give(isr, *[said] * 5)
        assert reward(isr) == pytest.approx(given)


def test_by_default_rewards_are_clipped_to_the_range_of_labels() -> None:
    isr = ensemble()
    fit(isr, store_of([[0, 0], [1, 1]], [0.0, 0.4]), gradient_steps=1, batch_size=2)
    for said, given in ((-1.0, 0.0), (0.19, 0.19), (7.0, 0.4)):
        give(isr, *[said] * 5)
        assert reward(isr) == pytest.approx(given)


def test_what_it_was_taught_before_counts_too() -> None:
    isr = ensemble(limit_to_labels="values")
    fit(isr, store_of([[0, 0], [1, 1]], [0.0, 0.4]), gradient_steps=1, batch_size=2)
    fit(isr, store_of([[2, 2]], [-1.0]), gradient_steps=1, batch_size=1)
    assert isr.label_range == pytest.approx((-1.0, 0.4))
    assert isr.label_values == pytest.approx((-1.0, 0.0, 0.4))
    fit(isr, store_of(np.zeros((20, 2)), np.linspace(0, 2, 20)), gradient_steps=1, batch_size=2)
    assert isr.label_range == pytest.approx((-1.0, 2.0))
    assert isr.label_values is None


def test_an_untrained_one_knows_no_limits() -> None:
    isr = ensemble(limit_to_labels="values")
    give(isr, *[7.0] * 5)
    assert reward(isr) == 7.0


def test_a_saved_one_is_as_pessimistic_and_as_limited(tmp_path: Path) -> None:
    isr = ensemble(pessimism=1.0, limit_to_labels="values", l1_coef=0.006, action_contrast=True, ortho_init=True)
    fit(isr, store_of([[0, 0], [1, 1]], [0.0, 0.4]), gradient_steps=5, batch_size=2)
    isr.save(tmp_path / "isr.safetensors")
    loaded = InternalSocialReward.load(tmp_path / "isr.safetensors", device="cpu")
    observations, actions = np.random.default_rng(0).uniform(-5, 5, (50, 2)).astype(np.float32), np.zeros(50, int)
    np.testing.assert_array_equal(loaded.predict(observations, actions), isr.predict(observations, actions))
    np.testing.assert_array_equal(
        loaded.predict_members(observations, actions), isr.predict_members(observations, actions)
    )
    assert (loaded.l1_coef, loaded.action_contrast) == (0.006, True)
    assert loaded.label_values == pytest.approx((0.0, 0.4))


def test_a_sparse_one_finds_what_is_praised_among_much_else() -> None:
    """Thirty labels, forty numbers to be seen: praised is a first number above 0."""
    space = spaces.Box(-1, 1, (40,), np.float32)
    rng = np.random.default_rng(0)
    seen, unseen = rng.uniform(-1, 1, (30, 40)).astype(np.float32), rng.uniform(-1, 1, (500, 40)).astype(np.float32)
    wrong = []
    for sparsity in (0.0, 0.006):
        isr = InternalSocialReward(space, DISCRETE, l1_coef=sparsity, limit_to_labels="values", device="cpu")
        store = LabelStore(space, DISCRETE, held_out=0.0, seed=0)
        store.add(LabelBatch(seen, np.zeros(30, int), (seen[:, 0] > 0).astype(np.float32)))
        fit(isr, store, gradient_steps=1000, batch_size=30)
        wrong.append(np.mean(isr.predict(unseen, np.zeros(500, int)) != (unseen[:, 0] > 0)))
    assert wrong[1] < 0.5 * wrong[0]


@pytest.mark.parametrize("action_contrast", [False, True])
def test_whether_the_action_matters_is_doubted_where_no_label_says(action_contrast: bool) -> None:
    """Praised where the first number is above 0, where nobody ever tried action 1; below it both were tried."""
    isr = ensemble(
        n_members=5, pessimism=1.0, limit_to_labels="values", l1_coef=0.01, action_contrast=contrast, learning_rate=1e-2
    )
    observations = np.random.default_rng(0).uniform(-5, 5, (200, 2)).astype(np.float32)
    praised = observations[:, 0] > 0
    actions = np.where(praised, 0, np.arange(200) % 2)
    store = LabelStore(BOX, DISCRETE, held_out=0.0, seed=0)
    store.add(LabelBatch(observations, actions, 0.4 * praised.astype(np.float32)))
    fit(isr, store, gradient_steps=600, batch_size=64)
    far = observations[observations[:, 0] > 1]
    tried, untried = (isr.predict(far, np.full(len(far), action)).mean() / 0.4 for action in (0, 1))
    assert tried > 0.95
    assert untried < 0.05 if contrast else untried > 0.5


def test_reproach_is_not_taken_to_be_for_the_action() -> None:
    isr = ensemble(n_members=1, action_contrast=True, learning_rate=1e-2)
    observations = np.random.default_rng(0).uniform(-5, 5, (100, 2)).astype(np.float32)
    actions = (observations[:, 0] > 0).astype(int)
    store = LabelStore(BOX, DISCRETE, held_out=0.0, seed=0)
    store.add(LabelBatch(observations, actions, np.full(100, -1.0, np.float32)))
    fit(isr, store, gradient_steps=200, batch_size=32)
    assert isr.predict(observations, 1 - actions).mean() < -0.9


def test_contrast_asks_nothing_of_rewards_that_are_all_alike() -> None:
    isr = ensemble(n_members=1, action_contrast=True, limit_to_labels="values")
    fit(isr, store_of(np.random.default_rng(0).uniform(-5, 5, (50, 2)), np.ones(50)), gradient_steps=100, batch_size=32)
    assert isr.predict(np.zeros((1, 2), np.float32), np.ones(1, int))[0] == 1.0


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"n_members": 0}, "n_members must be at least 1, got 0"),
        ({"pessimism": -1.0}, "0 or more.*got -1.0"),
        ({"pessimism": float("nan")}, "got nan"),
        ({"pessimism": 1.0, "n_members": 1}, "take n_members=5"),
        ({"limit_to_labels": True}, "limit_to_labels must be one of no, range, values, got True"),
        ({"l1_coef": -1.0}, "sparsity must be 0 or more, got -1.0"),
    ],
)
def test_bad_arguments_are_refused(kwargs: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ensemble(**kwargs)
