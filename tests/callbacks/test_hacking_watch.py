"""HackingWatch on ISRs whose predictions are planted."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from stable_baselines3 import DQN, PPO
from stable_baselines3.common.base_class import BaseAlgorithm

from sb3_isr import HackingWatch, InternalSocialReward, ISRCallback, ISRCheckpoint, RandomQueries, VecISRReward
from sb3_isr.callbacks.hacking_watch import uncertainty
from sb3_isr.labels import LabelRange
from sb3_isr.labels.label_range import LabelRanges
from tests.callbacks.learners import SURE, UNSURE, Planted, Watch, off_policy, ppo, scripted, weights_of
from tests.labels.made_labels import labelled, make_transitions
from tests.scripted_env import scripted_vec_env

THREE = make_transitions(np.zeros((3, 2), np.float32), np.zeros(3, int))


def watched(model: BaseAlgorithm, isr: InternalSocialReward, steps: int, **kwargs: Any) -> HackingWatch:
    """Train in autonomy, with windows of 32 transitions."""
    queries = kwargs.pop("queries", "all")
    watch = HackingWatch(**{"window": 32, **kwargs})
    trainer_kwargs = {"gradient_steps": 5}
    model.learn(steps, callback=ISRCallback("never", queries, isr, trainer_kwargs=trainer_kwargs, callback=watch))
    return watch


@pytest.mark.parametrize(
    ("predictions", "expected"),
    [
        ((0.0, 0.0), 0.0),
        ((1.0, 1.0), 0.0),
        ((0.3, 0.3), 0.3),  # from the nearest label
        ((0.0, 1.0), 0.5),  # from each other
        ((1.25, 1.25), 0.25),
    ],
)
def test_doubt_is_distance_from_any_label_and_from_each_other(
    predictions: tuple[float, float], expected: float
) -> None:
    assert uncertainty(Planted(lambda window: predictions), THREE) == pytest.approx(expected)


def test_doubt_is_relative_to_the_range_of_labels() -> None:
    isr = Planted(lambda window: (3.0, 3.0))
    isr.label_ranges = LabelRanges.both(LabelRange(0.0, 10.0, (0.0, 10.0)))
    assert uncertainty(isr, THREE) == pytest.approx(0.3)
    # A caregiver with graded rewards may give anything in between.
    isr.label_ranges = LabelRanges.both(LabelRange(0.0, 10.0))
    assert uncertainty(isr, THREE) == 0.0


def test_only_doubt_about_what_is_paid_counts() -> None:
    """Members differ by 1 on the first of three transitions, and by 0.2 on the last."""
    isr = Planted(lambda window: SURE)
    isr.predict_members = lambda *_: np.array([[0.0, 0.0, 1.0], [1.0, 0.0, 0.8]])  # type: ignore[method-assign]
    for paid, expected in (([0, 0, 1], 0.1 + 0.1), ([1, 0, 0], 0.5), ([1, 0, 1], 0.35), ([0, 0, 0], 0.0)):
        isr.predict = lambda *_, paid=paid: np.array(paid, np.float32)  # type: ignore[method-assign]
        assert uncertainty(isr, THREE) == pytest.approx(expected)


@pytest.mark.parametrize("make", [ppo, lambda: off_policy(DQN)], ids=["PPO", "DQN"])
def test_an_alarm_is_raised_once_the_isr_is_unsure_of_what_the_learner_does(make: Callable[[], BaseAlgorithm]) -> None:
    with pytest.warns(UserWarning, match="may be hacking its ISR. At step 96") as warned:
        watch = watched(make(), Planted(lambda window: SURE if window < 3 else UNSURE), 160)
    assert [alarm.step for alarm in watch.alarms] == [96, 128, 160]
    assert len([w for w in warned if "hacking" in str(w.message)]) == 1


def test_there_is_no_alarm_while_the_caregiver_is_present_or_the_isr_is_sure() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        assert watched(ppo(), Planted(lambda window: SURE), 160).alarms == []
    watch = HackingWatch(window=32)
    ppo().learn(160, callback=ISRCallback("always", isr=Planted(lambda window: UNSURE), callback=watch))
    assert watch.alarms == []


@pytest.mark.parametrize(("max_rise", "n_alarms"), [(0.24, 2), (0.26, 0)])
def test_an_alarm_is_raised_once_the_learner_is_paid_more_than_the_caregiver_ever_gave(
    max_rise: float, n_alarms: int
) -> None:
    """All members are wrong alike. The caregiver gave 1 in 4 steps; they give 0.5 in each, of a range of 1."""
    isr = Planted(lambda window: SURE)
    isr.predict = lambda observations, actions, *outcome: np.full(len(actions), 0.5, np.float32)  # type: ignore[method-assign]
    watch = HackingWatch(max_rise=max_rise, window=32, remedy="lower")
    ppo().learn(128, callback=ISRCallback(isr=isr, trainer_kwargs={"gradient_steps": 1}, callback=watch))
    assert len(watch.alarms) == n_alarms


def test_it_logs_doubt_and_rise() -> None:
    logs, watch = Watch(), HackingWatch(window=32, remedy="lower")
    ppo().learn(32, callback=[ISRCallback("never", isr=Planted(lambda window: UNSURE), callback=watch), logs])
    (logged,) = logs.logged
    assert logged["isr/uncertainty"] == pytest.approx(0.4)
    assert np.isnan(logged["isr/rise"])  # the caregiver never attended


def test_it_stops_the_training() -> None:
    model = ppo()
    watched(model, Planted(lambda window: SURE if window < 2 else UNSURE), 320, remedy="stop")
    assert model.num_timesteps == 66  # the alarm was at 64


def test_a_stopped_training_can_be_continued() -> None:
    model, isr = ppo(), Planted(lambda window: UNSURE if window == 1 else SURE)
    watch = watched(model, isr, 64, remedy="stop")
    assert model.num_timesteps < 64
    model.learn(64, callback=watch.isr_callback)
    assert model.num_timesteps == 64


def test_it_rolls_the_learner_back_to_what_it_was_before_the_alarm() -> None:
    once = ppo()  # SB3 seeds when a learner is made: train it before the next is
    watched(once, Planted(lambda window: SURE), 32)
    rolled = ppo()
    watch = watched(rolled, Planted(lambda window: SURE if window < 3 else UNSURE), 96, remedy="roll_back")
    assert [alarm.step for alarm in watch.alarms] == [96]
    # At the last window without an alarm, at step 64, it had learned from the first rollout of 32 steps.
    assert torch.equal(weights_of(rolled.policy), weights_of(once.policy))


def test_it_halves_the_weight_of_the_internal_reward() -> None:
    model = ppo()
    watch = watched(model, Planted(lambda window: UNSURE), 64, remedy="lower")
    assert watch.isr_callback.coefficient == 0.25
    env: Any = model.get_env()
    assert env.composer._coefficient == 0.25


def test_it_queries_the_caregiver_within_the_budget() -> None:
    queries = RandomQueries(25, attended_fraction=0.0, n_rounds=1)
    watch = watched(ppo(), Planted(lambda window: UNSURE), 320, remedy="query", n_labels=10, queries=queries)
    assert len(watch.alarms) == 10
    assert watch.isr_callback.store.n_added == 25


@pytest.mark.parametrize("queries", ["all", "random_20"])
@pytest.mark.parametrize("presence", ["leave_at_0.5", "always"])
def test_to_query_there_must_be_labels_reserved_for_it_when_training_starts(queries: str, presence: str) -> None:
    isr = Planted(lambda window: SURE)
    model, callback = ppo(), ISRCallback(presence, queries, isr, callback=HackingWatch(remedy="query"))
    with pytest.raises(ValueError, match="labels must be reserved for it, got none"):
        model.learn(32, callback=callback)
    assert model.num_timesteps == 0


def test_after_the_departure_no_label_is_needed() -> None:
    """A real caregiver who has left gives none, and info has no social reward any more."""
    venv = scripted_vec_env([[(-0.5, None), (-0.5, None), (0.0, None)]] * 2)
    watch = watched(ppo(VecISRReward(venv)), Planted(lambda window: UNSURE), 64, remedy="lower")
    assert [alarm.step for alarm in watch.alarms] == [32, 64]


def test_a_caregiver_who_gave_less_than_a_window_is_a_measure_too() -> None:
    watch = HackingWatch(window=64, remedy="lower")
    callback = ISRCallback(
        "leave_at_0.25", isr=Planted(lambda window: SURE), trainer_kwargs={"gradient_steps": 1}, callback=watch
    )
    ppo().learn(128, callback=callback)  # 32 steps with the caregiver; then each is paid 1, not 1 in 4
    assert [alarm.rise for alarm in watch.alarms] == [pytest.approx(0.75)]


def test_the_highest_mean_of_the_caregiver_is_that_of_a_whole_window() -> None:
    watch = HackingWatch(window=4)
    given = np.array([0, 0, 1, 1, 1, 1, 0, 0, 0, 0], np.float32)
    for two in given.reshape(-1, 2):
        watch.on_labels(labelled(np.zeros((2, 2), np.float32), np.zeros(2, int), two))
    assert watch.state_dict()["_highest_mean"] == 0.5


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"remedy": "pray"}, "remedy must be one of warn, stop, roll_back, lower, query, got 'pray'"),
        ({"max_uncertainty": 0.0}, r"max_uncertainty must be .* in \(0, inf\), got 0.0"),
        ({"max_rise": -1.0}, r"max_rise must be .*got -1.0"),
        ({"window": 0}, "window must be a whole number, 1 or more, got 0"),
        ({"n_labels": 0}, "n_labels must be a whole number, 1 or more, got 0"),
    ],
)
def test_bad_arguments_are_refused(kwargs: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        HackingWatch(**kwargs)


# --- checkpoints


class Lap:
    """A training of 256 steps with checkpoints; the ISR is unsure of the learner in every other window."""

    def __init__(self, algorithm: Any, remedy: Any, folder: Path) -> None:
        self.algorithm = algorithm
        self.checkpoint = ISRCheckpoint(folder, every=72)
        self.watch = HackingWatch(max_rise=10.0, remedy=remedy, window=12, n_labels=3)
        self.callback = ISRCallback(
            "leave_at_0.25",
            RandomQueries(40, attended_fraction=0.5) if remedy == "query" else "all",
            isr=Planted(lambda _: SURE if self.model.num_timesteps // 32 % 2 == 1 else UNSURE),
            trainer_kwargs={"gradient_steps": 5},
            callback=[self.checkpoint, self.watch],  # so that a checkpoint may hold a roll-back that is still to come
        )

    def run(self) -> list[Any]:
        """Train to the end from where it is, and return what came of it."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that it may be hacking
            if self.checkpoint.can_resume():
                self.model = self.checkpoint.resume(self.algorithm, scripted(), device="cpu")
            else:
                self.model = ppo() if self.algorithm is PPO else off_policy(DQN, buffer_size=500)
            steps = 256 - self.model.num_timesteps
            self.model.learn(steps, callback=self.callback, reset_num_timesteps=False)
        state = {name: value for name, value in self.watch.state_dict().items() if name in ("alarms", "_highest_mean")}
        weights = weights_of(self.model.policy, self.callback.isr).tolist()
        return [state, self.callback.coefficient, self.callback.store.n_added, weights]


@pytest.mark.parametrize("algorithm", [PPO, DQN])
@pytest.mark.parametrize("remedy", ["warn", "roll_back", "lower", "query"])
def test_a_resumed_run_is_watched_as_if_never_interrupted(algorithm: Any, remedy: Any, tmp_path: Path) -> None:
    whole = Lap(algorithm, remedy, tmp_path).run()
    assert len(whole[0]["alarms"]) >= 3
    (checkpoint,) = tmp_path.iterdir()
    assert 192 <= int(checkpoint.name.removeprefix("step_")) < 256
    assert Lap(algorithm, remedy, tmp_path).run() == whole
