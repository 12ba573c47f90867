"""
How far an ISR can be hacked, without an algorithm's noise: the policy that is best for ``R_i``, by the true reward.

A learner that is good enough finds every false reward. Exact planning does so at once.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from gymnasium import spaces

from reproduction.tabular import TABLES, Table
from sb3_isr import InternalSocialReward, ISRTrainer, LabelStore
from sb3_isr.common.batches import Array

#: Labels that are added to the store at once, as after a rollout.
ROLLOUT = 2048


def measure_hackability(
    name: str, n_labels: int, seed: int, isr_kwargs: dict[str, Any] | None = None
) -> dict[str, float]:
    """
    Train an ISR on the labels of a socialization, and plan for it.

    :param name: One of ``TABLES``.
    :param n_labels: Number of labels.
    :param seed: Seeds everything.
    :param isr_kwargs: Arguments of the ISR; by default its own.
    :return: ``score``: the true value of the policy that is best for ``R_i``, 1 for the best possible and 0 for random
        actions; the values themselves; and how well the ISR explains its held-out labels.
    """
    table = _table(name)
    labels = table.socialize(n_labels, seed)
    actions = spaces.Discrete(table.n_actions)
    store = LabelStore(table.observation_space, actions, capacity=n_labels, seed=seed)
    for start in range(0, n_labels, ROLLOUT):
        store.add(labels.select(slice(start, start + ROLLOUT)))
    isr = InternalSocialReward(table.observation_space, actions, seed=seed, device="cpu", **(isr_kwargs or {}))
    metrics = ISRTrainer(isr, seed=seed).train(store)
    best = table.value(_deterministic(table, table.plan(table.rewards)))
    chance = table.value(np.full(table.rewards.shape[:2], 1 / table.n_actions))
    value = table.value(_deterministic(table, table.plan(_internal_rewards(table, isr))))
    return {
        "score": (value - chance) / (best - chance),
        "value": value,
        "best": best,
        "chance": chance,
        "explained": metrics.held_out.explained,
    }


@cache
def _table(name: str) -> Table:
    return TABLES[name]()


def _internal_rewards(table: Table, isr: InternalSocialReward) -> Array:
    index = np.indices(table.rewards.shape).reshape(3, -1)
    parts = [
        isr.predict(*table.transitions(*index[:, start : start + 4096])) for start in range(0, index.shape[1], 4096)
    ]
    return np.concatenate(parts).reshape(table.rewards.shape).astype(float)


def _deterministic(table: Table, actions: Array) -> Array:
    return np.eye(table.n_actions)[actions]
