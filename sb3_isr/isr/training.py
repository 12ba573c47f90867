"""Trains an ISR on a caregiver's labels."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import torch
from torch.nn import functional as F

from sb3_isr.common.arguments import MAX_SEED, flag, number, plain, whole_number
from sb3_isr.common.randomness import private_torch_generator
from sb3_isr.isr.model import InternalSocialReward
from sb3_isr.labels.store import LabelStore


class TrainingMetrics(NamedTuple):
    """
    Results of one training.

    :param train_loss: Mean squared error over the balanced batches of the last tenth of the gradient steps.
    :param held_out_mse: Mean squared error on the held-out labels (not balanced), without a gradient; NaN if none is
        held out. Both are in units of the social reward, squared.
    :param n_labels: Number of labels in the store, including the held-out ones.
    :param gradient_steps: Number of gradient steps.
    """

    train_loss: float
    held_out_mse: float
    n_labels: int
    gradient_steps: int


class ISRTrainer:
    """
    Regresses the labels on observation and action, each member by itself.

    Each training continues from the ISR's present weights and the optimizer's state. Within a training the learning
    rate falls to 0 (a half cosine, Loshchilov & Hutter 2017), so that the last batches leave no noise behind.

    :param isr: The ISR; changed in place.
    :param learning_rate: The optimizer's.
    :param optimizer_class: Any of ``torch.optim``.
    :param optimizer_kwargs: Its further keyword arguments.
    :param gradient_steps: Number of gradient steps of each training. An epoch has ``len(store) / batch_size`` of them.
    :param batch_size: Number of labels in a batch.
    :param max_grad_norm: The gradient's norm is clipped at this, times the square root of the number of members.
    :param l1_coef: Coefficient of an L1 penalty on the weights of the MLP's first layer (the lasso, Tibshirani 1996),
        relative to the squared range of the labels: a caregiver praises for few of the things that can be seen, and
        with few labels this finds which. Try 0.006.
    :param action_contrast: Whether the first member is also trained to predict 0 for the praised observations with
        other actions. A learner that knows its task shows no others, so that no label says whether the action matters.
    :param seed: Seeds what a network draws while training (dropout, say); the global generators are left as they were.
    :raises ValueError: If a number is out of range.
    """

    def __init__(
        self,
        isr: InternalSocialReward,
        learning_rate: float = 1e-3,
        optimizer_class: type[torch.optim.Optimizer] = torch.optim.Adam,
        optimizer_kwargs: dict[str, Any] | None = None,
        gradient_steps: int = 2000,
        batch_size: int = 256,
        max_grad_norm: float = 1.0,
        l1_coef: float = 0.0,
        action_contrast: bool = False,
        seed: int = 0,
    ) -> None:
        self.isr = isr
        self.gradient_steps = whole_number("gradient_steps", gradient_steps)
        self.batch_size = whole_number("batch_size", batch_size)
        self.max_grad_norm = number("max_grad_norm", max_grad_norm, "(0, inf)")
        self.l1_coef = number("l1_coef", l1_coef, "[0, inf)")
        self.action_contrast = flag("action_contrast", action_contrast)
        self.seed = whole_number("seed", seed, 0, MAX_SEED)
        self.n_trainings = 0
        learning_rate = number("learning_rate", learning_rate, "(0, inf)")
        optimizer_kwargs = plain(optimizer_kwargs or {})
        try:
            self.optimizer = optimizer_class(isr.parameters(), lr=learning_rate, **optimizer_kwargs)  # type: ignore[call-arg]
        except TypeError as error:
            raise ValueError(
                f"optimizer_kwargs must be arguments of {optimizer_class.__name__} besides lr, got {optimizer_kwargs} "
                f"({error}); the learning rate is an argument of the trainer."
            ) from error

    def train(self, store: LabelStore) -> TrainingMetrics:
        """
        Train the ISR.

        :param store: The labels.
        :return: How well it went.
        :raises ValueError: If the store holds no label to train on, or the training diverges.
        """
        isr, optimizer = self.isr, self.optimizer
        last_tenth = max(1, self.gradient_steps // 10)
        loss_sum = torch.zeros((), device=isr.device)
        learning_rates = [group["lr"] for group in optimizer.param_groups]
        self._update_label_range(store)
        isr.train()
        with private_torch_generator(self.seed + self.n_trainings, isr.device):
            for step in range(self.gradient_steps):
                factor = 0.5 * (1 + math.cos(math.pi * step / self.gradient_steps))
                for group, learning_rate in zip(optimizer.param_groups, learning_rates, strict=True):
                    group["lr"] = learning_rate * factor
                mse = self._gradient_step(store)
                if step >= self.gradient_steps - last_tenth:
                    loss_sum += mse
        for group, learning_rate in zip(optimizer.param_groups, learning_rates, strict=True):
            group["lr"] = learning_rate
        isr.eval()
        self.n_trainings += 1
        train_loss = float(loss_sum) / last_tenth
        if not math.isfinite(train_loss):
            raise ValueError(
                f"The training of the ISR must converge, got a loss of {train_loss} with learning_rate="
                f"{learning_rates[0]:g} and labels in [{isr.label_range.low:g}, {isr.label_range.high:g}]; "  # type: ignore[union-attr]
                "lower the learning_rate in trainer_kwargs, or scale observations and labels down."
            )
        return TrainingMetrics(train_loss, held_out_mse(isr, store), len(store), self.gradient_steps)

    def state_dict(self) -> dict[str, Any]:
        """
        Get what a later training depends on, besides the ISR, the labels and the arguments.

        :return: The optimizer's state and class, and the number of trainings.
        """
        return {
            "optimizer": self.optimizer.state_dict(),
            "optimizer_class": type(self.optimizer).__qualname__,
            "n_trainings": self.n_trainings,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """
        Continue from an earlier state, with the arguments that this trainer was given.

        :param state: What :meth:`state_dict` returned.
        :raises ValueError: If it is another optimizer's.
        """
        name = type(self.optimizer).__qualname__
        if state.get("optimizer_class", name) != name:
            raise ValueError(
                f"To continue with the state of a trainer, optimizer_class must be the same, got {name} here and "
                f"{state['optimizer_class']} there; use the same trainer_kwargs."
            )
        # torch would take the learning rate from there, too, whatever was given here.
        arguments = [{**group, "params": None} for group in self.optimizer.param_groups]
        self.optimizer.load_state_dict(state["optimizer"])
        for group, given in zip(self.optimizer.param_groups, arguments, strict=True):
            group.update({**given, "params": group["params"]})
        self.n_trainings = state["n_trainings"]

    def _update_label_range(self, store: LabelStore) -> None:
        """The range covers the labels that the ISR was trained on before, too."""
        before, new = self.isr.label_range, store.label_range
        self.isr.label_range = new if before is None or new is None else before.union(new)

    def _gradient_step(self, store: LabelStore) -> torch.Tensor:
        """Returns the mean squared error of the batch."""
        isr = self.isr
        batch = store.sample(self.batch_size)
        observations, actions = isr.tensors(batch.observations, batch.actions)
        social_rewards = isr.tensor(batch.social_rewards)
        predictions = isr.forward_members(observations, actions)
        mse = F.mse_loss(predictions, social_rewards.expand_as(predictions))
        objective = isr.n_members * mse  # the members' sum, so that each has the gradient that it has by itself
        if self.l1_coef:
            objective = objective + self._l1_penalty()
        if self.action_contrast:
            objective = objective + _contrast_loss(isr, observations, actions, social_rewards)
        self.optimizer.zero_grad()
        objective.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(isr.parameters(), self.max_grad_norm * math.sqrt(isr.n_members))
        self.optimizer.step()
        return mse.detach()

    def _l1_penalty(self) -> torch.Tensor:
        width = self.isr.label_range.width if self.isr.label_range is not None else 0.0
        return self.l1_coef * width**2 * next(self.isr.net.parameters()).abs().sum()


def held_out_mse(isr: InternalSocialReward, store: LabelStore) -> float:
    """
    Compute the mean squared error on the held-out labels, without a gradient.

    :param isr: The ISR.
    :param store: The labels, some of them held out.
    :return: The error, in units of the social reward, squared; NaN if none is held out.
    """
    squared_error, n = 0.0, 0
    for batch in store.held_out_batches():
        error = isr.predict(batch.observations, batch.actions) - batch.social_rewards
        squared_error += float((error.astype(float) ** 2).sum())
        n += len(error)
    return squared_error / n if n else float("nan")


def _contrast_loss(isr: InternalSocialReward, observations: Any, actions: Any, social_rewards: Any) -> torch.Tensor:
    """The first member's squared error if praised observations earned 0 with another of the batch's actions."""
    others = actions[torch.randperm(len(actions), device=actions.device)]
    is_other = (others != actions).reshape(len(actions), -1).any(dim=1) & (social_rewards > 0)
    predictions = isr.forward_members(observations, others)[0]
    squared_error: torch.Tensor = (is_other * predictions**2).sum() / is_other.sum().clamp(min=1)
    return squared_error
