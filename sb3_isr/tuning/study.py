"""A study: its trials, its sampler, and the loop of a worker until all trials are finished."""

from __future__ import annotations

import json
import signal
import time
import warnings
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import torch
from optuna.distributions import BaseDistribution
from optuna.exceptions import ExperimentalWarning, UpdateFinishedTrialError
from optuna.pruners import BasePruner
from optuna.samplers import BaseSampler, PartialFixedSampler, RandomSampler, TPESampler
from optuna.study import Study
from optuna.trial import FrozenTrial, Trial, TrialState

from sb3_isr.tuning import space
from sb3_isr.tuning.objective import Objective, Settings
from sb3_isr.tuning.storage import LEASE, fail_stale_trials, open_storage, retry

SAMPLERS: dict[str, Callable[[int], BaseSampler]] = {
    "tpe": lambda seed: TPESampler(seed=seed),
    "random": lambda seed: RandomSampler(seed=seed),
}
#: Number of trials that must be finished before any is pruned.
TRIALS_BEFORE_PRUNING = 5
#: Seconds between two looks at what other workers do.
POLL = 0.5
#: The user attribute of a trial that was started when another worker had just started the last one.
SURPLUS = "surplus"


@dataclass(frozen=True)
class Place:
    """
    Where a study is kept, and how it is carried out.

    :param storage: A journal's path or a database's URL.
    :param name: The study's name.
    :param n_trials: Number of trials in the end.
    :param sampler: One of ``SAMPLERS``.
    :param sampler_seed: Seeds the sampler, whoever runs the trial.
    :param lease: Seconds without a heartbeat after which a worker counts as dead.
    """

    storage: str
    name: str
    n_trials: int
    sampler: str = "tpe"
    sampler_seed: int = 0
    lease: int = LEASE


class SeededByTrial(BaseSampler):
    """
    A sampler that is seeded anew for each trial, by the number of trials that began before it.

    Trials that were put back into the queue are not counted. So a study that is stopped and resumed samples what it
    would have sampled, and no two workers sample the same.

    :param make: Makes the sampler from a seed.
    :param seed: The seed.
    """

    def __init__(self, make: Callable[[int], BaseSampler], seed: int) -> None:
        self._make = make
        self._seed = seed
        self._sampler = make(seed)

    def before_trial(self, study: Study, trial: FrozenTrial) -> None:
        """Seed the sampler."""
        begun_before = sum(origin < trial.number for origin in {_origin(other) for other in _own(study)})
        self._sampler = self._make(int(np.random.SeedSequence([self._seed, begun_before]).generate_state(1)[0]))
        self._sampler.before_trial(study, trial)

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        """Delegate to the seeded sampler."""
        return self._sampler.infer_relative_search_space(study, trial)

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """Delegate to the seeded sampler."""
        return self._sampler.sample_relative(study, trial, search_space)

    def sample_independent(
        self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        """Delegate to the seeded sampler."""
        return self._sampler.sample_independent(study, trial, param_name, param_distribution)


class BelowMedian(BasePruner):
    """
    Prunes a trial whose present value is below the median of the others at the same step.

    Optuna's own pruner takes a trial's best value so far, which a learner that has unlearned still has.
    """

    def prune(self, study: Study, trial: FrozenTrial) -> bool:
        """Decide about a trial."""
        step = trial.last_step
        done = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
        others = [other.intermediate_values[step] for other in done if step in other.intermediate_values]
        if step is None or len(others) < TRIALS_BEFORE_PRUNING:
            return False
        return trial.intermediate_values[step] < float(np.median(others))


def open_study(settings: Settings, place: Place) -> Study:
    """
    Open a study, or make it.

    :param settings: Its settings.
    :param place: Where it is.
    :return: The study.
    :raises ValueError: If there is a study of that name with other settings.
    """
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    fix = dict(space.fixed(text) for text in settings.fix)

    def make(seed: int) -> BaseSampler:
        sampler = SAMPLERS[place.sampler](seed)
        return PartialFixedSampler(fix, sampler) if fix else sampler

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        study = optuna.create_study(
            storage=open_storage(place.storage, place.lease),
            study_name=place.name,
            directions=settings.directions,
            sampler=SeededByTrial(make, place.sampler_seed),
            pruner=BelowMedian(),
            load_if_exists=True,
        )
    ours = _described(settings, place)
    if "settings" not in study.user_attrs:
        study.set_user_attr("settings", ours)
    theirs = study.user_attrs["settings"]
    if different := [key for key in ours if ours[key] != theirs.get(key)]:
        details = "; ".join(f"{key}: {theirs.get(key)} there, {ours[key]} here" for key in different)
        raise ValueError(
            f"All workers of a study must have the same settings, got others than those of study {place.name} "
            f"({details}). Start it with the same command, or name another study: --study NAME"
        )
    return study


def finished(study: Study) -> list[FrozenTrial]:
    """
    Get the finished trials of a study.

    :param study: A study.
    :return: The trials, without those that were put back into the queue.
    """
    return [trial for trial in _own(study) if trial.state.is_finished()]


def running(study: Study) -> list[FrozenTrial]:
    """
    Get the running trials of a study.

    :param study: A study.
    :return: The trials that a worker runs, or ran when it died.
    """
    return [trial for trial in _own(study) if trial.state == TrialState.RUNNING]


def failure(trial: FrozenTrial) -> str | None:
    """
    Get the reason of a failure.

    :param trial: A trial.
    :return: Why it failed; None if it did not.
    """
    if trial.state != TrialState.FAIL:
        return None
    return str(trial.user_attrs.get("failure", "its worker died each time (killed, or out of memory)"))


def stop_once(signum: int, frame: object) -> None:
    """
    Handle SIGTERM, which may reach a group of processes twice: the second must not interrupt the clean-up.

    :raises KeyboardInterrupt: Always.
    """
    signal.signal(signum, signal.SIG_IGN)
    raise KeyboardInterrupt


def work(settings: Settings, place: Place) -> None:
    """
    Run trials until all of the study's are finished, by this worker or by others.

    :param settings: The settings of the study.
    :param place: Where it is.
    :raises KeyboardInterrupt: At SIGTERM; the trial in flight has then been put back into the queue.
    """
    signal.signal(signal.SIGTERM, stop_once)
    torch.set_num_threads(1)  # workers share the machine
    study = open_study(settings, place)
    objective = Objective(settings)
    while True:
        n_running = len(running(study))
        if len(finished(study)) + n_running < place.n_trials:
            _run_one(study, objective, place.n_trials)
        elif n_running:  # if their worker dies, this one runs them
            fail_stale_trials(study)
            time.sleep(POLL)
        else:
            return


def _run_one(study: Study, objective: Objective, n_trials: int) -> None:
    in_flight: list[int] = []

    def run(trial: Trial) -> list[float]:
        if _is_surplus(study, trial, n_trials):
            trial.set_user_attr(SURPLUS, True)
            raise RuntimeError("Another worker had just started the last trial.")
        in_flight.append(trial.number)
        return objective(trial)

    try:
        study.optimize(run, n_trials=1, catch=(Exception,))
    except (UpdateFinishedTrialError, ValueError):  # Optuna raises either for a trial that is already finished
        if any(study.trials[number].state.is_finished() for number in in_flight):
            return  # this worker was held up, taken for dead, and its trial given to another one
        raise
    except KeyboardInterrupt:
        for number in in_flight:
            trial = study.trials[number]
            if trial.state == TrialState.FAIL:
                retry(study, trial)
        raise


def _is_surplus(study: Study, trial: Trial, n_trials: int) -> bool:
    """Whether workers that started a trial at the same moment have started one too many, of which this is the last."""
    origin = _origin(study.trials[trial.number])
    return sum(other < origin for other in {_origin(other) for other in _own(study)}) >= n_trials


def _own(study: Study) -> list[FrozenTrial]:
    """All trials except those that were put back into the queue as new ones, and surplus ones."""
    trials = study.get_trials(deepcopy=False)
    retried = {number for trial in trials for number in trial.system_attrs.get("retry_history", [])}
    return [trial for trial in trials if trial.number not in retried and SURPLUS not in trial.user_attrs]


def _origin(trial: FrozenTrial) -> int:
    return int(trial.system_attrs.get("failed_trial", trial.number))


def _described(settings: Settings, place: Place) -> dict[str, Any]:
    described = {
        **asdict(replace(settings, registration=None)),
        "sampler": place.sampler,
        "sampler_seed": place.sampler_seed,
    }
    if settings.space_file:  # machines may have it in different places
        described["space_file"] = Path(settings.space_file).read_text()
    del described["registration"]  # another machine may have the packages elsewhere
    plain: dict[str, Any] = json.loads(json.dumps(described))
    return plain
