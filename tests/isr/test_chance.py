"""Where the caregiver's rewards are decided by chance, R_i is the expected reward."""

import numpy as np
import pytest
from gymnasium import spaces

from sb3_isr import InternalSocialReward, ISRTrainer, LabelBatch, LabelStore, Transitions

SPACES = spaces.Box(-1, 1, (3,), np.float32), spaces.Discrete(2)
N = 20_000


def scolded(seed: int) -> LabelBatch:
    """Work (action 1) is scolded with -1 in one of a hundred steps. No observation comes twice."""
    rng = np.random.default_rng(seed)
    observations, next_observations = rng.uniform(-1, 1, (2, N, 3)).astype(np.float32)
    actions = rng.integers(2, size=N)
    is_scolded = (actions == 1) & (rng.random(N) < 0.01)
    return LabelBatch(
        Transitions(observations, actions, next_observations, np.zeros(N, bool)), -is_scolded.astype(np.float32)
    )


def store_of(labels: LabelBatch, held_out: float = 0.1) -> LabelStore:
    store = LabelStore(*SPACES, capacity=N, held_out=held_out, seed=0)
    store.add(labels)
    return store


@pytest.mark.parametrize("seed", [0, 1])
def test_a_rare_scolding_by_chance_is_learned_as_what_it_costs_on_average(seed: int) -> None:
    """Drawn half of the time and not weighed back it would be learned as -0.49."""
    isr = InternalSocialReward(*SPACES, limit_to_labels="no", seed=seed, device="cpu")
    ISRTrainer(isr, gradient_steps=500, seed=seed).train(store_of(scolded(seed), held_out=0.0))
    new = scolded(seed + 100).transitions
    assert abs(isr.predict(*new.select(new.actions == 1)).mean() + 0.01) < 0.005
    assert abs(isr.predict(*new.select(new.actions == 0)).mean()) < 0.005


@pytest.mark.slow
def test_no_single_steps_chance_is_learned_by_heart() -> None:
    """A network does so with few labels; the held-out ones say that it means nothing."""
    isr = InternalSocialReward(*SPACES, device="cpu")
    metrics = ISRTrainer(isr, gradient_steps=1000, seed=0).train(store_of(scolded(0).select(slice(3000))))
    new = scolded(100).transitions
    of_work = isr.predict(*new.select(new.actions == 1))
    assert -0.02 < of_work.mean() < 0.0
    assert of_work.min() > -0.2
    assert metrics.held_out.explained > -0.02
    assert isr.label_ranges is not None
    assert isr.label_ranges.continuing is not None
    assert not isr.label_ranges.continuing.recognized  # otherwise R_i would be 0


@pytest.mark.slow
def test_what_is_certain_is_recognized_and_given_exactly() -> None:
    isr = InternalSocialReward(*SPACES, device="cpu")
    labels = scolded(0)
    certain = ((labels.transitions.actions == 1) & (labels.transitions.next_observations[:, 0] > 0)).astype(np.float32)  # type: ignore[index]
    ISRTrainer(isr, gradient_steps=500, seed=0).train(store_of(labels._replace(social_rewards=certain)))
    assert isr.label_ranges is not None
    assert isr.label_ranges.continuing is not None
    assert isr.label_ranges.continuing.recognized
    assert set(isr.predict(*scolded(1).transitions)) == {0.0, 1.0}
