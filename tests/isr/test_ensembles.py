"""What is for few labels: several members, the L1 penalty and action contrast."""

from typing import Any

import numpy as np
import pytest
import torch
from gymnasium import spaces

from sb3_isr import InternalSocialReward, ISRTrainer, LabelStore
from tests.isr.small_isrs import PAIRS, TWO, box_isr, box_store, nearest, uniform_observations, weights
from tests.labels.made_labels import labelled


def test_members_agree_where_labels_are_and_disagree_elsewhere() -> None:
    isr, observations = box_isr(), uniform_observations(300)
    labelled = np.abs(observations) * [-1, 1]
    store = box_store(labelled, np.sin(labelled[:, 1]))
    ISRTrainer(isr, learning_rate=2e-2, gradient_steps=150, batch_size=64).train(store)
    near, far = (
        np.median(isr.predict_members(where.astype(np.float32), np.zeros(300, int)).std(axis=0))
        for where in (labelled, labelled * [-1, 1])
    )
    assert far > 2 * near


def test_l1_finds_the_one_of_forty_numbers_that_matters() -> None:
    """There are thirty labels; 1 is given where the first number is above 0."""
    space = spaces.Box(-1, 1, (40,), np.float32)
    rng = np.random.default_rng(0)
    seen, unseen = (rng.uniform(-1, 1, (n, 40)).astype(np.float32) for n in (30, 500))
    errors = []
    for l1_coef in (0.0, 0.006):
        isr = InternalSocialReward(space, TWO, **PAIRS, net_arch=(32,), device="cpu")
        store = LabelStore(space, TWO, held_out=0.0, seed=0)
        store.add(labelled(seen, np.zeros(30, int), (seen[:, 0] > 0).astype(np.float32)))
        ISRTrainer(isr, learning_rate=1e-2, l1_coef=l1_coef, gradient_steps=300, batch_size=30).train(store)
        errors.append(np.mean(nearest(isr, unseen, np.zeros(500, int)) != (unseen[:, 0] > 0)))
    assert errors[1] < 0.5 * errors[0]


@pytest.mark.parametrize("action_contrast", [False, True])
def test_with_action_contrast_an_untried_action_is_not_expected_to_be_praised(action_contrast: bool) -> None:
    """0.4 is given where the first number is above 0; there only action 0 was tried, elsewhere both."""
    isr = box_isr(pessimism=1.0)
    observations = uniform_observations(200)
    is_praised = observations[:, 0] > 0
    store = box_store(observations, 0.4 * is_praised, np.where(is_praised, 0, np.arange(200) % 2))
    kwargs: dict[str, Any] = {"learning_rate": 2e-2, "gradient_steps": 250, "batch_size": 64}
    ISRTrainer(isr, l1_coef=0.04, action_contrast=action_contrast, **kwargs).train(store)
    far = observations[observations[:, 0] > 1]
    untried = np.ones(len(far), int)
    first, *others = isr.predict_members(far, untried).mean(axis=1) / 0.4
    assert min(others) > 0.4  # it is the first member alone that is trained with contrast, so that it disagrees
    assert nearest(isr, far, 0 * untried).mean() / 0.4 > 0.95
    if action_contrast:
        assert first < 0.05
        assert nearest(isr, far, untried).mean() / 0.4 < 0.05
    else:
        assert first > 0.5


@pytest.mark.parametrize("label", [-1.0, 0.0])
def test_action_contrast_applies_only_to_praise(label: float) -> None:
    """A reproach is no evidence about other actions, and without praise the training is the same."""
    observations = uniform_observations(50)
    isrs = [box_isr(n_members=1) for _ in range(2)]
    for isr, action_contrast in zip(isrs, (False, True), strict=True):
        store = box_store(observations, np.full(50, label), np.arange(50) % 2)
        ISRTrainer(isr, action_contrast=action_contrast, gradient_steps=5, batch_size=32).train(store)
    assert torch.equal(weights(isrs[0]), weights(isrs[1]))


def test_action_contrast_changes_nothing_where_one_action_was_tried() -> None:
    isrs = [box_isr(n_members=1) for _ in range(2)]
    for isr, action_contrast in zip(isrs, (False, True), strict=True):
        store = box_store(uniform_observations(50), np.ones(50))
        ISRTrainer(isr, action_contrast=action_contrast, gradient_steps=5, batch_size=32).train(store)
    assert torch.equal(weights(isrs[0]), weights(isrs[1]))
