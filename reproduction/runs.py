"""
Experiments as data: a run is a frozen dataclass, which says everything that its result depends on.

Equal runs are one run: figures share what they can, and one socialization serves all that starts from it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Literal, TypeAlias

from reproduction.protocols import Protocol
from sb3_isr.envs.coin_game.maps import MAPS

Condition = Literal["isr", "none", "oracle"]
Checkpoint = Literal["last", "best"]

#: Where learners are evaluated that were socialized with 1 wall.
NEW_TASKS = ("5 walls", *MAPS)


@dataclass(frozen=True)
class Socialization:
    """
    PPO learns from the environment and a caregiver, whose labels are kept.

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

    @property
    def path(self) -> PurePosixPath:
        """Names it: the result's path without its ending."""
        return _path(self, "socialization", self.task, f"lr {self.learning_rate:g}")


@dataclass(frozen=True)
class _AfterSocialization:
    """What starts from a socialization has its protocol and its seed."""

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
    An ISR is trained on a socialization's labels: nine tenths of them, in the order they were given; the last tenth is
    held out.

    :param socialization: Whose labels.
    :param steps: Those of the socialization's first so many steps.
    :param n_labels: Only so many random ones of them; None for all.
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

    @property
    def path(self) -> PurePosixPath:
        """Names it: the result's path without its ending."""
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
    :param condition: What rewards it beside the environment: the ISR, nothing, or the caregiver who stayed.
    :param steps: Environment steps.
    :param isr: The ISR, where the condition is "isr".
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

    @property
    def path(self) -> PurePosixPath:
        """Names it: the result's path without its ending."""
        before = f"{self.socialization.task} lr {self.socialization.learning_rate:g}"
        parts = [f"{before} to {self.task}", self.condition]
        parts += [f"labels {self.isr.n_labels}"] if self.isr is not None and self.isr.n_labels else []
        parts += [f"above {self.threshold:g}"] if self.threshold is not None else []
        parts += [f"from {self.start}"] if self.start != "last" else []
        return _path(self, "autonomy", *parts)


@dataclass(frozen=True)
class Baseline:
    """
    What learners of the prosocial game are compared to.

    :param protocol: Whose results it stands among.
    :param policy: What the learner does.
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

    @property
    def path(self) -> PurePosixPath:
        """Names it: the result's path without its ending."""
        return _path(self, "baseline", f"prosocial {self.policy}")


@dataclass(frozen=True)
class Method:
    """
    What is asked of the caregiver, and what an ISR makes of its labels.

    :param name: What tables call it.
    :param n_members: The ISR's.
    :param pessimism: The ISR's.
    :param limit_to_labels: To their values.
    :param l1_coef: The ISR's.
    :param action_contrast: The ISR's.
    :param half_praised: Of the labels of the socialization, half are of praised transitions.
    :param calls: To what the caregiver is called back, for half of the labels; None if it leaves once, after all.
    :param n_calls: How often, at equal intervals.
    :param watched: It is also called back, out of turn, whenever the watch on hacking raises an alarm.
    """

    name: str
    n_members: int = 1
    pessimism: float = 0.0
    limit_to_labels: bool = False
    l1_coef: float = 0.0
    action_contrast: bool = False
    half_praised: bool = False
    calls: Literal["random", "unsure"] | None = None
    n_calls: int = 5
    watched: bool = False


@dataclass(frozen=True)
class FewLabels(_AfterSocialization):
    """
    A socialized learner goes on with an ISR that is given a number of labels: some of the socialization (without its
    last tenth, which is held out), and those for which the caregiver is called back.

    :param socialization: What it starts from.
    :param task: One of ``TASKS``: the old one or a new one.
    :param method: How the labels are asked for, and used.
    :param n_labels: How many in all; None for all of the socialization's.
    :param start: The socialization's last checkpoint, or the best by training reward.
    :param steps: Environment steps.
    """

    task: str
    method: Method
    n_labels: int | None
    start: Checkpoint = "last"
    steps: int = 100_000

    @property
    def n_calls_back(self) -> int:
        """Labels for which the caregiver is called back."""
        return self.n_labels // 2 if self.n_labels is not None and self.method.calls is not None else 0

    @property
    def requires(self) -> tuple[Run, ...]:
        """Runs that must be done before."""
        return (self.socialization,)

    @property
    def path(self) -> PurePosixPath:
        """Names it: the result's path without its ending."""
        before = f"{self.socialization.task} lr {self.socialization.learning_rate:g}"
        return _path(
            self, "few_labels", f"{before} to {self.task}", f"labels {self.n_labels or 'all'}", self.method.name
        )


Run: TypeAlias = Socialization | Internalization | Autonomy | Baseline | FewLabels


def with_requirements(runs: Iterable[Run]) -> list[Run]:
    """
    :param runs: Some runs.
    :return: These and all that must be done before, each once and after what it requires.
    """
    ordered: dict[Run, None] = {}
    for run in runs:
        for required in with_requirements(run.requires):
            ordered[required] = None
        ordered[run] = None
    return list(ordered)


def _path(run: Run, kind: str, *parts: str) -> PurePosixPath:
    name = "-".join(part.replace(" ", "_") for part in parts)
    return PurePosixPath(run.protocol.name, kind, name, f"seed_{run.seed}")
