"""A watch on hacking, on ISRs whose doubts are planted."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from gymnasium import spaces
from stable_baselines3 import DQN, PPO
from stable_baselines3.common.base_class import BaseAlgorithm

from sb3_isr import HackingWatch, InternalSocialReward, ISRCallback, RandomQueries, VecISRReward
from sb3_isr.callbacks.hacking_watch import doubt
from tests.scripted_env import scripted_vec_env

SCRIPTS: list[list[tuple[float, float | None]]] = [[(-0.5, 0.0), (-0.5, 0.0), (-0.5, 0.0), (0.0, 1.0)]] * 2
BOX, DISCRETE = spaces.Box(0, 1000, (2,), np.float32), spaces.Discrete(3)


class Planted(InternalSocialReward):
    """Two members, which say what they are told to say by the number of the look."""

    def __init__(self, say: Callable[[int], tuple[float, float]]) -> None:
        super().__init__(BOX, DISCRETE, net_arch=(4,), n_members=2, device="cpu")
        self.say = say
        self.n_looks = 0
        self.label_range, self.label_values = (0.0, 1.0), (0.0, 1.0)

    def predict_members(self, observations: Any, actions: Any) -> Any:
        self.n_looks += 1
        return np.tile(np.array(self.say(self.n_looks))[:, None], len(actions))

    def predict(self, observations: Any, actions: Any) -> Any:
        return np.ones(len(actions), np.float32)


SURE, UNSURE = (1.0, 1.0), (0.6, 0.6)


def ppo() -> PPO:
    kwargs: dict[str, Any] = {"n_steps": 16, "batch_size": 32, "n_epochs": 1, "policy_kwargs": {"net_arch": [4]}}
    return PPO("MlpPolicy", VecISRReward(scripted_vec_env(SCRIPTS)), seed=0, device="cpu", **kwargs)


def dqn() -> DQN:
    kwargs: dict[str, Any] = {"learning_starts": 20, "batch_size": 8, "policy_kwargs": {"net_arch": [4]}}
    return DQN("MlpPolicy", VecISRReward(scripted_vec_env(SCRIPTS)), seed=0, device="cpu", **kwargs)


def weights_of(model: BaseAlgorithm) -> torch.Tensor:
    return torch.cat([p.detach().flatten().clone() for p in model.policy.parameters()])


def watched(model: BaseAlgorithm, isr: InternalSocialReward, steps: int, **kwargs: Any) -> HackingWatch:
    internalizing = ISRCallback("never", kwargs.pop("ask", "all"), isr=isr, gradient_steps=5)
    watch = HackingWatch(internalizing, **{"window": 32, **kwargs})
    model.learn(steps, callback=[internalizing, watch])
    return watch


THREE = np.zeros((3, 2), np.float32), np.zeros(3, int)


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ((0.0, 0.0), 0.0),
        ((1.0, 1.0), 0.0),
        ((0.3, 0.3), 0.3),  # from the nearest label
        ((0.0, 1.0), 0.5),  # from each other
        ((1.25, 1.25), 0.25),
    ],
)
def test_doubt_is_distance_from_any_label_and_from_each_other(said: tuple[float, float], expected: float) -> None:
    assert doubt(Planted(lambda look: said), *THREE) == pytest.approx(expected)


def test_doubt_is_relative_to_the_range_of_labels() -> None:
    isr = Planted(lambda look: (3.0, 3.0))
    isr.label_range, isr.label_values = (0.0, 10.0), (0.0, 10.0)
    assert doubt(isr, *THREE) == pytest.approx(0.3)
    isr.label_values = None  # a caregiver that speaks in degrees says anything in between
    assert doubt(isr, *THREE) == 0.0


def test_only_doubt_of_what_is_paid_counts() -> None:
    """Members differ by 1 on the first of three transitions, and by 0.2 on the last."""
    isr = Planted(lambda look: SURE)
    isr.predict_members = lambda *_: np.array([[0.0, 0.0, 1.0], [1.0, 0.0, 0.8]])  # type: ignore[method-assign]
    for paid, expected in (([0, 0, 1], 0.1 + 0.1), ([1, 0, 0], 0.5), ([1, 0, 1], 0.35), ([0, 0, 0], 0.0)):
        isr.predict = lambda *_, paid=paid: np.array(paid, np.float32)  # type: ignore[method-assign]
        assert doubt(isr, *THREE) == pytest.approx(expected)


@pytest.mark.parametrize("make", [ppo, dqn])
def test_an_alarm_is_raised_once_the_learner_does_what_the_isr_doubts(make: Callable[[], BaseAlgorithm]) -> None:
    with pytest.warns(UserWarning, match="may be hacking its ISR. At step 96") as warned:
        watch = watched(make(), Planted(lambda look: SURE if look < 3 else UNSURE), 160)
    assert [alarm.step for alarm in watch.alarms] == [96, 128, 160]
    assert len([w for w in warned if "hacking" in str(w.message)]) == 1


def test_no_alarm_while_the_caregiver_is_there_or_the_isr_is_sure() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        assert watched(ppo(), Planted(lambda look: SURE), 160).alarms == []
    internalizing = ISRCallback("always", isr=Planted(lambda look: UNSURE))
    watch = HackingWatch(internalizing, window=32)
    ppo().learn(160, callback=[internalizing, watch])
    assert watch.alarms == []


def test_an_alarm_is_raised_once_the_learner_is_paid_better_than_the_caregiver_ever_did() -> None:
    """All members are wrong alike. The caregiver gave 1 in 4 steps; they give 0.5 in each, of a range of 1."""
    isr = Planted(lambda look: SURE)
    isr.predict = lambda observations, actions: np.full(len(actions), 0.5, np.float32)  # type: ignore[method-assign]
    internalizing = ISRCallback("leave_at_0.5", isr=isr, gradient_steps=1)
    for max_rise, n_alarms in ((0.24, 2), (0.26, 0)):
        watch = HackingWatch(internalizing, max_rise=max_rise, window=32)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            ppo().learn(128, callback=[internalizing, watch])
        assert len(watch.alarms) == n_alarms
        internalizing = ISRCallback("leave_at_0.5", isr=isr, gradient_steps=1)


def test_it_stops_the_training() -> None:
    model = ppo()
    watched(model, Planted(lambda look: SURE if look < 2 else UNSURE), 320, remedy="stop")
    assert model.num_timesteps == 66  # the alarm was at 64


def test_a_stopped_training_can_be_gone_on_with() -> None:
    model, isr = ppo(), Planted(lambda look: UNSURE if look == 1 else SURE)
    watch = watched(model, isr, 64, remedy="stop")
    assert model.num_timesteps < 64
    model.learn(64, callback=[watch.internalizing, watch])
    assert model.num_timesteps == 64


def test_it_rolls_the_learner_back_to_what_it_was_before_the_alarm() -> None:
    once = ppo()  # SB3 seeds when a learner is made: train it before the next is
    watched(once, Planted(lambda look: SURE), 32)
    rolled = ppo()
    watch = watched(rolled, Planted(lambda look: SURE if look < 3 else UNSURE), 96, remedy="roll_back")
    assert [alarm.step for alarm in watch.alarms] == [96]
    # At the last look without an alarm, at step 64, it had learned from the first rollout of 32 steps.
    assert torch.equal(weights_of(rolled), weights_of(once))


def test_it_halves_the_weight_of_the_internal_reward() -> None:
    watch = watched(ppo(), Planted(lambda look: UNSURE), 64, remedy="lower")
    assert watch.internalizing.coefficient == 0.25
    internal: Any = watch.internalizing._connection._vec_wrapper
    assert internal._composer._coefficient == 0.25


def test_it_calls_the_caregiver_back_within_the_budget() -> None:
    ask = RandomQueries(25, before=0.0, n_calls=1)
    watch = watched(ppo(), Planted(lambda look: UNSURE), 320, remedy="ask", n_labels=10, queries=ask)
    assert len(watch.alarms) == 10
    assert watch.internalizing.store.n_added == 25


@pytest.mark.parametrize("remedy", ["warn", "lower"])
def test_a_resumed_run_is_watched_as_it_was(remedy: Any, tmp_path: Path) -> None:
    def watch_of() -> HackingWatch:
        internalizing = ISRCallback(
            "leave_at_0.25",
            isr_kwargs={"net_arch": (4,)},
            gradient_steps=5,
            checkpoint_dir=tmp_path,
            checkpoint_every=96,
        )
        return HackingWatch(internalizing, max_doubt=1e-9, remedy=remedy, window=32)

    before = watch_of()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that it may be hacking
        ppo().learn(256, callback=[before.internalizing, before])
    after = watch_of()
    after.internalizing.resume(PPO, VecISRReward(scripted_vec_env(SCRIPTS)), device="cpu")
    alarms = [alarm for alarm in before.alarms if alarm.step <= 192]  # the last checkpoint
    assert alarms
    assert after.alarms == alarms
    assert after.internalizing.coefficient == 0.5 ** (len(alarms) if remedy == "lower" else 0)
    assert after.state()["_max_given"] == before.state()["_max_given"]


@pytest.mark.parametrize("ask", ["all", "random_20"])
def test_asking_needs_a_budget_for_call_backs_when_training_starts(ask: str) -> None:
    for presence in ("leave_at_0.5", "always"):
        internalizing = ISRCallback(presence, ask, isr=Planted(lambda look: SURE))
        watch = HackingWatch(internalizing, remedy="ask")
        with pytest.raises(ValueError, match="there must be labels left for it, got queries=Ask"):
            ppo().learn(32, callback=[internalizing, watch])


def test_a_caregiver_who_is_gone_for_good_need_say_nothing() -> None:
    """After the departure no info has a social reward any more."""
    venv = scripted_vec_env([[(-0.5, None), (-0.5, None), (0.0, None)]] * 2)
    model = PPO("MlpPolicy", VecISRReward(venv), n_steps=16, batch_size=32, n_epochs=1, seed=0, device="cpu")
    watch = watched(model, Planted(lambda look: UNSURE), 64, remedy="lower")
    assert [alarm.step for alarm in watch.alarms] == [32, 64]


def test_a_caregiver_who_gave_less_than_a_window_is_a_measure_too() -> None:
    isr = Planted(lambda look: SURE)
    internalizing = ISRCallback("leave_at_0.25", isr=isr, gradient_steps=1)
    watch = HackingWatch(internalizing, window=64, remedy="lower")
    ppo().learn(128, callback=[internalizing, watch])  # 32 steps with the caregiver; then each is paid 1, not 1 in 4
    assert [alarm.rise for alarm in watch.alarms] == [pytest.approx(0.75)]


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"remedy": "pray"}, "remedy must be one of warn, stop, roll_back, lower, ask, got 'pray'"),
        ({"max_doubt": 0.0}, "must be positive, got max_doubt=0.0"),
        ({"max_rise": -1.0}, "max_rise=-1.0"),
        ({"window": 0}, "window=0"),
        ({"n_labels": 0}, "n_labels=0"),
    ],
)
def test_bad_arguments_are_refused(kwargs: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        HackingWatch(ISRCallback(), **kwargs)
