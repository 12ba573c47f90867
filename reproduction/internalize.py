"""Trains an ISR on the labels of a socialization, and records its losses."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import torch

from reproduction.paper_isr import fit_as_published
from reproduction.protocols import TASKS, isr_kwargs, trainer_kwargs
from reproduction.runs import Internalization
from sb3_isr.evaluation.episodes import Progress
from sb3_isr.isr.model import InternalSocialReward
from sb3_isr.isr.training import ISRTrainer
from sb3_isr.labels import LabelBatch, LabelStore
from sb3_isr.wrappers import VecISRReward

#: How often the losses are measured during a training, and on how many labels.
LOSS_POINTS, LOSS_LABELS = 30, 10_000

Losses = dict[str, list[float]]


def internalize(
    run: Internalization, work: Path, spaces: tuple[gym.Space[Any], gym.Space[Any]], progress: Progress
) -> dict[str, Any]:
    """
    Train an ISR, and leave it in the run's folder.

    :param run: The run.
    :param work: Folder of weights and labels.
    :param spaces: Observation space and action space of the ISR.
    :param progress: Is called with the number of gradient steps so far.
    :return: The result.
    """
    trained_on, held_out, last = split_labels(work, run)
    isr = InternalSocialReward(*spaces, **isr_kwargs(run.protocol, run.socialization.task), seed=run.seed, device="cpu")
    trainer = _trainer(run, isr, len(trained_on.social_rewards))
    losses = _Losses(isr, _samples({"train": trained_on, "held_out": held_out}, run.seed), trainer, progress)
    losses.record_while(lambda: _train(run, trainer, trained_on))
    isr.save(work / run.path / "isr.safetensors")
    return {
        "n_labels": len(trained_on.social_rewards),
        "n_held_out": len(held_out.social_rewards),
        "held_out_mse": _mse(isr, held_out),
        "last_labels_mse": _mse(isr, last),
        "mse_of_zero": float((held_out.social_rewards.astype(float) ** 2).mean()),
        "losses": losses.recorded,
    }


def split_labels(work: Path, run: Internalization) -> tuple[LabelBatch, LabelBatch, LabelBatch]:
    """
    Split the labels of a socialization.

    :param work: Folder of weights and labels.
    :param run: Which labels it is given.
    :return: Nine tenths of the labels of the first steps, to train on; their last tenth, which is held out; and the
        last tenth of all labels, which is the same whatever the number of steps.
    """
    path = work / run.socialization.path / "labels.npz"
    with np.load(path) as file:
        total = len(file["actions"])
    venv = VecISRReward(TASKS[run.socialization.task](1))
    store = LabelStore(*venv.isr_spaces(), capacity=total)
    store.load(path)
    labels, rollout = store.labels(), run.protocol.rollout
    n = min(-(-run.steps // rollout) * rollout, total)  # whole rollouts, as they are learned from
    n_trained_on = n * 9 // 10
    index = np.arange(n_trained_on)
    if run.n_labels is not None:
        index = np.sort(np.random.default_rng(run.seed).permutation(n_trained_on)[: run.n_labels])
    held_out, last = np.arange(n_trained_on, n), np.arange(total * 9 // 10, total)
    return labels.select(index), labels.select(held_out), labels.select(last)


def _trainer(run: Internalization, isr: InternalSocialReward, n_labels: int) -> ISRTrainer:
    kwargs = trainer_kwargs(run.protocol)
    if run.learning_rate is not None:
        kwargs["learning_rate"] = run.learning_rate
    gradient_steps = run.protocol.isr_gradient_steps or -(-n_labels // (run.batch_size or 1))
    return ISRTrainer(isr, **kwargs, gradient_steps=gradient_steps, seed=run.seed)


def _train(run: Internalization, trainer: ISRTrainer, labels: LabelBatch) -> None:
    isr = trainer.isr
    if run.protocol.isr_gradient_steps is None:
        fit_as_published(isr, trainer.optimizer, labels, run.batch_size or 1, run.seed)
        return
    spaces = isr.observation_space, isr.action_space
    store = LabelStore(*spaces, capacity=len(labels.social_rewards), held_out=0.0, seed=run.seed)
    store.add(labels)
    trainer.train(store)


def _samples(labels: dict[str, LabelBatch], seed: int) -> dict[str, LabelBatch]:
    rng = np.random.default_rng(seed)
    return {name: part.select(rng.permutation(len(part.social_rewards))[:LOSS_LABELS]) for name, part in labels.items()}


class _Losses:
    """Measures losses from time to time during a training, without a gradient."""

    def __init__(
        self, isr: InternalSocialReward, samples: dict[str, LabelBatch], trainer: ISRTrainer, progress: Progress
    ) -> None:
        self.recorded: Losses = {"gradient_steps": [], **{name: [] for name in samples}}
        self._isr = isr
        self._samples = samples
        self._optimizer = trainer.optimizer
        self._measured = set(np.unique(np.geomspace(1, trainer.gradient_steps, LOSS_POINTS).astype(int)).tolist())
        self._progress = progress
        self._n_steps = 0

    def record_while(self, train: Callable[[], None]) -> None:
        """Train, and record the losses."""
        hook = self._optimizer.register_step_post_hook(self._on_gradient_step)
        train()
        hook.remove()

    def _on_gradient_step(self, optimizer: torch.optim.Optimizer, *_: Any) -> None:
        self._n_steps += 1
        if self._n_steps in self._measured:
            self.recorded["gradient_steps"].append(self._n_steps)
            for name, labels in self._samples.items():
                self.recorded[name].append(_mse(self._isr, labels))
        if self._n_steps % 1000 == 0:
            self._progress(self._n_steps)


def _mse(isr: InternalSocialReward, labels: LabelBatch) -> float:
    """Mean squared error on labels in the order they were given, in units of the social reward, squared."""
    squared_error = 0.0
    n = len(labels.social_rewards)
    for start in range(0, n, 4096):
        part = labels.select(slice(start, start + 4096))
        error = isr.predict(*part.transitions) - part.social_rewards
        squared_error += float((error.astype(float) ** 2).sum())
    return squared_error / n
