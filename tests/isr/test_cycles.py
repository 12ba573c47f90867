"""The cycles of a training, and which of them is kept."""

import itertools
import math
from typing import Any

import numpy as np
import pytest
import torch

from sb3_isr import ISRTrainer, LabelStore
from sb3_isr.isr.held_out import evaluate
from tests.isr.small_isrs import (
    BOX,
    TWO,
    box_isr,
    tabular_isr,
    tabular_store,
    uniform_observations,
    weights,
)
from tests.labels.made_labels import labelled


def curved_store(held_out: float = 0.2) -> LabelStore:
    observations = uniform_observations(300)
    store = LabelStore(BOX, TWO, held_out=held_out, seed=0)
    store.add(labelled(observations, np.zeros(300, int), np.sin(observations[:, 0]).astype(np.float32)))
    return store


class Cycles(ISRTrainer):
    """Keeps the weights and the held-out error after each cycle."""

    def _cycle(self, store: LabelStore) -> float:
        train_loss = super()._cycle(store)
        self.cycles.append((weights(self.isr), evaluate(self.isr, store).mse))
        return train_loss

    cycles: list[tuple[torch.Tensor, float]]


def cycled(gradient_steps: int, max_cycles: int, held_out: float = 0.2, **kwargs: Any) -> tuple[Cycles, Any]:
    isr = box_isr(n_members=1)
    trainer = Cycles(isr, gradient_steps=gradient_steps, max_cycles=max_cycles, **kwargs)
    trainer.cycles = []
    return trainer, trainer.train(curved_store(held_out))


def test_without_held_out_labels_there_is_one_cycle() -> None:
    trainer, metrics = cycled(10, 5, held_out=0.0)
    assert len(trainer.cycles) == 1
    assert metrics.gradient_steps == 10
    assert all(math.isnan(value) for value in metrics.held_out)


@pytest.mark.parametrize("max_cycles", [1, 3])
def test_there_are_no_more_cycles_than_allowed_though_each_is_better(max_cycles: int) -> None:
    trainer, metrics = cycled(80, max_cycles, learning_rate=1e-2, batch_size=64)
    errors = [error for _, error in trainer.cycles]
    assert len(errors) == max_cycles
    assert all(later < 0.9 * earlier for earlier, later in itertools.pairwise(errors))
    assert metrics.gradient_steps == 80 * max_cycles


def test_the_weights_of_the_best_cycle_are_kept() -> None:
    """With so large a learning rate a later cycle makes it worse."""
    trainer, metrics = cycled(30, 20, learning_rate=0.1, batch_size=8)
    errors = [error for _, error in trainer.cycles]
    best = int(np.argmin(errors))
    assert best < len(errors) - 1 < 19, "the last one is not the best"
    assert torch.equal(weights(trainer.isr), trainer.cycles[best][0])
    assert metrics.held_out.mse == pytest.approx(errors[best])
    assert evaluate(trainer.isr, curved_store()).mse == pytest.approx(errors[best])


def test_training_stops_when_the_held_out_labels_are_explained() -> None:
    store, isr = tabular_store(), tabular_isr()
    metrics = ISRTrainer(isr, learning_rate=1e-2, gradient_steps=400, batch_size=64).train(store)
    assert metrics.gradient_steps < 5 * 400
    assert metrics.held_out.explained > 0.999


def test_held_out_labels_of_both_kinds_of_endings_are_explained_each_by_themselves() -> None:
    """The ISR predicts a constant. Each kind's labels vary by chance about its own mean."""
    isr, observations = box_isr(n_members=1, limit_to_labels="no"), uniform_observations(400)
    ends = np.arange(400) % 4 == 0
    labels = np.where(ends, 10.0, 0.0) + np.where(np.arange(400) // 4 % 2, 1.0, -1.0)
    store = LabelStore(BOX, TWO, held_out=0.5, seed=0)
    store.add(labelled(observations, np.zeros(400, int), labels.astype(np.float32), terminated=ends))
    isr.predict = lambda *_: np.zeros(len(_[1]), np.float32)  # type: ignore[method-assign]
    met = evaluate(isr, store)
    batches = list(store.held_out_batches())
    given = np.concatenate([batch.social_rewards for batch in batches]).astype(float)
    ended = np.concatenate([batch.transitions.terminated for batch in batches])
    assert met.mse == pytest.approx((given**2).mean())
    for explained, of_kind in (
        (met.explained, given),
        (met.explained_continuing, given[~ended]),
        (met.explained_terminated, given[ended]),
    ):
        assert explained == pytest.approx(1 - (of_kind**2).mean() / of_kind.var())
