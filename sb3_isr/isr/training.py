"""Trains an ISR on a caregiver's labels."""

from __future__ import annotations

import copy
import math
from typing import Any, NamedTuple

import torch

from sb3_isr.common.arguments import MAX_SEED, flag, number, plain, whole_number
from sb3_isr.common.randomness import private_torch_generator
from sb3_isr.isr.held_out import HeldOut, evaluate, held_out_predictions
from sb3_isr.isr.model import InternalSocialReward
from sb3_isr.labels.store import LabelStore

#: A further cycle must lower the held-out error by this share.
MIN_GAIN = 0.1
#: The share of the held-out labels' variance that needs no further cycle.
ENOUGH = 0.9999
#: Number of labels by which inputs and labels are standardized.
N_MEASURED = 10_000


class TrainingMetrics(NamedTuple):
    """
    Results of one training.

    :param train_loss: Mean squared error over the last tenth of the batches of the best cycle, in which each distinct
        pair of observation and action counts the same; in units of the social reward, squared.
    :param held_out: How well the ISR predicts the held-out labels.
    :param n_labels: Number of labels in the store, including the held-out ones.
    :param gradient_steps: Number of gradient steps.
    """

    train_loss: float
    held_out: HeldOut
    n_labels: int
    gradient_steps: int

    def summary(self) -> str:
        """
        Say in words how well it went.

        :return: How many labels there were, and how much of the held-out ones is explained.
        """
        if math.isnan(self.held_out.explained):
            return f"{self.n_labels} labels: the held-out ones do not show how much it explains"
        return (
            f"{self.n_labels} labels: it explains {self.held_out.explained:.1%} of the held-out labels' variance, "
            f"MSE {self.held_out.mse:.2g}"
        )


class ISRTrainer:
    """
    Regresses the labels on observation and action, each member by itself.

    Each training continues from the ISR's present weights and the optimizer's state. A training consists of
    cycles, in each of which the learning rate falls to 0 (a half cosine, Loshchilov & Hutter 2017), so that the last
    batches leave no noise behind.

    :param isr: The ISR; changed in place.
    :param learning_rate: The optimizer's.
    :param optimizer_class: Any of ``torch.optim``.
    :param optimizer_kwargs: Its further keyword arguments.
    :param gradient_steps: Number of gradient steps of a cycle. An epoch has ``len(store) / batch_size`` of them.
    :param max_cycles: The largest number of cycles of each training. Another one follows while the held-out error falls
        by a tenth; the weights after the best cycle are kept. Without held-out labels there is one.
    :param batch_size: Number of labels in a batch.
    :param max_grad_norm: The gradient's norm is clipped at this, times the square root of the number of members.
    :param l1_coef: Coefficient of an L1 penalty on the weights of the MLP's first layer (the lasso, Tibshirani 1996),
        relative to the labels' variance (without ``standardize``, to their squared range): a caregiver praises for few
        of the things that can be seen, and with few labels this finds which. Try 0.006.
    :param action_contrast: Whether the first member is also trained to predict 0 for the praised observations with
        other actions. A learner that knows its task shows no others, so that no label says whether the action matters.
    :param seed: Seeds what a network draws while training (dropout, say); the global generators are left as they were.
    :raises ValueError: If a number is out of range.
    """

    def __init__(
        self,
        isr: InternalSocialReward,
        learning_rate: float = 3e-3,
        optimizer_class: type[torch.optim.Optimizer] = torch.optim.Adam,
        optimizer_kwargs: dict[str, Any] | None = None,
        gradient_steps: int = 2000,
        max_cycles: int = 5,
        batch_size: int = 256,
        max_grad_norm: float = 1.0,
        l1_coef: float = 0.0,
        action_contrast: bool = False,
        seed: int = 0,
    ) -> None:
        self.isr = isr
        self.gradient_steps = whole_number("gradient_steps", gradient_steps)
        self.max_cycles = whole_number("max_cycles", max_cycles)
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
        isr = self.isr
        self._prepare(store)
        best: HeldOut | None = None
        best_weights, train_loss, n_cycles, improves = None, math.nan, 0, True
        with private_torch_generator(self.seed + self.n_trainings, isr.device):
            while improves and n_cycles < self.max_cycles:
                n_cycles += 1
                loss = self._cycle(store)
                met = evaluate(isr, store)
                improves = best is None or met.mse < (1 - MIN_GAIN) * best.mse
                if best is None or met.mse < best.mse:
                    best, best_weights, train_loss = met, copy.deepcopy(isr.state_dict()), loss
                if not met.explained < ENOUGH:  # nothing is held out, or it is explained
                    break
        assert best is not None
        assert best_weights is not None
        isr.load_state_dict(best_weights)
        self.n_trainings += 1
        if store.n_held_out:
            self._shrink(store)
            self._recognize_values(store)
            best = evaluate(isr, store)
        return TrainingMetrics(train_loss, best, len(store), n_cycles * self.gradient_steps)

    def _shrink(self, store: LabelStore) -> None:
        """
        Shrink predictions towards the mean label, by the slope of the held-out labels' regression on them.

        Where rewards are decided by chance, a network learns the chances of its own labels by heart. The slope is 1
        where predictions are right, and 0 where they say nothing.
        """
        scales = self.isr.scales
        if scales is not None:
            labels, predictions, _ = held_out_predictions(self.isr, store, limited=False)
            labels, predictions = labels - float(scales.label_mean), predictions - float(scales.label_mean)
            variation = float((predictions**2).sum())
            slope = float((labels * predictions).sum()) / variation if variation else 1.0
            scales.label_std *= min(1.0, max(0.0, slope))

    def _recognize_values(self, store: LabelStore) -> None:
        ranges = self.isr.label_ranges
        if ranges is not None:
            self.isr.label_ranges = ranges.recognize(*held_out_predictions(self.isr, store))

    def _cycle(self, store: LabelStore) -> float:
        """Returns the mean squared error of the last tenth of the batches."""
        last_tenth = max(1, self.gradient_steps // 10)
        loss_sum = torch.zeros((), device=self.isr.device)
        groups = self.optimizer.param_groups
        learning_rates = [group["lr"] for group in groups]
        self.isr.train()
        for step in range(self.gradient_steps):
            factor = 0.5 * (1 + math.cos(math.pi * step / self.gradient_steps))
            for group, learning_rate in zip(groups, learning_rates, strict=True):
                group["lr"] = learning_rate * factor
            mse = self._gradient_step(store)
            if step >= self.gradient_steps - last_tenth:
                loss_sum += mse
        for group, learning_rate in zip(groups, learning_rates, strict=True):
            group["lr"] = learning_rate
        self.isr.eval()
        train_loss = float(loss_sum) / last_tenth
        if not math.isfinite(train_loss):
            labels = self.isr.label_range
            assert labels is not None
            raise ValueError(
                f"The training of the ISR must converge, got a loss of {train_loss} with learning_rate="
                f"{learning_rates[0]:g} and labels in [{labels.low:g}, {labels.high:g}]; lower the learning_rate in "
                "trainer_kwargs, or scale observations down."
            )
        return train_loss

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

    @torch.no_grad()
    def _prepare(self, store: LabelStore) -> None:
        isr = self.isr
        # The ranges cover the labels that the ISR was trained on before, too.
        before, new = isr.label_ranges, store.label_ranges
        if new is not None:
            isr.label_ranges = new if before is None else before.union(new)
        if isr.scales is not None:
            batch, weights = store.sample(N_MEASURED)
            inputs = [isr.inputs(*isr.tensors(*part)) for part in batch.transitions.parts()]
            isr.scales.measure(torch.cat(inputs), isr.tensor(batch.social_rewards), isr.tensor(weights))

    def _gradient_step(self, store: LabelStore) -> torch.Tensor:
        """Returns the mean squared error of the batch."""
        isr = self.isr
        batch, drawn_weights = store.sample(self.batch_size)
        transitions = isr.tensors(*batch.transitions)
        social_rewards, weights = isr.tensor(batch.social_rewards), isr.tensor(drawn_weights)
        mse = (weights * (isr.forward_members(*transitions) - social_rewards) ** 2).mean()
        # The members' sum, so that each has the gradient that it has by itself.
        objective = isr.n_members * mse / self._label_variance()
        if self.l1_coef:
            objective = objective + self._l1_penalty()
        if self.action_contrast:
            objective = objective + _contrast_loss(isr, transitions, social_rewards) / self._label_variance()
        self.optimizer.zero_grad()
        objective.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(isr.parameters(), self.max_grad_norm * math.sqrt(isr.n_members))
        self.optimizer.step()
        return mse.detach()

    def _label_variance(self) -> torch.Tensor | float:
        """Of the labels as the ISR's scales have it: with it the objective does not depend on their unit."""
        return 1.0 if self.isr.scales is None else self.isr.scales.label_std**2

    def _l1_penalty(self) -> torch.Tensor:
        width = self.isr.label_range.width if self.isr.label_range is not None else 0.0
        unit = width**2 if self.isr.scales is None else 1.0
        return self.l1_coef * unit * next(self.isr.net.parameters()).abs().sum()


def _contrast_loss(isr: InternalSocialReward, transitions: Any, social_rewards: Any) -> torch.Tensor:
    """The first member's squared error if praised observations earned 0 with another of the batch's actions."""
    observations, actions, *outcome = transitions
    others = actions[torch.randperm(len(actions), device=actions.device)]
    is_other = (others != actions).reshape(len(actions), -1).any(dim=1) & (social_rewards > 0)
    predictions = isr.forward_members(observations, others, *outcome)[0]
    squared_error: torch.Tensor = (is_other * predictions**2).sum() / is_other.sum().clamp(min=1)
    return squared_error
