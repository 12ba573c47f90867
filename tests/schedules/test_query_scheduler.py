"""When the caregiver is queried, that the budget is kept, and that only labels of queried transitions are used."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from stable_baselines3 import DQN, PPO
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.vec_env import DummyVecEnv, SubprocVecEnv, VecEnv

from sb3_isr import (
    AllQueries,
    InternalSocialReward,
    ISRCallback,
    ISRCheckpoint,
    ISRRewardWrapper,
    LabelBatch,
    RandomQueries,
    UncertaintyQueries,
    VecISRReward,
)
from sb3_isr.labels import LabelRange, QueryPool
from sb3_isr.labels.label_range import LabelRanges
from sb3_isr.schedules.presence import PresenceSchedule, presence_schedule
from sb3_isr.schedules.query_schedule import QuerySchedule
from sb3_isr.schedules.query_scheduler import QueryScheduler, make_scheduler
from tests.schedules.planted_isr import PlantedISR, transitions
from tests.scripted_env import ScriptedEnv, scripted_vec_env

PLANTED = PlantedISR()


def scheduler(schedule: QuerySchedule, presence: str) -> QueryScheduler:
    return make_scheduler(schedule, presence_schedule(presence), np.random.default_rng(0))


def n_labels(labels: LabelBatch | None) -> int:
    return 0 if labels is None else len(labels.social_rewards)


# The scheduler by itself.


def test_all_queries_query_everything_that_is_attended_and_nothing_else() -> None:
    queries = scheduler(AllQueries(), "leave_at_0.5")
    labels = transitions(1, 2, 3)
    assert queries.on_labels(labels, 0.1) is labels
    queries.on_unattended(QueryPool(labels))
    assert queries.n_reserved == 0
    assert queries.query_if_due(1.0, PLANTED) is queries.query(3, PLANTED) is None


def test_labels_are_spread_evenly_over_attendance() -> None:
    queries = scheduler(RandomQueries(100), "leave_at_0.5")
    counts = [n_labels(queries.on_labels(transitions(*range(50)), progress)) for progress in (0.1, 0.25, 0.4, 0.5)]
    assert counts == [20, 30, 30, 20]


def test_rounds_come_soon_after_departure_and_then_at_equal_intervals() -> None:
    queries = scheduler(RandomQueries(10, attended_fraction=0.0, n_rounds=5), "leave_at_0.5")
    rounds = []
    for progress in np.linspace(0.0, 1.0, 201):
        queries.on_unattended(QueryPool(transitions(1.0, 2.0, 3.0)))
        labels = queries.query_if_due(float(progress), PLANTED)
        if labels is not None:
            rounds.append(float(progress))
            assert n_labels(labels) == 2
    assert rounds == pytest.approx([0.52, 0.62, 0.72, 0.82, 0.92], abs=0.006)


def test_a_round_chooses_from_the_newest_transitions() -> None:
    queries = scheduler(UncertaintyQueries(3, attended_fraction=0.0, n_rounds=1, window=4), "never")
    queries.on_unattended(QueryPool(transitions(9, 8, 7)))
    queries.on_unattended(QueryPool(transitions(1, 2, 3)))
    labels = queries.query(3, PLANTED)
    assert labels is not None
    assert sorted(labels.social_rewards.tolist()) == [2, 3, 7]


def test_queries_without_an_answer_cost_nothing_and_others_take_their_place() -> None:
    queries = scheduler(UncertaintyQueries(3, attended_fraction=0.0, n_rounds=1), "never")
    pool = transitions(9, 8, 7, 6, 5)
    pool.social_rewards[[0, 2]] = np.nan
    queries.on_unattended(QueryPool(pool))
    labels = queries.query(3, PLANTED)
    assert labels is not None
    assert sorted(labels.social_rewards.tolist()) == [5, 6, 8]
    assert queries.counts.unattended == 3
    queries = scheduler(UncertaintyQueries(3, attended_fraction=0.0, n_rounds=1), "never")
    queries.on_unattended(QueryPool(transitions(1)._replace(social_rewards=np.array([np.nan], np.float32))))
    assert queries.query(3, PLANTED) is None


def test_queries_stop_at_the_budget() -> None:
    queries = scheduler(RandomQueries(4, attended_fraction=0.5), "leave_at_0.5")
    assert n_labels(queries.on_labels(transitions(*range(20)), 0.5)) == 2
    for expected in (2, 0):
        queries.on_unattended(QueryPool(transitions(*range(20))))
        assert n_labels(queries.query(5, PLANTED)) == expected
    assert queries.counts.unattended == queries.n_reserved == 2


def share_of_budget_used(schedule: RandomQueries, presence: PresenceSchedule) -> float:
    """Simulate a training in 200 rollouts, each of them attended at random."""
    queries = make_scheduler(schedule, presence, np.random.default_rng(0))
    rng, n = np.random.default_rng(1), 0
    for progress in np.linspace(0.005, 1.0, 200):
        attends = rng.random() < presence(1.0 - progress)
        n += n_labels(queries.on_labels(transitions(*range(20 * attends)), float(progress)))
        if not attends:
            queries.on_unattended(QueryPool(transitions(*range(20))))
            n += n_labels(queries.query_if_due(float(progress), PLANTED))
    return n / schedule.budget


@pytest.mark.parametrize("schedule", [RandomQueries(50), RandomQueries(50, 0.6, 3), UncertaintyQueries(50)], ids=str)
@pytest.mark.parametrize("presence", ["always", "never", "leave_at_0.3", "fade_0.2_0.6", "visits_0.25_0.25_0.125"])
def test_the_whole_budget_is_used_wherever_there_is_something_to_query(schedule: RandomQueries, presence: str) -> None:
    """A caregiver that fades out may be gone when the last labels are due, and 0.3 is no multiple of 1/1000."""
    assert 0.94 <= share_of_budget_used(schedule, presence_schedule(presence)) <= 1.0


# Within an ISRCallback.

SCRIPTS: list[list[tuple[float, float | None]]] = [[(-0.5, 0.0), (-0.5, 0.0), (-0.5, 0.0), (0.0, 1.0)]] * 2
ISR: dict[str, Any] = {"net_arch": (4,), "n_members": 3}


def ppo(env: VecEnv) -> PPO:
    kwargs: dict[str, Any] = {"n_steps": 16, "batch_size": 16, "n_epochs": 1, "policy_kwargs": {"net_arch": [4]}}
    return PPO("MlpPolicy", env, seed=0, device="cpu", **kwargs)


def dqn(env: VecEnv) -> DQN:
    kwargs: dict[str, Any] = {"learning_starts": 1000, "policy_kwargs": {"net_arch": [4]}}
    return DQN("MlpPolicy", env, seed=0, device="cpu", **kwargs)


def make_callback(presence: str, queries: Any, **kwargs: Any) -> ISRCallback:
    kwargs = {"isr_kwargs": ISR, "trainer_kwargs": {"gradient_steps": 2}, **kwargs}
    return ISRCallback(presence, queries, **kwargs)


class StopAt(BaseCallback):
    """Stops a training as if the process had been killed."""

    def __init__(self, steps: int) -> None:
        super().__init__()
        self.steps = steps

    def _on_step(self) -> bool:
        return self.num_timesteps < self.steps


@pytest.mark.parametrize(
    ("algorithm", "presence", "queries"),
    [
        (ppo, "leave_at_0.5", UncertaintyQueries(37, n_rounds=3)),
        (ppo, "visits_0.25_0.25_0.125", UncertaintyQueries(37, n_rounds=3)),
        (dqn, "visits_0.25_0.25_0.125", UncertaintyQueries(37, n_rounds=3)),
        (dqn, "leave_at_0.5", RandomQueries(37)),
    ],
)
def test_a_training_uses_the_whole_budget(algorithm: Any, presence: str, queries: RandomQueries) -> None:
    callback = make_callback(presence, queries)
    algorithm(VecISRReward(scripted_vec_env(SCRIPTS))).learn(320, callback=callback)
    assert callback.store.n_added == 37


def test_what_is_not_queried_becomes_no_label_but_still_rewards_the_learner() -> None:
    callbacks = [make_callback("always", queries) for queries in ("random_20", "all")]
    weights = []
    for callback in callbacks:
        model = ppo(VecISRReward(scripted_vec_env(SCRIPTS)))
        model.learn(128, callback=callback)
        weights.append(torch.cat([p.flatten() for p in model.policy.parameters()]))
    assert [callback.store.n_added for callback in callbacks] == [20, 128]
    assert torch.equal(*weights)


def test_an_isr_that_predicts_no_praise_is_corrected_by_queries() -> None:
    """Its weights are those of an untrained network, which predicts about 0 everywhere."""
    callback = make_callback(
        "never",
        UncertaintyQueries(16, attended_fraction=0.0, n_rounds=4),
        trainer_kwargs={"gradient_steps": 150, "learning_rate": 2e-2, "batch_size": 32},
        store_kwargs={"held_out": 0.0},
    )
    model = ppo(VecISRReward(scripted_vec_env(SCRIPTS)))
    callback.init_callback(model)

    def predicted() -> list[float]:
        """R_i of the praised step, and of another one."""
        observations = np.array([[0, 3], [0, 1]], np.float32)
        outcome = observations + np.array([0, 1], np.float32), np.array([True, False])
        rewards: list[float] = callback.isr.predict(observations, np.zeros(2, int), *outcome).tolist()
        return rewards

    assert predicted() == pytest.approx([0.0, 0.0], abs=0.5)
    model.learn(192, callback=callback)
    praised, other = predicted()
    assert praised > 0.6
    assert other < 0.3


def test_environments_in_other_processes_are_queried_and_get_the_trained_isr() -> None:
    """The given ISR is limited to labels that only a reproaching caregiver would give."""
    venv = SubprocVecEnv([lambda: ISRRewardWrapper(Monitor(ScriptedEnv(SCRIPTS[0], truncates=True)))])
    isr = InternalSocialReward(venv.observation_space, venv.action_space, net_arch=(4,), device="cpu")
    isr.label_ranges = LabelRanges.both(LabelRange(-9.0, -8.0))
    queries = RandomQueries(12, attended_fraction=0.0, n_rounds=1)
    callback = ISRCallback("never", queries, isr=isr, trainer_kwargs={"gradient_steps": 100})
    ppo(venv).learn(64, callback=callback)
    internal_rewards = venv.env_method("isr_last_internal_reward")
    venv.close()
    assert callback.store.n_added == 12
    assert min(internal_rewards) > -8.0


def test_queries_are_spread_over_the_environments() -> None:
    """Each environment has its own wrapper, and the wrappers are collected one after the other."""

    def make(number: int) -> ISRRewardWrapper:
        return ISRRewardWrapper(Monitor(ScriptedEnv(SCRIPTS[0], number)))

    venv = DummyVecEnv([partial(make, number) for number in range(4)])
    callback = make_callback("leave_at_0.5", RandomQueries(40))
    ppo(venv).learn(256, callback=callback)
    numbers = np.asarray(callback.store.labels().transitions.observations)[:, 0].astype(int)
    assert len(numbers) == 40
    assert min(np.bincount(numbers, minlength=4)) >= 5


def test_a_resumed_training_makes_the_queries_that_the_whole_one_makes(tmp_path: Path) -> None:
    def make(name: str) -> tuple[ISRCheckpoint, ISRCallback]:
        checkpoint = ISRCheckpoint(tmp_path / name, every=64)
        return checkpoint, make_callback("leave_at_0.25", UncertaintyQueries(40, n_rounds=4), callback=checkpoint)

    def labels(callback: ISRCallback) -> list[Any]:
        transitions, social_rewards = callback.store.labels()
        return [np.asarray(part).tolist() for part in (*transitions, social_rewards)]

    _, whole = make("whole")
    ppo(VecISRReward(scripted_vec_env(SCRIPTS))).learn(256, callback=whole)
    _, killed = make("killed")
    ppo(VecISRReward(scripted_vec_env(SCRIPTS))).learn(256, callback=[killed, StopAt(150)])
    checkpoint, resumed = make("killed")
    model = checkpoint.resume(PPO, VecISRReward(scripted_vec_env(SCRIPTS)))
    assert 64 <= model.num_timesteps < 150
    model.learn(256 - model.num_timesteps, callback=resumed, reset_num_timesteps=False)
    assert len(labels(resumed)[0]) == 40
    assert labels(resumed) == labels(whole)


def test_a_training_with_uncertainty_queries_needs_several_members() -> None:
    callback = make_callback("always", "uncertainty_10", isr_kwargs={"net_arch": (4,)})
    with pytest.raises(ValueError, match="an ISR of several members"):
        ppo(VecISRReward(scripted_vec_env(SCRIPTS))).learn(32, callback=callback)


def test_only_the_newest_transitions_of_the_window_are_queried_from_the_first_batch_on() -> None:
    queries = scheduler(RandomQueries(20, attended_fraction=0.0, window=4), "leave_at_0.0")
    queries.on_unattended(QueryPool(transitions(*range(10))))
    labels = queries.query(20, PLANTED)
    assert labels is not None
    assert sorted(labels.social_rewards) == [6, 7, 8, 9]


def test_a_schedule_of_another_kind_is_refused_and_not_taken_for_all() -> None:
    with pytest.raises(ValueError, match=r"AllQueries\(\), RandomQueries\(.*derived from one of these, got .*QueryS"):
        scheduler(QuerySchedule(), "leave_at_0.5")
    with pytest.raises(ValueError, match=r"is written all, random_500, uncertainty_500 or episodes_50, .*, got 20\."):
        ISRCallback(queries=20)  # type: ignore[arg-type]
