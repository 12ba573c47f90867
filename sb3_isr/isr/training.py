"""Fits an ISR to a caregiver's labels."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import torch
from torch.nn import functional as F

from sb3_isr.isr.model import InternalSocialReward, private_randomness
from sb3_isr.labels.store import MOST_VALUES, LabelStore


class TrainingMetrics(NamedTuple):
    """
    What one call of :func:`fit` did.

    :param train_loss: Mean squared error over the balanced batches of the last tenth of the gradient steps.
    :param held_out_mse: Mean squared error on the held-out labels as they came (not balanced), without a gradient;
        NaN if none is held out. Both are in units of the social reward, squared.
    :param n_labels: Labels in the store, those held out among them.
    :param gradient_steps: Gradient steps taken.
    """

    train_loss: float
    held_out_mse: float
    n_labels: int
    gradient_steps: int


def fit(
    isr: InternalSocialReward,
    store: LabelStore,
    gradient_steps: int = 2000,
    batch_size: int = 256,
    max_grad_norm: float = 1.0,
    seed: int = 0,
) -> TrainingMetrics:
    """
    Regress the labels on observation and action, each member by itself. Training goes on from the ISR's present weights
    and optimizer. The learning rate falls to 0 over the gradient steps (a half cosine), so that the last batches leave
    no noise behind.

    :param isr: The model; changed in place.
    :param store: The labels.
    :param gradient_steps: How many batches to fit. One epoch is ``len(store) / batch_size`` of them.
    :param batch_size: Labels in a batch.
    :param max_grad_norm: The gradient's norm is clipped at this, times the root of the number of members.
    :param seed: Seeds what a network of one's own draws while training (dropout, say). The global generators are
        left as they were, so that the learner's own run does not change.
    :return: How well it went.
    :raises ValueError: If the store holds no label, or a number of steps or labels is not positive.
    """
    if gradient_steps < 1 or batch_size < 1:
        raise ValueError(f"gradient_steps and batch_size must be at least 1, got {gradient_steps} and {batch_size}.")
    last_tenth = max(1, gradient_steps // 10)
    loss_sum = torch.zeros((), device=isr.device)
    learning_rates = [group["lr"] for group in isr.optimizer.param_groups]
    isr.label_range, isr.label_values = _labels_seen(isr, store)
    isr.train()
    with private_randomness(seed, isr.device):
        for step in range(gradient_steps):
            for group, learning_rate in zip(isr.optimizer.param_groups, learning_rates, strict=True):
                group["lr"] = learning_rate * 0.5 * (1 + math.cos(math.pi * step / gradient_steps))
            batch = store.sample(batch_size)
            observations, actions = isr.tensors(batch.observations, batch.actions)
            social_rewards = isr.tensor(batch.social_rewards)
            said = isr.members(observations, actions)
            loss = F.mse_loss(said, social_rewards.expand_as(said))
            objective = isr.n_members * loss
            if isr.sparsity:
                objective = objective + isr.penalty()
            if isr.contrast:
                objective = objective + _contrast(isr, observations, actions, social_rewards)
            isr.optimizer.zero_grad()
            objective.backward()  # type: ignore[no-untyped-call]
            torch.nn.utils.clip_grad_norm_(isr.parameters(), max_grad_norm * math.sqrt(isr.n_members))
            isr.optimizer.step()
            if step >= gradient_steps - last_tenth:
                loss_sum += loss.detach()
    for group, learning_rate in zip(isr.optimizer.param_groups, learning_rates, strict=True):
        group["lr"] = learning_rate
    isr.eval()
    return TrainingMetrics(float(loss_sum) / last_tenth, held_out_mse(isr, store), len(store), gradient_steps)


def _labels_seen(
    isr: InternalSocialReward, store: LabelStore
) -> tuple[tuple[float, float] | None, tuple[float, ...] | None]:
    """Range and different values of the labels that it was trained on before, and of those in the store."""
    before, new = isr.label_range, store.label_range
    if before is None or new is None:
        return store.label_range, store.label_values
    both = min(before[0], new[0]), max(before[1], new[1])
    if isr.label_values is None or store.label_values is None:
        return both, None
    values = sorted({*isr.label_values, *store.label_values})
    return both, tuple(values) if len(values) <= MOST_VALUES else None


def _contrast(isr: InternalSocialReward, observations: Any, actions: Any, social_rewards: Any) -> torch.Tensor:
    """The first member's squared error, if what was praised had earned nothing with another of the batch's actions."""
    others = actions[torch.randperm(len(actions), device=actions.device)]
    is_other = (others != actions).reshape(len(actions), -1).any(dim=1) & (social_rewards > 0)
    said = isr.members(observations, others)[0]
    squared_error: torch.Tensor = (is_other * said**2).sum() / is_other.sum().clamp(min=1)
    return squared_error


def held_out_mse(isr: InternalSocialReward, store: LabelStore) -> float:
    """
    :param isr: The model.
    :param store: The labels, some of them held out.
    :return: Mean squared error on the held-out labels, without a gradient; NaN if none is held out.
    """
    squared_error, n = 0.0, 0
    for batch in store.held_out_batches():
        error = isr.predict(batch.observations, batch.actions) - batch.social_rewards
        squared_error += float((error.astype(float) ** 2).sum())
        n += len(error)
    return squared_error / n if n else float("nan")
