"""
Experiments as data: a run is a frozen dataclass that holds everything its result depends on.

Equal runs are one run: figures share what they can, and one socialization serves all that starts from it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import PurePosixPath
from typing import Literal, TypeAlias

from reproduction.protocols import Protocol
from reproduction.study_runs import Hackability, TaskRun, TeachRun
from sb3_isr.envs.coin_game.maps import MAPS
from sb3_isr.evaluation.conditions import Condition

Checkpoint = Literal["last", "best"]

#: Where learners are evaluated that were socialized with 1 wall.
NEW_TASKS = ("5 walls", *MAPS)


@dataclass(frozen=True)
class Socialization:
    """
    PPO learns from the environment and a caregiver; all labels are kept.

    :param protocol: Networks, settings and lengths.
    :param task: One of ``TASKS``.
    :param learning_rate: PPO's.
    :param seed: Seeds everything.
    """

    protocol: Protocol
    task: str
    learning_rate: float
    seed: int

    @property
    def steps(self) -> int:
        """Environment steps."""
        return self.protocol.socialization_steps

    @property
    def evaluate_on(self) -> tuple[str, ...]:
        """Tasks on which last and best policy are evaluated at the end."""
        return () if self.task == "prosocial" else ("1 wall", "3 walls", *NEW_TASKS)

    @property
    def requires(self) -> tuple[Run, ...]:
        """Runs that must be done before."""
        return ()

    @cached_property
    def path(self) -> PurePosixPath:
        """The name of the run, as a relative path."""
        return _path(self, "socialization", self.task, f"lr {self.learning_rate:g}")


@dataclass(frozen=True)
class _AfterSocialization:
    """A run that starts from a socialization has its protocol and its seed."""

    socialization: Socialization

    @property
    def protocol(self) -> Protocol:
        """Networks, settings and lengths."""
        return self.socialization.protocol

    @property
    def seed(self) -> int:
        """Seeds everything."""
        return self.socialization.seed


@dataclass(frozen=True)
class Internalization(_AfterSocialization):
    """
    An ISR is trained on the labels of a socialization.

    Of the labels, in the order they were given, nine tenths are trained on, and the last tenth is held out.

    :param socialization: The socialization.
    :param steps: The labels are those of its first so many steps.
    :param n_labels: Number of random labels among them; None for all.
    :param batch_size: In place of the protocol's own.
    :param learning_rate: In place of the protocol's own.
    """

    steps: int
    n_labels: int | None = None
    batch_size: int | None = None
    learning_rate: float | None = None

    @property
    def requires(self) -> tuple[Run, ...]:
        """Runs that must be done before."""
        return (self.socialization,)

    @cached_property
    def path(self) -> PurePosixPath:
        """The name of the run, as a relative path."""
        parts = [self.socialization.task, f"lr {self.socialization.learning_rate:g}", f"steps {self.steps}"]
        parts += [f"labels {self.n_labels}"] if self.n_labels else []
        parts += [f"batch {self.batch_size}"] if self.batch_size else []
        parts += [f"isr lr {self.learning_rate:g}"] if self.learning_rate else []
        return _path(self, "internalization", *parts)


@dataclass(frozen=True)
class Autonomy(_AfterSocialization):
    """
    A socialized learner goes on learning.

    :param socialization: What it starts from.
    :param task: One of ``TASKS``: the old one or a new one.
    :param condition: What rewards it besides the environment: the ISR, nothing, or the caregiver, who stays.
    :param steps: Environment steps.
    :param isr: The ISR, if the condition is "isr".
    :param start: The socialization's last checkpoint, or the best by training reward.
    :param threshold: An internal reward of at most this counts as 0; None to take each as it is.
    :param evaluate_on: Tasks on which last and best policy are evaluated at the end.
    """

    task: str
    condition: Condition
    steps: int
    isr: Internalization | None = None
    start: Checkpoint = "last"
    threshold: float | None = None
    evaluate_on: tuple[str, ...] = ()

    @property
    def requires(self) -> tuple[Run, ...]:
        """Runs that must be done before."""
        return (self.socialization,) if self.isr is None else (self.socialization, self.isr)

    @cached_property
    def path(self) -> PurePosixPath:
        """The name of the run, as a relative path."""
        before = f"{self.socialization.task} lr {self.socialization.learning_rate:g}"
        parts = [f"{before} to {self.task}", self.condition]
        parts += [f"labels {self.isr.n_labels}"] if self.isr is not None and self.isr.n_labels else []
        parts += [f"above {self.threshold:g}"] if self.threshold is not None else []
        parts += [f"from {self.start}"] if self.start != "last" else []
        return _path(self, "autonomy", *parts)


@dataclass(frozen=True)
class Baseline:
    """
    A policy that learners of the prosocial game are compared to.

    :param protocol: The protocol whose results it belongs to.
    :param policy: The learner's policy.
    :param seed: Seeds everything.
    :param n_episodes: How many episodes are played.
    """

    protocol: Protocol
    policy: Literal["random learner", "perfect helper"]
    seed: int
    n_episodes: int = 200

    @property
    def steps(self) -> int:
        """Environment steps."""
        return 100 * self.n_episodes

    @property
    def requires(self) -> tuple[Run, ...]:
        """Runs that must be done before."""
        return ()

    @cached_property
    def path(self) -> PurePosixPath:
        """The name of the run, as a relative path."""
        return _path(self, "baseline", f"prosocial {self.policy}")


@dataclass(frozen=True)
class Method:
    """
    A way to choose labels, and to train an ISR on them.

    :param name: Its name in tables.
    :param n_members: The ISR's.
    :param pessimism: The ISR's.
    :param limit_to_labels: Whether the ISR is limited to the values of its labels.
    :param l1_coef: The trainer's.
    :param action_contrast: The trainer's.
    :param half_praised: Whether half of the labels of the socialization are of praised ones, found by peeking.
    :param queries: How the caregiver is queried after departure, for half of the labels; None if it is not.
    :param n_rounds: Number of rounds of such queries, at equal intervals.
    :param watched: Whether a HackingWatch also queries the caregiver, whenever it raises an alarm.
    """

    name: str
    n_members: int = 1
    pessimism: float = 0.0
    limit_to_labels: bool = False
    l1_coef: float = 0.0
    action_contrast: bool = False
    half_praised: bool = False
    queries: Literal["random", "uncertainty"] | None = None
    n_rounds: int = 5
    watched: bool = False


@dataclass(frozen=True)
class FewLabels(_AfterSocialization):
    """
    A socialized learner goes on with an ISR that is given few labels.

    They are labels of the socialization (without its last tenth, which is held out), and those of queries after
    departure.

    :param socialization: What it starts from.
    :param task: One of ``TASKS``: the old one or a new one.
    :param method: How the labels are chosen and used.
    :param n_labels: Number of labels in all; None for all of the socialization's.
    :param start: The socialization's last checkpoint, or the best by training reward.
    :param steps: Environment steps.
    """

    task: str
    method: Method
    n_labels: int | None
    start: Checkpoint = "last"
    steps: int = 100_000

    @property
    def n_reserved(self) -> int:
        """Number of labels that are reserved for queries after departure."""
        return self.n_labels // 2 if self.n_labels is not None and self.method.queries is not None else 0

    @property
    def requires(self) -> tuple[Run, ...]:
        """Runs that must be done before."""
        return (self.socialization,)

    @cached_property
    def path(self) -> PurePosixPath:
        """The name of the run, as a relative path."""
        before = f"{self.socialization.task} lr {self.socialization.learning_rate:g}"
        return _path(
            self, "few_labels", f"{before} to {self.task}", f"labels {self.n_labels or 'all'}", self.method.name
        )


Run: TypeAlias = Socialization | Internalization | Autonomy | Baseline | FewLabels | TaskRun | Hackability | TeachRun


def with_requirements(runs: Iterable[Run]) -> list[Run]:
    """
    Complete runs by the runs that must be done before.

    :param runs: Some runs.
    :return: These and what they require, each once and after what it requires.
    """
    ordered: dict[Run, None] = {}
    for run in runs:
        for required in with_requirements(run.requires):
            ordered[required] = None
        ordered[run] = None
    return list(ordered)


def _path(run: Socialization | _AfterSocialization | Baseline, kind: str, *parts: str) -> PurePosixPath:
    name = "-".join(part.replace(" ", "_") for part in parts)
    return PurePosixPath(run.protocol.name, kind, name, f"seed_{run.seed}")
