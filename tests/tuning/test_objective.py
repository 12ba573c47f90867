"""The values of a trial; and trials that raise an error, are bad, or need too many labels."""

import math
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import gymnasium as gym
import numpy as np
import optuna
import pytest
from optuna.trial import FrozenTrial, TrialState

from sb3_isr.tuning.objective import Objective, Settings, check_settings, evaluate
from sb3_isr.tuning.study import TRIALS_BEFORE_PRUNING, BelowMedian
from tests.tuning.small import ENTRY, SETTINGS


class Strange(gym.Env[Any, Any]):
    """Ten steps an episode, with a given social reward."""

    observation_space = gym.spaces.Box(-1, 1, (1,), np.float32)
    action_space = gym.spaces.Discrete(2)

    def __init__(self, social_reward: Any = 1.0, length: int = 10) -> None:
        self.social_reward, self.length = social_reward, length

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        self.n_steps = 0
        return np.zeros(1, np.float32), {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        self.n_steps += 1
        if isinstance(self.social_reward, AssertionError):
            raise self.social_reward
        info = {"social_reward": self.social_reward}
        return np.zeros(1, np.float32), self.social_reward, False, self.n_steps == self.length, info


@pytest.fixture(autouse=True)
def _registered() -> Iterator[None]:
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    gym.register("Strange-v0", lambda **kwargs: Strange(**kwargs))
    yield
    del gym.registry["Strange-v0"]


def strange(**env_kwargs: Any) -> Settings:
    entry = {**ENTRY, "env_kwargs": env_kwargs, "learning_rate": 1e-3}
    return replace(SETTINGS, env_id="Strange-v0", entry=entry, timesteps=1280)


def run(settings: Settings, n_trials: int = 1, pruner: optuna.pruners.BasePruner | None = None) -> list[FrozenTrial]:
    study = optuna.create_study(
        directions=settings.directions, sampler=optuna.samplers.RandomSampler(seed=0), pruner=pruner
    )
    study.optimize(Objective(settings), n_trials, catch=(Exception,))
    return study.trials


def test_return_and_labels() -> None:
    (trial,) = run(replace(strange(social_reward=0.5), parts=("isr_network",)))
    assert trial.values == [5.0, 640.0]  # ten steps of 0.5, attended or not; the caregiver leaves half way
    assert trial.user_attrs["labels"] == [640]
    assert trial.user_attrs["entry"]["n_timesteps"] == 1280


@pytest.mark.slow
def test_seeds_advance_side_by_side() -> None:
    reports: list[tuple[int, float, float]] = []
    outcome = evaluate(SETTINGS, {**ENTRY, "n_timesteps": 1280}, range(3), lambda *args: reports.append(args))
    assert [step for step, *_ in reports] == list(range(64, 1281, 64))
    assert reports[-1][1] == pytest.approx(np.mean([curve[-1] for curve in outcome.curves]), nan_ok=True)
    assert reports[-1][2] == np.mean(outcome.labels)
    assert len({str(curve) for curve in outcome.curves}) == 3
    alone = evaluate(SETTINGS, {**ENTRY, "n_timesteps": 1280}, range(1, 2))
    assert alone.returns == [outcome.returns[1]]
    assert str(alone.curves) == str([outcome.curves[1]])


@pytest.mark.parametrize(
    ("env_kwargs", "reason"),
    [
        ({"social_reward": AssertionError("out of order")}, "AssertionError: out of order"),
        ({"social_reward": math.nan}, "ValueError: .*finite"),
        ({"length": 10**6}, "NoReturnError: An episode must end in the last 10% of training"),
    ],
)
def test_a_trial_that_raises_an_error_has_failed_with_its_reason(env_kwargs: dict[str, Any], reason: str) -> None:
    (trial,) = run(strange(**env_kwargs))
    assert trial.state == TrialState.FAIL
    with pytest.raises(AssertionError, match=reason):
        raise AssertionError(trial.user_attrs["failure"])


def test_a_return_that_is_not_finite_in_autonomy_is_a_failure_too() -> None:
    class Breaks(Strange):
        n_total = 0

        def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
            *rest, _ = super().step(action)
            self.n_total += 1
            return (*rest, {"social_reward": 0.0 if self.n_total < 300 else math.inf})

    gym.register("Breaks-v0", lambda **kwargs: Breaks(**kwargs))
    try:
        (trial,) = run(replace(strange(), env_id="Breaks-v0"))
    finally:
        del gym.registry["Breaks-v0"]
    assert trial.state == TrialState.FAIL
    assert "finite" in trial.user_attrs["failure"]


@pytest.mark.slow
def test_the_most_return_with_few_labels() -> None:
    settings = replace(strange(), max_labels=200)
    trials = run(settings, 8)
    assert {trial.state for trial in trials} == {TrialState.COMPLETE, TrialState.PRUNED}
    for trial in trials:
        is_feasible = all(value <= 0 for value in trial.constraints.values())
        assert is_feasible == (trial.state == TrialState.COMPLETE)
        if is_feasible:
            assert trial.values == [pytest.approx(10.0)]
            assert trial.user_attrs["labels"][0] <= 200


@pytest.mark.slow
def test_the_fewest_labels_with_enough_return() -> None:
    (enough,) = run(replace(strange(), min_return=10.0))
    (too_few,) = run(replace(strange(), min_return=10.5))
    assert enough.values == enough.user_attrs["labels"]
    assert enough.constraints == {"return": pytest.approx(0.0)}
    assert too_few.constraints == {"return": pytest.approx(0.5)}


def test_what_has_been_unlearned_is_pruned_however_good_it_was() -> None:
    study = optuna.create_study(direction="maximize", pruner=BelowMedian())
    for _ in range(TRIALS_BEFORE_PRUNING):
        other = study.ask()
        for step, value in ((10, 0.5), (20, 0.6)):
            other.report(value, step)
        study.tell(other, 0.6)
    trial = study.ask()
    trial.report(0.9, 10)
    assert not trial.should_prune()
    trial.report(0.1, 20)
    assert trial.should_prune()


class AlwaysPrunes(optuna.pruners.BasePruner):
    """Would prune every trial at once."""

    def prune(self, study: optuna.Study, trial: FrozenTrial) -> bool:
        return True


def test_no_trial_is_pruned_before_the_warm_up_is_over() -> None:
    settings = replace(strange(), max_labels=10**6, warm_up=0.7)
    (trial,) = run(settings, pruner=AlwaysPrunes())
    assert trial.state == TrialState.PRUNED
    assert max(trial.intermediate_values) == 960  # the first after 896: a rollout has 128 steps
    (front,) = run(strange(), pruner=AlwaysPrunes())  # of two objectives nothing is pruned
    assert front.state == TrialState.COMPLETE


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"timesteps": 10}, "--timesteps must be at least 20, got 10"),
        ({"seeds": 0}, "--seeds must be at least 1, got 0"),
        ({"max_labels": 5, "min_return": 1.0}, "exclude each other, got both"),
        ({"space_file": "nowhere.py"}, r"--space must be a Python file, got nowhere\.py"),
        ({"search": ("gamma",)}, "--search takes"),
        ({"fix": ("gamma",)}, "--fix takes"),
        ({"warm_up": 1.5}, "--warm-up"),
    ],
)
def test_wrong_settings_are_refused(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        check_settings(replace(SETTINGS, **wrong))
