"""The paper's way to train an ISR."""

import numpy as np
import pytest
import torch
from gymnasium import spaces

from reproduction.paper_isr import fit_as_published
from sb3_isr import InternalSocialReward, LabelBatch
from sb3_isr.labels import LabelRange
from tests.labels.made_labels import labelled

#: One rewarded label in a hundred; the observation says which.
REWARDS = np.array([0.4] + [0.0] * 99, np.float32)
LABELS = labelled(np.eye(1, 100, dtype=np.float32).T @ np.ones((1, 2), np.float32), np.zeros(100, np.int64), REWARDS)


def model() -> InternalSocialReward:
    return InternalSocialReward(spaces.Box(0, 1, (2,), np.float32), spaces.Discrete(2), net_arch=[8], device="cpu")


def fit(isr: InternalSocialReward, labels: LabelBatch) -> None:
    fit_as_published(isr, torch.optim.Adam(isr.parameters()), labels)


def test_rewarded_and_unrewarded_labels_are_drawn_equally_often_in_one_epoch() -> None:
    isr = model()
    seen: list[torch.Tensor] = []
    isr.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0][:, 0]))
    fit(isr, LABELS)
    drawn = torch.cat(seen)
    assert len(drawn) == 100
    assert 35 < int(drawn.sum()) < 65


def test_a_reproach_counts_as_nothing() -> None:
    reproached = LABELS._replace(social_rewards=np.where(REWARDS > 0, REWARDS, -5.0).astype(np.float32))
    first, other = model(), model()
    fit(first, LABELS)
    fit(other, reproached)
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), other.parameters(), strict=True))


def test_labels_of_one_kind_alone_are_trained_on_and_none_at_all_are_refused() -> None:
    isr = model()
    fit(isr, LABELS._replace(social_rewards=np.zeros(100, np.float32)))
    assert isr.label_range == LabelRange(0.0, 0.0, (0.0,))
    with pytest.raises(ValueError, match="there must be labels, got none"):
        fit(isr, labelled(np.zeros((0, 2), np.float32), np.zeros(0, np.int64), np.zeros(0, np.float32)))
