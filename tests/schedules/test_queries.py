"""What the caregiver is asked, that it is never asked too much, and that nobody hears what it was not asked."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from gymnasium import spaces
from stable_baselines3 import DQN, PPO
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.vec_env import DummyVecEnv, SubprocVecEnv, VecEnv

from sb3_isr import (
    AllQueries,
    InternalSocialReward,
    ISRCallback,
    ISRRewardWrapper,
    LabelBatch,
    LabelStore,
    RandomQueries,
    UncertaintyQueries,
    VecISRReward,
)
from sb3_isr.labels.store import QueryPool
from sb3_isr.schedules.presence import LeaveAt, Never, presence_schedule
from sb3_isr.schedules.queries import QueryScheduler, query_schedule
from tests.scripted_env import ScriptedEnv, scripted_vec_env

SCRIPTS: list[list[tuple[float, float | None]]] = [[(-0.5, 0.0), (-0.5, 0.0), (-0.5, 0.0), (0.0, 1.0)]] * 2
ISR: dict[str, Any] = {"net_arch": (4,), "n_members": 3}
BOX, DISCRETE = spaces.Box(0, 1000, (2,), np.float32), spaces.Discrete(3)


def ppo(env: VecEnv) -> PPO:
    kwargs: dict[str, Any] = {"n_steps": 16, "batch_size": 32, "n_epochs": 1, "policy_kwargs": {"net_arch": [4]}}
    return PPO("MlpPolicy", env, seed=0, device="cpu", **kwargs)


def dqn(env: VecEnv) -> DQN:
    kwargs: dict[str, Any] = {"learning_starts": 20, "batch_size": 8, "policy_kwargs": {"net_arch": [4]}}
    return DQN("MlpPolicy", env, seed=0, device="cpu", **kwargs)


def callback(presence: str, ask: Any, **kwargs: Any) -> ISRCallback:
    kwargs = {"isr_kwargs": ISR, "gradient_steps": 5, "held_out": 0.0, **kwargs}
    return ISRCallback(presence, ask, **kwargs)


def transitions(*numbers: float) -> LabelBatch:
    """Told apart by their first number, which is also what the caregiver would say."""
    said = np.array(numbers, np.float32)
    return LabelBatch(np.stack([said, said], axis=1), np.zeros(len(said), int), said)


class Unsure(InternalSocialReward):
    """Its members differ by what stands in the observation's first number."""

    def __init__(self) -> None:
        super().__init__(BOX, DISCRETE, net_arch=(4,), n_members=2, device="cpu")

    def predict(self, observations: Any, actions: Any) -> Any:
        return np.zeros(len(actions), np.float32)

    def predict_members(self, observations: Any, actions: Any) -> Any:
        return np.stack([observations[:, 0], -observations[:, 0]])


class StopAt(BaseCallback):
    """As if the process had been killed."""

    def __init__(self, steps: int) -> None:
        super().__init__()
        self.steps = steps

    def _on_step(self) -> bool:
        return self.num_timesteps < self.steps


@pytest.mark.parametrize("algorithm", [ppo, dqn])
@pytest.mark.parametrize("presence", ["leave_at_0.5", "fade_0.2_0.6", "visits_0.25_0.25_0.125", "always"])
@pytest.mark.parametrize("ask", [RandomQueries(37, n_calls=3), UncertaintyQueries(37, n_calls=3)], ids=str)
def test_the_budget_is_used_up_and_never_exceeded(algorithm: Any, presence: str, ask: RandomQueries) -> None:
    internalizing = callback(presence, ask)
    algorithm(VecISRReward(scripted_vec_env(SCRIPTS))).learn(640, callback=internalizing)
    # A caregiver that fades may not be there any more when the last of them are due.
    assert 37 - 6 * presence.startswith("fade") <= internalizing.store.n_added <= 37


def test_what_was_not_asked_is_no_label_and_still_the_learners_reward() -> None:
    asked, always = callback("always", "random_20"), callback("always", "all")
    models = []
    for internalizing in (asked, always):
        models.append(ppo(VecISRReward(scripted_vec_env(SCRIPTS))))
        models[-1].learn(128, callback=internalizing)
    assert asked.store.n_added == 20
    assert always.store.n_added == 128
    weights = [torch.cat([p.flatten() for p in model.policy.parameters()]) for model in models]
    assert torch.equal(*weights)


def test_labels_are_spread_over_attendance() -> None:
    asker = QueryScheduler(RandomQueries(100), LeaveAt(0.5), np.random.default_rng(0))
    counts = [len(asker.attend(transitions(*range(50)), progress).actions) for progress in (0.1, 0.25, 0.4, 0.5)]
    assert counts == [20, 30, 30, 20]


def test_half_of_what_is_asked_was_rewarded_as_far_as_there_is() -> None:
    asker = QueryScheduler(RandomQueries(40), presence_schedule("always"), np.random.default_rng(0))
    rewarded = 0
    for progress, labels in ((0.25, [0] * 20), (0.5, [0] * 20 + [1] * 3), (0.75, [0] * 20 + [1] * 30), (1, [0] * 20)):
        asked = asker.attend(transitions(*labels), progress)
        assert len(asked.actions) == 10
        rewarded += int(asked.social_rewards.sum())
    assert rewarded == 13  # none, all 3, all 10, none


def test_calls_come_soon_after_departure_and_then_at_equal_intervals() -> None:
    ask = RandomQueries(10, before=0.0, n_calls=5)
    asker, isr, at = QueryScheduler(ask, LeaveAt(0.5), np.random.default_rng(0)), Unsure(), []
    for progress in np.linspace(0.0, 1.0, 201):
        asker.miss(QueryPool(transitions(1.0, 2.0, 3.0)))
        labels = asker.call(float(progress), isr)
        if labels is not None:
            at.append(round(float(progress), 3))
            assert len(labels.actions) == 2
    assert at == pytest.approx([0.52, 0.62, 0.72, 0.82, 0.92], abs=0.006)


def called_to(isr: InternalSocialReward, n: int, *numbers: float) -> list[float]:
    """The numbers of the transitions that the caregiver is called back to."""
    asker = QueryScheduler(UncertaintyQueries(n, before=0.0, n_calls=1), Never(), np.random.default_rng(0))
    asker.miss(QueryPool(transitions(*numbers)))
    labels = asker.call(1.0, isr)
    assert labels is not None
    return sorted(labels.social_rewards.tolist())


def test_the_caregiver_is_called_to_what_the_members_disagree_on() -> None:
    assert called_to(Unsure(), 3, 1, 9, 9, 9, 3, 8, 7, 2) == [7, 8, 9]  # each different transition once


def test_disagreement_about_what_is_given_comes_before_disagreement_about_what_is_said() -> None:
    isr = Unsure()
    isr.limit_to_labels, isr.label_range, isr.label_values = "values", (-3.0, 3.0), (-3.0, 3.0)
    isr.predict_members = lambda observations, actions: np.stack(  # type: ignore[method-assign]
        [observations[:, 0], np.where(observations[:, 0] == 1, -1, observations[:, 0] + 50)]
    )
    assert called_to(isr, 1, 2, 1, 4) == [1]


def test_the_caregiver_is_called_to_what_the_learner_lives_on() -> None:
    """All members are wrong alike, about one transition among many, and the learner does nothing else."""
    isr = Unsure()
    isr.predict = lambda observations, actions: (observations[:, 0] == 5) * 0.4  # type: ignore[method-assign]
    assert called_to(isr, 2, *range(10, 40), 5, 5, 5) == [5, 39]


def test_nothing_is_asked_twice_at_a_call() -> None:
    isr = Unsure()
    isr.predict = lambda observations, actions: (observations[:, 0] == 9) * 0.4  # type: ignore[method-assign]
    assert called_to(isr, 2, 7, 8, 9, 9) == [8, 9]


def test_only_the_newest_are_shown() -> None:
    asker = QueryScheduler(UncertaintyQueries(1, before=0.0, n_calls=1, window=3), Never(), np.random.default_rng(0))
    asker.miss(QueryPool(transitions(9, 8, 1)))
    asker.miss(QueryPool(transitions(2, 3)))
    labels = asker.call(1.0, Unsure())
    assert labels is not None
    assert labels.social_rewards.tolist() == [3]


def test_an_isr_that_praises_nothing_learns_what_is_praised_when_the_caregiver_is_called_back() -> None:
    """A planted wrong model: it was taught that nothing is praised, and is put right by a few call-backs."""
    internalizing = callback(
        "never",
        UncertaintyQueries(16, before=0.0, n_calls=4),
        isr_kwargs={**ISR, "learning_rate": 1e-2},
        gradient_steps=200,
    )
    model = ppo(VecISRReward(scripted_vec_env(SCRIPTS)))
    internalizing.init_callback(model)
    praised, ignored = (np.array([[0, step]], np.float32) for step in (3, 1))
    before = [float(internalizing.isr.predict(observation, np.zeros(1, int))[0]) for observation in (praised, ignored)]
    assert before == pytest.approx([0.0, 0.0], abs=0.5)
    model.learn(320, callback=internalizing)
    assert float(internalizing.isr.predict(praised, np.zeros(1, int))[0]) > 0.6
    assert float(internalizing.isr.predict(ignored, np.zeros(1, int))[0]) < 0.3


def test_it_is_called_back_in_other_processes_too() -> None:
    venv = SubprocVecEnv([lambda: ISRRewardWrapper(Monitor(ScriptedEnv(SCRIPTS[0], truncates=True)))] * 2)
    internalizing = callback("leave_at_0.5", UncertaintyQueries(20, n_calls=2))
    ppo(venv).learn(128, callback=internalizing)
    venv.close()
    assert internalizing.store.n_added == 20


def test_no_environment_is_asked_before_the_others() -> None:
    """Each environment has a wrapper of its own."""

    def make(number: int) -> ISRRewardWrapper:
        return ISRRewardWrapper(Monitor(ScriptedEnv(SCRIPTS[0], number)))

    venv = DummyVecEnv([partial(make, number) for number in range(4)])
    internalizing = callback("leave_at_0.5", RandomQueries(40))
    ppo(venv).learn(256, callback=internalizing)
    asked = np.concatenate([np.asarray(batch.observations)[:, 0] for batch in _all(internalizing.store)])
    assert len(asked) == 40
    assert min(np.bincount(asked.astype(int), minlength=4)) >= 5


def test_an_isr_in_another_process_learns_what_a_call_back_taught() -> None:
    venv = SubprocVecEnv([lambda: ISRRewardWrapper(Monitor(ScriptedEnv(SCRIPTS[0], truncates=True)))] * 2)
    isr = InternalSocialReward(venv.observation_space, venv.action_space, net_arch=(4,), device="cpu")
    isr.label_range = (-9.0, -8.0)  # as if nothing but reproach had been heard
    internalizing = ISRCallback("never", RandomQueries(40, before=0.0, n_calls=1), isr=isr, gradient_steps=200)
    ppo(venv).learn(320, callback=internalizing)
    internal = np.concatenate(venv.env_method("isr_call", "last_internal_rewards"))
    venv.close()
    assert (internal > -8.0).all()


def test_a_resumed_run_goes_on_asking_where_it_was(tmp_path: Path) -> None:
    def internalizing() -> ISRCallback:
        return callback(
            "leave_at_0.25", UncertaintyQueries(40, n_calls=4), checkpoint_dir=tmp_path / "c", checkpoint_every=96
        )

    def labels(store: LabelStore) -> list[Any]:
        return [[np.asarray(batch.observations).tolist(), batch.social_rewards.tolist()] for batch in _all(store)]

    whole = internalizing()
    ppo(VecISRReward(scripted_vec_env(SCRIPTS))).learn(320, callback=whole)
    first = internalizing()
    ppo(VecISRReward(scripted_vec_env(SCRIPTS))).learn(320, callback=[first, StopAt(200)])
    again = internalizing()
    model = again.resume(PPO, VecISRReward(scripted_vec_env(SCRIPTS)))
    model.learn(320 - model.num_timesteps, callback=again, reset_num_timesteps=False)
    assert labels(again.store) == labels(whole.store)


def test_text_forms() -> None:
    assert query_schedule("all") == AllQueries()
    assert query_schedule("random_200") == RandomQueries(200)
    assert query_schedule("uncertainty_100") == UncertaintyQueries(100)
    for text in ("ask_when_unsure", "ask_500", "", "random_x"):
        with pytest.raises(ValueError, match="is written all, random_500 or uncertainty_500"):
            asking(text)


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"budget": 0}, "budget must be at least 1, got 0"),
        ({"n_calls": 0}, "n_calls must be at least 1"),
        ({"window": 0}, "window must be at least 1"),
        ({"before": 1.5}, r"lie in \[0, 1\], got 1.5"),
    ],
)
def test_bad_arguments_are_refused(kwargs: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        RandomQueries(**kwargs)


def test_one_member_is_never_unsure() -> None:
    with pytest.raises(ValueError, match="several"):
        ppo(VecISRReward(scripted_vec_env(SCRIPTS))).learn(
            32, callback=callback("always", "uncertainty_10", isr_kwargs={"net_arch": (4,)})
        )


@pytest.mark.parametrize("presence", ["always", "never", "leave_at_0.3"])
def test_all_of_the_budget_goes_where_there_is_something_to_ask(presence: str) -> None:
    asker = QueryScheduler(
        RandomQueries(30, before=0.5, n_calls=3), presence_schedule(presence), np.random.default_rng(0)
    )
    n = 0
    for progress in np.linspace(0.01, 1.0, 100):
        attends = presence == "always" or (presence != "never" and progress < 0.3)
        if attends:
            n += len(asker.attend(transitions(*range(20)), float(progress)).actions)
        else:
            n += len(asker.attend(transitions(), float(progress)).actions)
            asker.miss(QueryPool(transitions(*range(20))))
            labels = asker.call(float(progress), Unsure())
            n += 0 if labels is None else len(labels.actions)
    assert n in (29, 30)  # 0.3 need not be where a thousandth part starts


def _all(store: LabelStore) -> list[LabelBatch]:
    store._is_held_out[:] = True
    return list(store.held_out_batches())
