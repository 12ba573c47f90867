"""R_i is limited to what was labelled, and does not depend on units."""

from typing import Any

import numpy as np
import pytest
import torch
from gymnasium import spaces

from sb3_isr import InternalSocialReward, ISRTrainer, LabelStore
from sb3_isr.common.batches import Array
from tests.isr.small_isrs import BOX, TWO, box_store, uniform_observations
from tests.labels.made_labels import labelled


@pytest.mark.parametrize("limit", ["range", "values"])
def test_a_step_that_goes_on_is_never_paid_what_only_an_end_was_paid(limit: Any) -> None:
    """Goals are worth 100, steps -1 or 0; whatever the ISR's weights, it cannot pay for going on."""
    observations = uniform_observations(200)
    ends = np.arange(200) % 10 == 0
    labels = np.where(ends, 100.0, -(np.arange(200) % 2)).astype(np.float32)
    isr = InternalSocialReward(BOX, TWO, net_arch=(16,), limit_to_labels=limit, device="cpu")
    store = LabelStore(BOX, TWO, held_out=0.2, seed=0)
    store.add(labelled(observations, np.zeros(200, int), labels, terminated=ends))
    ISRTrainer(isr, gradient_steps=20).train(store)
    with torch.no_grad():
        for parameter in isr.parameters():
            parameter.mul_(100)
    far = 100 * uniform_observations(500, seed=1)
    for terminated, low, high in ((False, -1.0, 0.0), (True, 100.0, 100.0)):
        rewards = isr.predict(far, np.ones(500, int), -far, np.full(500, terminated))
        assert low <= rewards.min() <= rewards.max() <= high
    unlimited = isr(*isr.tensors(far, np.ones(500, int), -far, np.zeros(500, bool))).detach()
    assert unlimited.min() < -1 < 0 < unlimited.max()


def test_steps_of_a_kind_that_was_never_labelled_are_limited_to_all_labels() -> None:
    isr = InternalSocialReward(BOX, TWO, net_arch=(16,), device="cpu")
    observations = uniform_observations(100)
    store = box_store(observations, np.linspace(-1, 2, 100))
    ISRTrainer(isr, gradient_steps=5).train(store)
    far = 1000 * observations
    for terminated in (False, True):
        rewards = isr.predict(far, np.ones(100, int), -far, np.full(100, terminated))
        assert (rewards.min(), rewards.max()) == (-1.0, 2.0)


# Units.


def taught(scale: float, shift: float, observation_scale: float, standardize: bool = True) -> Array:
    """What an ISR predicts after a caregiver's labels in other units, of observations in other units; in the first."""
    space = spaces.Box(-np.inf, np.inf, (2,), np.float32)
    observations, then = uniform_observations(400), uniform_observations(400, seed=1)
    ends = np.arange(400) % 5 == 0
    labels = 2 + np.sin(observations[:, 0]) + 0.3 * then[:, 1] * ends  # none is 0, which would be another kind
    isr = InternalSocialReward(space, TWO, net_arch=(16,), standardize=standardize, device="cpu")
    store = LabelStore(space, TWO, held_out=0.2, seed=0)
    outcome = {"next_observations": then * np.float32(observation_scale), "terminated": ends}
    seen = observations * np.float32(observation_scale)
    store.add(labelled(seen, np.arange(400) % 2, (scale * labels + shift).astype(np.float32), **outcome))
    ISRTrainer(isr, gradient_steps=200, max_cycles=1).train(store)
    rewards = isr.predict(*store.labels().transitions)
    return np.asarray((rewards - shift) / scale)


@pytest.mark.parametrize(
    ("scale", "shift", "observation_scale", "atol"),
    # Other observations have other hashes, by which other labels are drawn: as different as with another seed.
    [(1000.0, 5.0, 1.0, 0.02), (1.0, 5.0, 1.0, 0.02), (1.0, 0.0, 1000.0, 0.15), (1e-3, 0.0, 1e-3, 0.15)],
)
def test_labels_and_observations_in_other_units_teach_the_same(
    scale: float, shift: float, observation_scale: float, atol: float
) -> None:
    expected = taught(1.0, 0.0, 1.0)
    np.testing.assert_allclose(taught(scale, shift, observation_scale), expected, atol=atol)
    unstandardized = taught(scale, shift, observation_scale, standardize=False)
    assert np.abs(unstandardized - taught(1.0, 0.0, 1.0, standardize=False)).max() > 0.2
