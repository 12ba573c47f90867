"""Runs of the studies beside the figures: the suite of tasks, the ruler of hackability, and teaching from nothing."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import PurePosixPath


@dataclass(frozen=True)
class TaskRun:
    """
    A learner of the suite is socialized, and goes on in three conditions.

    :param task: One of the suite's tasks.
    :param seed: Seeds everything.
    :param phase_steps: Environment steps of socialization, and of each condition.
    :param settings: A hash of the task's settings: with others it is another run.
    """

    task: str
    seed: int
    phase_steps: int
    settings: str

    @property
    def steps(self) -> int:
        """Environment steps."""
        return 4 * self.phase_steps

    @property
    def requires(self) -> tuple[()]:
        """Runs that must be done before."""
        return ()

    @cached_property
    def path(self) -> PurePosixPath:
        """The name of the run, as a relative path."""
        return PurePosixPath("suite", "tasks", _name(self.task), f"seed_{self.seed}")


@dataclass(frozen=True)
class Hackability:
    """
    An ISR is trained on the labels of a tabular task, and the policy that is best for it is evaluated.

    :param task: One of the tabular tasks.
    :param n_labels: Number of labels.
    :param seed: Seeds everything.
    """

    task: str
    n_labels: int
    seed: int

    @property
    def steps(self) -> int:
        """Environment steps."""
        return self.n_labels

    @property
    def requires(self) -> tuple[()]:
        """Runs that must be done before."""
        return ()

    @cached_property
    def path(self) -> PurePosixPath:
        """The name of the run, as a relative path."""
        name = f"{_name(self.task)}-{self.n_labels}_labels"
        return PurePosixPath("suite", "hackability", name, f"seed_{self.seed}")


@dataclass(frozen=True)
class TeachRun:
    """
    A learner learns from nothing but what it is taught.

    :param task: One of the study's tasks.
    :param method: One of the study's ways to teach.
    :param seed: Seeds everything.
    :param steps: Environment steps.
    """

    task: str
    method: str
    seed: int
    steps: int

    @property
    def requires(self) -> tuple[()]:
        """Runs that must be done before."""
        return ()

    @cached_property
    def path(self) -> PurePosixPath:
        """The name of the run, as a relative path."""
        return PurePosixPath("suite", "teach", f"{_name(self.task)}-{_name(self.method)}", f"seed_{self.seed}")


def _name(part: str) -> str:
    return part.replace(", ", "-").replace(" ", "_")
