"""How the paper trains its ISR: one epoch in small batches, rewarded and unrewarded labels drawn equally often."""

from __future__ import annotations

import numpy as np
import torch
from torch.nn import functional as F

from sb3_isr.common.randomness import private_torch_generator
from sb3_isr.isr.model import InternalSocialReward
from sb3_isr.labels import LabelBatch, LabelRange
from sb3_isr.labels.label_range import LabelRanges


def fit_as_published(
    isr: InternalSocialReward,
    optimizer: torch.optim.Optimizer,
    labels: LabelBatch,
    batch_size: int = 1,
    seed: int = 0,
) -> None:
    """
    Train for one epoch: as many draws as there are labels, with replacement.

    The target is the label, clipped below at 0.

    :param isr: The ISR; changed in place.
    :param optimizer: The optimizer of its weights.
    :param labels: All labels to train on.
    :param batch_size: Number of labels in a batch.
    :param seed: Seeds the draws.
    :raises ValueError: If there is no label.
    """
    targets = np.maximum(labels.social_rewards, 0.0)
    kinds = [kind for kind in (np.flatnonzero(targets > 0), np.flatnonzero(targets <= 0)) if len(kind)]
    if not kinds:
        raise ValueError("To train an ISR there must be labels, got none.")
    rng = np.random.default_rng(seed)
    kind_of = rng.integers(len(kinds), size=len(targets))
    uniform = rng.random(len(targets))
    order = np.choose(kind_of, [kind[(uniform * len(kind)).astype(int)] for kind in kinds])
    isr.train()
    with private_torch_generator(seed, isr.device):
        for start in range(0, len(order), batch_size):
            batch = labels.select(order[start : start + batch_size])
            predicted = isr(*isr.tensors(*batch.transitions))
            loss = F.mse_loss(predicted, isr.tensor(np.maximum(batch.social_rewards, 0.0)))
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            torch.nn.utils.clip_grad_norm_(isr.parameters(), 1.0)
            optimizer.step()
    isr.eval()
    label_range = LabelRange.of(targets)
    isr.label_ranges = None if label_range is None else LabelRanges.both(label_range)
