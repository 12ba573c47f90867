"""Small ISRs and stores, whose training can be worked out."""

from typing import Any

import numpy as np
import torch
from gymnasium import spaces

from sb3_isr import InternalSocialReward, LabelStore
from sb3_isr.common.batches import Array
from tests.labels.made_labels import labelled

FOUR = spaces.Discrete(4)
#: For tests of the training on pairs of observation and action.
PAIRS: dict[str, Any] = {"use_next_observation": False, "use_terminated": False}
BOX, TWO = spaces.Box(-5, 5, (2,), np.float32), spaces.Discrete(2)


def tabular_isr(**kwargs: Any) -> InternalSocialReward:
    return InternalSocialReward(FOUR, FOUR, **{**PAIRS, "net_arch": (32,), "device": "cpu", **kwargs})


def tabular_store(social_rewards: Array | None = None, n: int = 400, held_out: float = 0.1) -> LabelStore:
    """Labels of a tabular task; by default 0.4 is given for the action with the observation's number."""
    rng = np.random.default_rng(0)
    observations, actions = rng.integers(4, size=n), rng.integers(4, size=n)
    store = LabelStore(FOUR, FOUR, held_out=held_out, seed=0)
    store.add(
        labelled(observations, actions, 0.4 * (observations == actions) if social_rewards is None else social_rewards)
    )
    return store


def box_isr(**kwargs: Any) -> InternalSocialReward:
    return InternalSocialReward(BOX, TWO, **{**PAIRS, "n_members": 5, "net_arch": (16,), "device": "cpu", **kwargs})


def uniform_observations(n: int, seed: int = 0) -> Array:
    return np.random.default_rng(seed).uniform(-5, 5, (n, 2)).astype(np.float32)


def box_store(observations: Any, social_rewards: Any, actions: Any = None) -> LabelStore:
    store = LabelStore(BOX, TWO, held_out=0.0, seed=0)
    observations = np.asarray(observations, np.float32)
    actions = np.zeros(len(observations), int) if actions is None else actions
    store.add(labelled(observations, actions, np.asarray(social_rewards, np.float32)))
    return store


def weights(isr: InternalSocialReward) -> torch.Tensor:
    return torch.cat([parameter.detach().flatten() for parameter in isr.parameters()])


def nearest(isr: InternalSocialReward, observations: Any, actions: Any) -> Array:
    """The labels that are nearest to R_i: without held-out labels it is not known whether the ISR tells them apart."""
    assert isr.label_range is not None
    return isr.label_range.nearest(isr.predict(observations, actions))
