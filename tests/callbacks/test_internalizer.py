"""The Internalizer without any Stable-Baselines3: labels in, a trained ISR out."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from gymnasium import spaces
from torch import nn

from sb3_isr import GridCNN, LabelBatch, LeaveAt, RandomQueries
from sb3_isr.callbacks.internalizer import Internalizer
from sb3_isr.callbacks.internalizer_arguments import InternalizerArguments
from sb3_isr.isr.held_out import HeldOut
from sb3_isr.isr.training import TrainingMetrics
from sb3_isr.labels import QueryPool
from sb3_isr.schedules.queries import AllQueries
from sb3_isr.wrappers.recorder import Record
from sb3_isr.wrappers.reward_statistics import RewardStatistics
from tests.labels.made_labels import labelled

SPACES = spaces.Box(-1, 1, (2,), np.float32), spaces.Discrete(2)
ISR = {"net_arch": (16,)}


def internalizer(**kwargs: Any) -> Internalizer:
    arguments: dict[str, Any] = {
        "presence": LeaveAt(0.5),
        "queries": AllQueries(),
        "isr": None,
        "isr_kwargs": ISR,
        "trainer_kwargs": {"gradient_steps": 200, "learning_rate": 1e-2},
        "store_kwargs": {},
        "train_every": None,
        **kwargs,
    }
    seed, grid = arguments.pop("seed", 0), arguments.pop("spaces", SPACES)
    return InternalizerArguments(**arguments).make(grid, seed, torch.device("cpu"), policy_kwargs={})


def labels(n: int, seed: int = 0) -> LabelBatch:
    """The caregiver praises action 1 where the first number is positive."""
    rng = np.random.default_rng(seed)
    observations = rng.uniform(-1, 1, (n, 2)).astype(np.float32)
    actions = rng.integers(2, size=n)
    return labelled(observations, actions, ((actions == 1) & (observations[:, 0] > 0)).astype(np.float32))


def attended(batch: LabelBatch) -> Record:
    return Record(batch, None, RewardStatistics())


def unattended(batch: LabelBatch) -> Record:
    return Record(None, QueryPool(batch), RewardStatistics())


def weights(trained: Internalizer) -> torch.Tensor:
    return nn.utils.parameters_to_vector(trained.isr.parameters())


def error(trained: Internalizer) -> float:
    """Mean squared error on new transitions."""
    new = labels(500, seed=9)
    return float(((trained.isr.predict(*new.transitions) - new.social_rewards) ** 2).mean())


def test_labels_train_an_isr_at_departure() -> None:
    part = internalizer()
    assert part.advance(0.0, 0) == (False, False)
    part.add([attended(labels(200)), attended(labels(200, seed=1))], 0.4)
    assert (part.store.n_added, part.has_new_labels(), part.state.probability) == (400, True, 1.0)
    assert part.advance(0.5, 400) == (True, True)
    assert part.state.probability == 0.0
    assert not part.state.is_trained
    before = error(part)
    metrics = part.train()
    assert metrics.n_labels == 400
    assert error(part) < before / 4
    assert part.state.is_trained
    assert not part.has_new_labels()
    assert part.advance(0.6, 100) == (False, False)


@pytest.mark.slow
@pytest.mark.parametrize("queries", [AllQueries(), RandomQueries(60, attended_fraction=0.5)])
def test_saved_and_loaded_it_continues_as_if_nothing_had_happened(queries: Any, tmp_path: Path) -> None:
    first = internalizer(queries=queries)
    first.add([attended(labels(200))], 0.4)
    first.train()
    first.save(tmp_path)
    second = internalizer(queries=queries, seed=1)
    second.load(tmp_path)
    assert torch.equal(weights(second), weights(first))
    assert second.isr.label_range == first.isr.label_range is not None
    (mine, my_labels), (theirs, their_labels) = second.store.labels(), first.store.labels()
    for one, other in zip((*mine, my_labels), (*theirs, their_labels), strict=True):
        np.testing.assert_array_equal(one, other)
    second.trainer.seed = first.trainer.seed  # the callback's own arguments are not in the files
    for part in (first, second):
        part.store.add(labels(100, seed=2))
        part.train()
    assert torch.equal(weights(second), weights(first))
    assert second.trainer.n_trainings == first.trainer.n_trainings == 2


@pytest.mark.parametrize(
    ("isr_kwargs", "name"),
    [
        ({"net_arch": (8,)}, "net_arch"),
        ({**ISR, "n_members": 2}, "n_members"),
        ({**ISR, "activation_fn": nn.Tanh}, "activation_fn"),
        ({**ISR, "limit_to_labels": "no"}, "limit_to_labels"),
        ({**ISR, "features_extractor_class": GridCNN}, "features_extractor_class"),
    ],
)
def test_to_load_what_was_trained_with_other_isr_kwargs_is_refused_by_name(
    isr_kwargs: dict[str, Any], name: str, tmp_path: Path
) -> None:
    grid = spaces.Box(0, 255, (5, 5, 2), np.uint8), SPACES[1]
    internalizer(spaces=grid, isr_kwargs=ISR).save(tmp_path)
    same = internalizer(spaces=grid, isr_kwargs={"net_arch": [16]})
    same.load(tmp_path)
    other = internalizer(spaces=grid, isr_kwargs=isr_kwargs)
    before = weights(other)
    with pytest.raises(ValueError, match=rf"isr_kwargs.*{name}"):
        other.load(tmp_path)
    assert torch.equal(weights(other), before)


def test_queries_after_departure_are_answered_within_the_budget() -> None:
    part = internalizer(queries=RandomQueries(30, attended_fraction=0.0, n_rounds=1))
    part.add([attended(labels(50))], 0.4)
    assert part.store.n_added == 0
    assert part.keeps_unattended
    part.add([unattended(labels(50, seed=1))], 0.6)
    assert not part.query_if_due(0.5)
    assert part.query_if_due(0.9)
    assert part.store.n_added == 30
    part.add([unattended(labels(50, seed=2))], 0.95)
    assert not part.query(5)
    given = {tuple(observation) for observation in np.asarray(labels(50, seed=1).transitions.observations).tolist()}
    stored = np.asarray(part.store.labels().transitions.observations).tolist()
    assert all(tuple(observation) in given for observation in stored)


class Listener:
    needs_transitions = True

    def __init__(self) -> None:
        self.received: list[tuple[str, int]] = []

    def on_labels(self, batch: LabelBatch) -> None:
        self.received.append(("labels", len(batch.social_rewards)))

    def on_unattended(self, pool: QueryPool) -> None:
        self.received.append(("unattended", len(pool)))


def test_listeners_receive_all_transitions_whatever_is_queried() -> None:
    part, listener = internalizer(queries=RandomQueries(10)), Listener()
    part.listeners.append(listener)
    assert part.keeps_unattended
    part.add([attended(labels(20)), unattended(labels(5)), attended(labels(30))], 0.1)
    assert listener.received == [("labels", 50), ("unattended", 5)]


def test_training_is_due_every_so_many_steps() -> None:
    part = internalizer(train_every=10)
    part.add([attended(labels(20))], 0.0)
    part.advance(0.1, 6)
    assert not part.is_training_due()
    part.advance(0.1, 6)
    assert part.is_training_due()
    part.train()
    assert not part.is_training_due()


def test_without_anything_to_learn_from_departure_and_queries_are_refused() -> None:
    part = internalizer()
    with pytest.raises(ValueError, match=r"there is none and it leaves at step 7.*ISRCallback\(isr=\.\.\.\)"):
        part.check_departure(7)
    with pytest.raises(ValueError, match=r"got none with LeaveAt.*queries=\"uncertainty_500\""):
        part.check_queries()
    internalizer(isr=part.isr, isr_kwargs=None).check_departure(7)
    reserved = internalizer(queries=RandomQueries(10, attended_fraction=0.5))
    reserved.check_departure(7)
    reserved.check_queries()
    part.add([attended(labels(1))], 0.0)
    part.check_departure(7)


def test_an_isr_that_explains_too_little_is_warned_of_once() -> None:
    made = internalizer()
    poor, good = (HeldOut(0.1, explained, explained, float("nan")) for explained in (0.18, 0.99))
    with pytest.warns(UserWarning, match=r"leaves at step 60, and the ISR explains 18% .*gradient_steps.*by chance"):
        made.check_fit(TrainingMetrics(0.1, poor, 100, 2000), 60)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        made.check_fit(TrainingMetrics(0.1, poor, 100, 2000), 80)
        internalizer().check_fit(TrainingMetrics(0.1, good, 100, 2000), 60)
