"""Children of an ISRCallback: how they are given, and what they are told."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import permutations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from stable_baselines3 import DQN
from stable_baselines3.common.callbacks import BaseCallback, CallbackList, CheckpointCallback, EvalCallback

from sb3_isr import HackingWatch, ISRCallback, ISRCheckpoint, ISRChildCallback, RandomQueries, VecISRReward
from sb3_isr.labels import LabelBatch, QueryPool
from tests.callbacks.learners import QUICK, SURE, UNSURE, Planted, off_policy, ppo, scripted, weights_of
from tests.scripted_env import Script, scripted_vec_env


class Child(ISRChildCallback):
    """Keeps what it is told, and what the parent had done by then."""

    needs_transitions = True

    def __init__(self) -> None:
        super().__init__()
        self.events: list[str] = []
        self.n_labels = self.n_unattended = 0
        self.n_trainings: list[int] = []
        self.rewards: list[Any] = []

    def on_labels(self, labels: LabelBatch) -> None:
        self.n_labels += len(labels.social_rewards)

    def on_unattended(self, unattended: QueryPool) -> None:
        self.n_unattended += len(unattended)

    def _on_training_start(self) -> None:
        self.events.append("training start")

    def _on_rollout_start(self) -> None:
        self.events.append("rollout start")

    def _on_step(self) -> bool:
        self.events.append("step")
        self.n_trainings.append(self.isr_callback.internalizer.trainer.n_trainings)
        self.rewards.append(self.locals["rewards"].copy())
        return True

    def _on_rollout_end(self) -> None:
        self.events.append(f"rollout end with {self.n_labels} labels, {self.n_unattended} unattended")

    def _on_training_end(self) -> None:
        self.events.append("training end")


def test_a_child_is_told_each_event_after_its_parent() -> None:
    child = Child()
    ppo().learn(64, callback=ISRCallback("leave_at_0.5", callback=child, **QUICK))
    rollout = ["rollout start", *["step"] * 16]
    assert child.events == [
        "training start",
        *rollout,
        "rollout end with 32 labels, 0 unattended",
        *rollout,
        "rollout end with 32 labels, 32 unattended",
        "training end",
    ]
    assert child.n_trainings == [0] * 15 + [1] * 17  # the caregiver leaves at the last step of the first rollout
    np.testing.assert_array_equal(child.rewards[3], [1.0, 1.0])


class Deaf(ISRChildCallback):
    """Needs no transitions that the caregiver did not attend."""

    n_labels = 0

    def on_labels(self, labels: LabelBatch) -> None:
        self.n_labels += len(labels.social_rewards)

    def on_unattended(self, unattended: QueryPool) -> None:
        raise AssertionError


@pytest.mark.parametrize("queries", ["all", RandomQueries(10, attended_fraction=0.5)])
def test_a_child_that_needs_no_unattended_transitions_is_given_the_labels_alone(queries: Any) -> None:
    child = Deaf()
    callback = ISRCallback("leave_at_0.5", queries, callback=child, **QUICK)
    ppo().learn(64, callback=callback)
    assert callback.internalizer.keeps_unattended == (queries != "all")  # where the budget needs them
    assert child.n_labels == 32


class Spy(ISRChildCallback):
    """Queries everything that the caregiver did not attend."""

    needs_transitions = True

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[float] = []

    def on_unattended(self, unattended: QueryPool) -> None:
        self.seen += unattended.query(np.arange(len(unattended))).social_rewards.tolist()


def test_a_child_cannot_see_labels_outside_of_the_budget() -> None:
    spy = Spy()
    ppo().learn(64, callback=ISRCallback("leave_at_0.5", callback=spy, **QUICK))
    assert len(spy.seen) == 32
    assert np.isnan(spy.seen).all()


@pytest.mark.parametrize("given", [lambda child: [child, child], lambda child: child])
def test_a_child_of_two_callbacks_is_refused(given: Any) -> None:
    child = Child()
    if not isinstance(given(child), list):
        ISRCallback(callback=child)
    with pytest.raises(ValueError, match=r"got a Child that was given before; make a new Child\("):
        ISRCallback(callback=given(child))


class Stops(ISRChildCallback):
    """Ends the training."""

    def _on_step(self) -> bool:
        return self.num_timesteps < 10


def test_a_child_can_stop_the_training() -> None:
    model = ppo()
    model.learn(64, callback=ISRCallback("always", callback=[Child(), Stops()]))
    assert model.num_timesteps == 10


# --- where a child is given


@pytest.mark.parametrize("make_child", [HackingWatch, partial(ISRCheckpoint, "nowhere"), Child])
@pytest.mark.parametrize(
    "place",
    [
        lambda child: child,
        lambda child: [child, ISRCallback()],
        lambda child: CallbackList([ISRCallback(), child]),
        lambda child: EvalCallback(scripted(), callback_after_eval=child),
    ],
    ids=["alone", "first", "second", "child of another callback"],
)
def test_a_child_without_an_isr_callback_is_refused_when_training_starts(
    make_child: Callable[[], ISRChildCallback], place: Callable[[ISRChildCallback], Any]
) -> None:
    model, child = ppo(), make_child()
    name = type(child).__name__
    with pytest.raises(ValueError, match=rf"got one that was not.*write ISRCallback\(\.\.\., callback={name}\("):
        model.learn(64, callback=place(child))
    assert model.num_timesteps == 0


@pytest.mark.parametrize("is_first", [True, False])
def test_a_child_that_is_passed_to_learn_too_is_refused_when_training_starts(is_first: bool) -> None:
    model, child = ppo(), HackingWatch()
    callback = ISRCallback(callback=child)
    with pytest.raises(ValueError, match=r"was it passed to learn\?.*write ISRCallback\("):
        model.learn(64, callback=[child, callback] if is_first else [callback, child])
    assert model.num_timesteps == 0


def test_a_child_that_is_given_to_nobody_changes_nothing() -> None:
    def run() -> torch.Tensor:
        model, callback = ppo(), ISRCallback("leave_at_0.5", **QUICK)
        HackingWatch(window=1, max_uncertainty=1e-9, remedy="stop")
        model.learn(128, callback=callback)
        assert callback.internalizer.listeners == []
        return weights_of(model.policy, callback.isr)

    assert torch.equal(run(), run())


#: Episodes of seven steps: off-policy rollouts of four steps start while labels wait in the wrapper.
LONG: list[Script] = [[(-0.5, 0.0)] * 6 + [(0.0, 1.0)]] * 2


@pytest.mark.slow
@pytest.mark.parametrize("algorithm", ["PPO", "DQN"])
@pytest.mark.parametrize("remedy", ["roll_back", "lower", "query"])
def test_children_in_any_order_do_the_same(algorithm: str, remedy: Any, tmp_path: Path) -> None:
    """Also where a checkpoint collects the transitions that raise an alarm."""
    runs: list[tuple[Any, ...]] = []
    for number, order in enumerate(permutations(range(3))):
        watch = HackingWatch(max_rise=10.0, remedy=remedy, window=16, n_labels=4)
        child = Child()
        children = [watch, child, ISRCheckpoint(tmp_path / str(number), every=12)]
        callback = ISRCallback(
            "never",
            RandomQueries(20, n_rounds=1) if remedy == "query" else "all",
            isr=Planted(lambda window: SURE if window % 3 == 1 else UNSURE),
            trainer_kwargs={"gradient_steps": 5},
            callback=[children[i] for i in order],
        )
        env = VecISRReward(scripted_vec_env(LONG))
        model = ppo(env) if algorithm == "PPO" else off_policy(DQN, env, buffer_size=500)
        model.learn(160, callback=callback)
        (checkpoint,) = (tmp_path / str(number)).iterdir()
        alarms = [(alarm.step, alarm.uncertainty) for alarm in watch.alarms]
        told = (checkpoint.name, alarms, callback.coefficient, child.n_labels, child.n_unattended)
        runs.append((*told, weights_of(model.policy, callback.isr).tolist()))
    for run in runs:
        assert run == runs[0]
    assert len(runs[0][1]) >= 3, "there were alarms"


# --- in what form


@pytest.mark.parametrize(
    "given",
    [
        "sb3_isr.HackingWatch",
        ["sb3_isr.HackingWatch"],
        {"sb3_isr.HackingWatch": {}},
        [{"sb3_isr.HackingWatch": {"remedy": "warn", "window": 2048}}],
        HackingWatch(),
    ],
)
def test_a_child_may_be_given_by_its_name_as_yaml_does(given: Any) -> None:
    (child,) = ISRCallback(callback=given).children
    assert isinstance(child, HackingWatch)
    assert (child.remedy, child.window) == ("warn", 2048)


def test_several_children_are_kept_in_order(tmp_path: Path) -> None:
    child = Child()
    given: list[Any] = [{"sb3_isr.ISRCheckpoint": {"folder": str(tmp_path), "every": 5}}, child, "sb3_isr.HackingWatch"]
    first, second, third = ISRCallback(callback=given).children
    assert isinstance(first, ISRCheckpoint)
    assert (first.folder, first.every) == (tmp_path, 5)
    assert second is child
    assert isinstance(third, HackingWatch)
    assert ISRCallback().children == []


class Plain(BaseCallback):
    def _on_step(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (CheckpointCallback(10, "nowhere"), "got <.*CheckpointCallback.*pass other callbacks to learn"),
        ([HackingWatch(), Plain()], "got <.*Plain"),
        (ISRCallback(), "got <.*ISRCallback"),
        ("sb3_isr.ISRCallback", "got <.*ISRCallback"),
        ("sb3_isr.HackingWatches", "got 'sb3_isr.HackingWatches'"),
        ([{"sb3_isr.HackingWatch": {}, "remedy": "stop"}], "check the indentation"),
    ],
)
def test_callbacks_of_other_kinds_are_refused_when_the_parent_is_made(given: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ISRCallback(callback=given)
