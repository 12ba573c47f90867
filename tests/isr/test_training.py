"""What an ISR learns from labels, and how."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from gymnasium import spaces

from sb3_isr import ISRTrainer, LabelStore
from sb3_isr.isr.held_out import evaluate
from sb3_isr.labels import LabelRange
from tests.isr.small_isrs import (
    FOUR,
    box_isr,
    box_store,
    tabular_isr,
    tabular_store,
    uniform_observations,
    weights,
)
from tests.labels.made_labels import labelled


def test_an_isr_learns_what_the_caregiver_rewards() -> None:
    store, isr = tabular_store(), tabular_isr()
    before = evaluate(isr, store).mse
    metrics = ISRTrainer(isr, learning_rate=1e-2, gradient_steps=150, max_cycles=1, batch_size=64).train(store)
    observations, actions = (grid.ravel() for grid in np.meshgrid(np.arange(4), np.arange(4)))
    np.testing.assert_allclose(isr.predict(observations, actions), 0.4 * (observations == actions), atol=0.02)
    assert metrics.held_out.mse < 1e-4 < before
    assert metrics.train_loss < 1e-3
    assert (metrics.n_labels, metrics.gradient_steps) == (400, 150)


# What is left out of training.


def test_held_out_labels_change_no_weight() -> None:
    """The published held-out loss also took an optimizer step on the held-out samples."""
    probe = LabelStore(spaces.Discrete(400), FOUR, held_out=0.1, seed=0)
    probe.add(labelled(np.arange(400), np.zeros(400, int), np.zeros(400)))
    is_held_out = np.isin(np.arange(400), np.asarray(next(probe.held_out_batches()).transitions.observations))
    labels = np.random.default_rng(1).random(400)
    isrs, metrics = [tabular_isr() for _ in range(2)], []
    for isr, social_rewards in zip(isrs, (labels, np.where(is_held_out, 1e6, labels)), strict=True):
        store = tabular_store(social_rewards)
        assert store.n_held_out == is_held_out.sum() > 20
        metrics.append(ISRTrainer(isr, gradient_steps=20, max_cycles=1).train(store))
    assert torch.equal(weights(isrs[0]), weights(isrs[1]))
    assert metrics[1].train_loss == metrics[0].train_loss
    assert metrics[1].held_out.mse > 1e11


def test_held_out_mse_is_the_mean_over_the_held_out_labels() -> None:
    """They are not balanced, and may be more than one batch."""
    store = LabelStore(FOUR, FOUR, held_out=0.5, seed=0)
    store.add(labelled(np.zeros(3000, int), np.zeros(3000, int), np.arange(3000) % 4))
    isr, zero = tabular_isr(), np.zeros(1, int)
    labels = np.concatenate([batch.social_rewards for batch in store.held_out_batches()])
    assert len(labels) > 1024
    assert evaluate(isr, store).mse == pytest.approx(((isr.predict(zero, zero) - labels) ** 2).mean(), rel=1e-5)


def test_without_held_out_labels_their_error_is_nan() -> None:
    metrics = ISRTrainer(tabular_isr(), gradient_steps=2).train(tabular_store(held_out=0.0))
    assert math.isnan(metrics.held_out.mse)


def test_training_leaves_the_learners_randomness_unchanged_and_can_be_repeated() -> None:
    """The network draws for its dropout, and other numbers in each training."""

    def trained(seed: int, n_trainings: int = 1) -> torch.Tensor:
        isr = tabular_isr(activation_fn=torch.nn.Dropout)
        trainer = ISRTrainer(isr, gradient_steps=5, learning_rate=1e-9, seed=seed)
        masks: list[torch.Tensor] = []
        list(isr.net.children())[1].register_forward_hook(lambda _, __, output: masks.append(output == 0))
        for _ in range(n_trainings):
            trainer.train(tabular_store(held_out=0.0))
        assert trainer.n_trainings == n_trainings
        return torch.stack(masks[-5:])

    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)
    first = trained(0)
    assert torch.equal(torch.rand(1), expected)
    assert torch.equal(trained(0), first)
    assert not torch.equal(trained(1), first)
    assert not torch.equal(trained(0, n_trainings=2), first)


# The gradient step, by hand.

SGD: dict[str, Any] = {"optimizer_class": torch.optim.SGD, "learning_rate": 1.0, "gradient_steps": 1, "batch_size": 8}


@pytest.mark.parametrize("n_members", [1, 4])
def test_the_gradient_is_clipped_for_each_member(n_members: int) -> None:
    isr = box_isr(n_members=n_members)
    before = weights(isr)
    ISRTrainer(isr, max_grad_norm=0.01, **SGD).train(box_store(uniform_observations(20), np.full(20, 100.0)))
    assert (weights(isr) - before).norm().item() == pytest.approx(0.01 * n_members**0.5, rel=1e-3)


def test_each_member_has_the_gradient_that_it_has_by_itself() -> None:
    """The error of its predictions, averaged over the batch but not over the members."""
    isr = box_isr(net_arch=(), standardize=False)
    net: Any = isr.net
    before = net.biases[0].detach().clone()
    observations = np.zeros((1, 2))
    predictions = isr.predict_members(observations.astype(np.float32), np.zeros(1, int))
    ISRTrainer(isr, max_grad_norm=1e9, **SGD).train(box_store(observations, [1.0]))
    expected = -2 * (torch.as_tensor(predictions) - 1)
    torch.testing.assert_close((net.biases[0] - before).view(5, 1), expected)


@pytest.mark.parametrize("l1_coef", [0.0, 0.006])
def test_the_l1_penalty_pulls_the_first_layers_weights_towards_zero(l1_coef: float) -> None:
    """By the coefficient, relative to the variance of the labels, here 1."""
    after = []
    for coef in (0.0, l1_coef):
        isr = box_isr(net_arch=(4,))
        before = [parameter.detach().clone() for parameter in isr.parameters()]
        labels = np.array([-1.0, 1.0] * 10)
        ISRTrainer(isr, max_grad_norm=1e9, l1_coef=coef, **SGD).train(box_store(uniform_observations(20), labels))
        after.append([parameter.detach() for parameter in isr.parameters()])
    first, *others = ((with_l1 - without).numpy() for without, with_l1 in zip(*after, strict=True))
    np.testing.assert_allclose(first, -l1_coef * np.sign(before[0].numpy()), atol=1e-6)
    assert not any(other.any() for other in others)


def test_the_learning_rate_falls_within_a_training_and_starts_anew_in_the_next() -> None:
    store, isr = tabular_store(), tabular_isr()
    trainer = ISRTrainer(isr, learning_rate=0.01, gradient_steps=4, max_cycles=1)
    rates: list[float] = []
    trainer.optimizer.register_step_pre_hook(lambda optimizer, *_: rates.append(optimizer.param_groups[0]["lr"]))
    trainer.train(store)
    trainer.train(store)
    np.testing.assert_allclose(rates, 0.01 * np.array([1.0, 0.8535534, 0.5, 0.1464466] * 2), rtol=1e-6)
    assert [group["lr"] for group in trainer.optimizer.param_groups] == [0.01]


def test_a_restored_trainer_goes_on_as_the_saved_one(tmp_path: Path) -> None:
    isrs = [tabular_isr(activation_fn=torch.nn.Dropout) for _ in range(2)]
    trainers = [ISRTrainer(isr, gradient_steps=5) for isr in isrs]
    trainers[0].train(tabular_store())
    isrs[1].load_state_dict(isrs[0].state_dict())
    torch.save(trainers[0].state_dict(), tmp_path / "trainer")
    trainers[1].load_state_dict(torch.load(tmp_path / "trainer", weights_only=True))
    for trainer in trainers:
        trainer.train(tabular_store())
        assert trainer.n_trainings == 2
    assert torch.equal(weights(isrs[0]), weights(isrs[1]))


def test_the_label_range_covers_all_trainings() -> None:
    isr = box_isr()
    trainer = ISRTrainer(isr, gradient_steps=1, batch_size=2)
    trainer.train(box_store(np.zeros((2, 2)), [0.0, 0.5]))
    assert isr.label_range == LabelRange(0.0, 0.5, (0.0, 0.5))
    trainer.train(box_store(np.zeros((1, 2)), [-1.0]))
    assert isr.label_range == LabelRange(-1.0, 0.5, (-1.0, 0.0, 0.5))


# Arguments.


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"gradient_steps": 0}, "gradient_steps must be a whole number, 1 or more, got 0; change it"),
        ({"gradient_steps": 2.5}, "gradient_steps must be a whole number"),
        ({"gradient_steps": "1e4"}, "got '1e4'; write it without quotes"),
        ({"batch_size": 0}, "batch_size must be a whole number, 1 or more, got 0"),
        ({"l1_coef": -1.0}, r"l1_coef must be a finite number in \[0, inf\), got -1.0"),
        ({"l1_coef": math.nan}, r"l1_coef must be a finite number in \[0, inf\), got nan"),
        *[
            ({"learning_rate": lr}, r"learning_rate .*in \(0, inf\), got")
            for lr in (-1.0, 0, math.nan, math.inf, "1e-4", True)
        ],
        ({"max_grad_norm": 0.0}, r"max_grad_norm must be a finite number in \(0, inf\)"),
        ({"action_contrast": "no"}, "action_contrast must be True or False"),
        ({"seed": 0.5}, "seed must be a whole number"),
        ({"optimizer_kwargs": {"beta": 1}}, "arguments of Adam besides lr, got.*beta.*argument of the trainer"),
        ({"optimizer_kwargs": {"lr": 1}}, "arguments of Adam besides lr, got"),
    ],
)
def test_bad_arguments_are_refused(kwargs: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ISRTrainer(tabular_isr(), **kwargs)


def test_an_empty_store_is_refused() -> None:
    with pytest.raises(ValueError, match="no label to train on"):
        ISRTrainer(tabular_isr()).train(LabelStore(FOUR, FOUR))


def test_the_optimizer_gets_its_keyword_arguments() -> None:
    trainer = ISRTrainer(tabular_isr(), optimizer_class=torch.optim.AdamW, optimizer_kwargs={"betas": (0.8, 0.9)})
    assert isinstance(trainer.optimizer, torch.optim.AdamW)
    assert trainer.optimizer.param_groups[0]["betas"] == (0.8, 0.9)
