"""The objective: from a trial to the true social return late in training and the number of labels."""

from __future__ import annotations

import math
import runpy
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, NamedTuple

import gymnasium as gym
import numpy as np
import optuna
from optuna.trial import Trial

from sb3_isr.tuning import space
from sb3_isr.tuning.entry import Entry, build, changed, merged
from sb3_isr.tuning.environment import Registration
from sb3_isr.tuning.learner import PieceByPiece

#: Returns are measured over the episodes that end in this last fraction of training.
LATE = 0.1
#: Number of pieces in which the learners of a trial advance side by side; trials are pruned between them.
PIECES = 20
#: Number of trials that are sampled beforehand, to see which parameters are searched.
SAMPLES = 50
#: Parameters named with this prefix are arguments of ISRCallback; dots lead into its dictionaries.
CALLBACK_PREFIX = "isr."


@dataclass(frozen=True)
class Settings:
    """
    The settings that all workers of a study share.

    :param env_id: A registered Gymnasium id.
    :param algo: RL Zoo's name of the algorithm.
    :param entry: The entry that a trial changes.
    :param timesteps: Environment steps of each seed's training.
    :param seeds: Each trial trains seeds 0 to ``seeds - 1``.
    :param parts: Parts of the search space: names in ``space.PARTS``.
    :param sample_algo: Whether the algorithm's own hyperparameters are searched too.
    :param search: Further parameters, as ``space.searched`` reads them.
    :param fix: Parameters that are not searched, as ``space.fixed`` reads it.
    :param space_file: A Python file whose functions ``callback(trial)`` and ``algorithm(trial)`` give further
        arguments of ISRCallback and values of the entry; either may be missing.
    :param max_labels: Search for the greatest return with at most this many labels, per seed.
    :param min_return: Search for the fewest labels with at least this return.
    :param warm_up: No trial is pruned before this fraction of training.
    :param registration: Makes the environment known in workers; None if the packages of sb3-isr register it.
    """

    env_id: str
    algo: str
    entry: Entry
    timesteps: int
    seeds: int
    parts: tuple[str, ...]
    sample_algo: bool = False
    search: tuple[str, ...] = ()
    fix: tuple[str, ...] = ()
    space_file: str | None = None
    max_labels: int | None = None
    min_return: float | None = None
    warm_up: float = 0.5
    registration: Registration | None = field(default=None, compare=False)

    def register(self) -> None:
        """Make the environment known in this process."""
        if self.registration is not None:
            self.registration.apply()

    @property
    def directions(self) -> list[Literal["maximize", "minimize"]]:
        """Optuna's directions of the objectives."""
        if self.max_labels is not None:
            return ["maximize"]
        return ["minimize"] if self.min_return is not None else ["maximize", "minimize"]


class NoReturnError(ValueError):
    """There is no true social return to optimize."""


class Outcome(NamedTuple):
    """
    The outcome of an entry on several seeds.

    :param returns: Mean true social return per episode late in training, of each seed.
    :param labels: Number of labels, of each seed.
    :param curves: For each seed the mean return in each piece of training; NaN where no episode ended.
    """

    returns: list[float]
    labels: list[int]
    curves: list[list[float]]


def evaluate(
    settings: Settings,
    entry: Entry,
    seeds: range,
    report: Callable[[int, float, float], None] = lambda step, value, labels: None,
) -> Outcome:
    """
    Train an entry on several seeds side by side.

    :param settings: Environment, algorithm, length.
    :param entry: The entry that is trained.
    :param seeds: Which seeds.
    :param report: Called after each piece with steps made, mean return in the piece (NaN if no episode ended in it) and
        mean number of labels so far, over seeds.
    :return: The outcome.
    :raises NoReturnError: If no episode ends late in training, or a return is not finite.
    """
    settings.register()
    timesteps = settings.timesteps
    learners = [PieceByPiece(entry, settings.env_id, settings.algo, timesteps, seed) for seed in seeds]
    curves: list[list[float]] = [[] for _ in learners]
    try:
        for piece in range(1, PIECES + 1):
            start, end = timesteps * (piece - 1) // PIECES, timesteps * piece // PIECES
            for learner, curve in zip(learners, curves, strict=True):
                before = learner.model.num_timesteps
                learner.advance(end)
                ended = learner.episodes.between("social_return", before, learner.model.num_timesteps)
                curve.append(float(np.mean(ended)) if ended else math.nan)
                if ended and not math.isfinite(curve[-1]):
                    raise NoReturnError(
                        f"The true social return must be finite, but is {curve[-1]} between steps {start} and {end}."
                    )
            report(end, float(np.mean([c[-1] for c in curves])), float(np.mean([one.labels for one in learners])))
        late = [one.episodes.between("social_return", (1 - LATE) * timesteps) for one in learners]
        if not all(late):
            raise NoReturnError(
                f"An episode must end in the last {LATE:.0%} of training, but in {timesteps} steps none does; train "
                "longer, or limit the length of episodes."
            )
        return Outcome([float(np.mean(values)) for values in late], [one.labels for one in learners], curves)
    finally:
        for learner in learners:
            learner.close()


class Objective:
    """
    Evaluates trials. The entry of a trial and its outcome are kept in its user attributes.

    :param settings: The settings of the study.
    """

    def __init__(self, settings: Settings) -> None:
        settings.register()
        self.settings = settings
        self._searched = [space.searched(text) for text in settings.search]
        self._file = runpy.run_path(settings.space_file) if settings.space_file else {}
        self._algorithm: Callable[[Trial], dict[str, Any]] | None = None

    def __call__(self, trial: Trial) -> list[float]:
        """
        Evaluate a trial.

        :param trial: The trial.
        :return: One value for each direction.
        """
        try:
            return self._values(trial)
        except optuna.TrialPruned:
            raise
        except Exception as error:
            trial.set_user_attr("failure", f"{type(error).__name__}: {error}"[:500])
            raise

    def entry(self, trial: Trial) -> Entry:
        """
        Get the entry of a trial.

        :param trial: The trial; its user attribute ``timesteps`` is set.
        :return: The entry that it trains.
        """
        callback: dict[str, Any] = {}
        for part in self.settings.parts:
            callback = merged(callback, space.PARTS[part](trial))
        algorithm = self._sampled(trial) if self.settings.sample_algo else {}
        for name, suggest in self._searched:
            if name.startswith(CALLBACK_PREFIX):
                callback = merged(callback, _nested(name.removeprefix(CALLBACK_PREFIX), suggest(trial)))
            else:
                algorithm[name] = suggest(trial)
        if "callback" in self._file:
            callback = merged(callback, self._file["callback"](trial))
        if "algorithm" in self._file:
            algorithm.update(self._file["algorithm"](trial))
        return changed({**self.settings.entry, "n_timesteps": self.settings.timesteps}, callback, algorithm)

    def _values(self, trial: Trial) -> list[float]:
        settings = self.settings
        trial.set_user_attr("timesteps", settings.timesteps)
        entry = self.entry(trial)
        trial.set_user_attr("entry", entry)
        outcome = evaluate(settings, entry, range(settings.seeds), lambda *args: self._report(trial, *args))
        for name, values in outcome._asdict().items():
            trial.set_user_attr(name, [_finite(value) for value in values])
        value, labels = float(np.mean(outcome.returns)), float(np.mean(outcome.labels))
        if settings.max_labels is not None:
            trial.set_constraint("labels", labels - settings.max_labels)
            return [value]
        if settings.min_return is not None:
            trial.set_constraint("return", settings.min_return - value)
            return [labels]
        return [value, labels]

    def _report(self, trial: Trial, step: int, value: float, labels: float) -> None:
        # Optuna prunes if one value is maximized that grows over a trial. Two values have no such order, and labels do
        # not tell how good a trial will be.
        settings = self.settings
        if settings.max_labels is None:
            return
        if labels > settings.max_labels:  # they only grow
            trial.set_constraint("labels", labels - settings.max_labels)
            raise optuna.TrialPruned(f"{labels:.0f} labels by step {step}")
        if math.isfinite(value):
            trial.report(value, step)
            may_be_pruned = settings.warm_up * settings.timesteps <= step < settings.timesteps
            if may_be_pruned and trial.should_prune():
                trial.set_constraint("labels", labels - settings.max_labels)
                raise optuna.TrialPruned(f"return {value:.3g} at step {step}")

    def _sampled(self, trial: Trial) -> dict[str, Any]:
        if self._algorithm is None:
            model, _ = build({**self.settings.entry, "n_timesteps": 1}, self.settings.env_id, self.settings.algo, 0)
            actions = model.action_space
            n_actions = actions.shape[0] if isinstance(actions, gym.spaces.Box) else 0
            self._algorithm = space.algorithm(self.settings.algo, model.n_envs, n_actions)
        return self._algorithm(trial)


def check_settings(settings: Settings) -> None:
    """
    Check settings before anything runs.

    :param settings: The settings of a study.
    :raises ValueError: If they are wrong.
    """
    if settings.timesteps < PIECES:
        raise ValueError(f"--timesteps must be at least {PIECES}, got {settings.timesteps}.")
    if settings.seeds < 1:
        raise ValueError(f"--seeds must be at least 1, got {settings.seeds}.")
    if not 0.0 <= settings.warm_up <= 1.0:
        raise ValueError(f"--warm-up is a fraction of training and must lie in [0, 1], got {settings.warm_up}.")
    if settings.max_labels is not None and settings.min_return is not None:
        raise ValueError(
            "--max-labels and --min-return exclude each other, got both; give one of them, or neither for the front."
        )
    if settings.space_file and not Path(settings.space_file).is_file():
        raise ValueError(f"--space must be a Python file, got {settings.space_file}.")
    for text in settings.search:
        space.searched(text)
    fixed = dict(space.fixed(text) for text in settings.fix)
    objective, study = Objective(settings), optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    names: set[str] = set()
    for _ in range(SAMPLES):
        trial = study.ask()
        trial.set_user_attr("timesteps", settings.timesteps)
        entry = objective.entry(trial)
        names |= set(trial.params)
    if unknown := fixed.keys() - names:
        raise ValueError(
            f"--fix must name parameters that are searched, some of {sorted(names)}, got {sorted(unknown)}."
        )
    try:
        model, _ = build(entry, settings.env_id, settings.algo, 0)
    except TypeError as error:
        raise ValueError(f"What is searched must be arguments of the algorithm, or of ISRCallback: {error}.") from error
    assert model.env is not None
    model.env.close()


def _nested(name: str, value: Any) -> dict[str, Any]:
    """``{"a": {"b": value}}`` for the name ``a.b``."""
    for part in reversed(name.split(".")):
        value = {part: value}
    assert isinstance(value, dict)
    return value


def _finite(value: Any) -> Any:
    """Replace what JSON, the format of storages, does not have: NaN."""
    if isinstance(value, list):
        return [_finite(one) for one in value]
    return value if math.isfinite(value) else None
