"""
The paper's figures as data: a figure is a list of runs, and a run is a frozen dataclass.

Equal runs are one run: figures share what they can, and one socialization serves all that starts from it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import Literal, TypeAlias

from sb3_isr.envs.coin_game_rules import MAPS
from sb3_isr.experiments.protocols import Protocol

Condition = Literal["isr", "none", "oracle"]
Checkpoint = Literal["last", "best"]

#: Where learners are evaluated that were socialized with 1 wall.
NEW_TASKS = ("5 walls", *MAPS)

#: Labels of an internalization that is incomplete for sure, see figure 6.
FEW_LABELS = 500


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
class Internalization:
    """
    An ISR is trained on a socialization's labels: nine tenths of them, in the order they were given; the last tenth is
    held out.

    :param socialization: Whose labels.
    :param steps: Those of the socialization's first so many steps.
    :param n_labels: Only so many random ones of them; None for all.
    :param batch_size: In place of the protocol's own.
    :param learning_rate: In place of the protocol's own.
    """

    socialization: Socialization
    steps: int
    n_labels: int | None = None
    batch_size: int | None = None
    learning_rate: float | None = None

    @property
    def protocol(self) -> Protocol:
        """Networks, settings and lengths."""
        return self.socialization.protocol

    @property
    def seed(self) -> int:
        """Seeds everything."""
        return self.socialization.seed

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
class Autonomy:
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

    socialization: Socialization
    task: str
    condition: Condition
    steps: int
    isr: Internalization | None = None
    start: Checkpoint = "last"
    threshold: float | None = None
    evaluate_on: tuple[str, ...] = ()

    @property
    def protocol(self) -> Protocol:
        """Networks, settings and lengths."""
        return self.socialization.protocol

    @property
    def seed(self) -> int:
        """Seeds everything."""
        return self.socialization.seed

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


Run: TypeAlias = Socialization | Internalization | Autonomy | Baseline


@dataclass(frozen=True)
class Figure:
    """
    :param title: What the figure shows.
    :param runs: All runs of one seed.
    :param seeds: How many seeds each protocol's committed results are to have; 0 if it does not have the figure.
    """

    title: str
    runs: Callable[[Protocol, int], list[Run]]
    seeds: dict[str, int]


def autonomy_in_old_task(socialization: Socialization, condition: Condition) -> Autonomy:
    """
    :return: Figures 1b, 4a and 7: the task stays the same.
    """
    isr = internalization(socialization) if condition == "isr" else None
    return Autonomy(socialization, socialization.task, condition, socialization.protocol.autonomy_steps, isr)


def internalization(socialization: Socialization, n_labels: int | None = None) -> Internalization:
    """
    :return: The ISR that autonomy is given.
    """
    return Internalization(socialization, socialization.protocol.socialization_steps, n_labels)


def autonomy_on(
    task: str, protocol: Protocol, seed: int, condition: Condition, n_labels: int | None = None
) -> Autonomy:
    """
    :return: Figures 4b, 5 and 6: a new task after socialization with 1 wall. On the maps the published learner starts
        from its best checkpoint, and an internal reward counts only above half of the praise.
    """
    socialization = Socialization(protocol, "1 wall", protocol.slow_learning_rate, seed)
    is_map = task in MAPS
    return Autonomy(
        socialization,
        task,
        condition,
        protocol.new_task_steps,
        internalization(socialization, n_labels) if condition == "isr" else None,
        start="best" if is_map else "last",
        threshold=0.2 if is_map and condition == "isr" else None,
        evaluate_on=(task,),
    )


def frozen(protocol: Protocol, seed: int) -> Autonomy:
    """
    :return: The learner that stays in the old task with its caregiver for as long, and is only evaluated in new ones.
    """
    socialization = Socialization(protocol, "1 wall", protocol.slow_learning_rate, seed)
    return Autonomy(socialization, "1 wall", "oracle", protocol.new_task_steps, evaluate_on=NEW_TASKS)


def old_task_runs(name: str, protocol: Protocol, seed: int) -> dict[Condition, Autonomy]:
    """
    :param name: Figure 1b, 4a or 7.
    :param protocol: Which protocol.
    :param seed: Which seed.
    :return: Its runs by condition.
    """
    conditions: tuple[Condition, ...] = ("none", "oracle") if name == "fig1b" else ("isr", "none", "oracle")
    if name == "fig7":
        longer = replace(
            protocol,
            socialization_steps=2 * protocol.socialization_steps,
            autonomy_steps=2 * protocol.autonomy_steps,
        )
        socialization = Socialization(longer, "prosocial", protocol.learning_rate, seed)
    else:
        rate = protocol.slow_learning_rate if name == "fig1b" else protocol.learning_rate
        socialization = Socialization(protocol, "3 walls", rate, seed)
    return {condition: autonomy_in_old_task(socialization, condition) for condition in conditions}


def _fig1b(protocol: Protocol, seed: int) -> list[Run]:
    return [*old_task_runs("fig1b", protocol, seed).values()]


def isr_training(protocol: Protocol, seed: int) -> Internalization:
    """
    :return: Figure 3a: the paper trains this one in batches of 10, and more slowly.
    """
    socialization = Socialization(protocol, "3 walls", protocol.learning_rate, seed)
    if protocol.networks == "mlp":
        return internalization(socialization)
    return Internalization(socialization, protocol.socialization_steps, batch_size=10, learning_rate=3e-5)


def label_curve(protocol: Protocol, seed: int) -> list[Internalization]:
    """
    :return: Figure 3b: one ISR for each number of steps.
    """
    socialization = Socialization(protocol, "3 walls", protocol.learning_rate, seed)
    return [Internalization(socialization, steps) for steps in protocol.label_steps]


def _fig4a(protocol: Protocol, seed: int) -> list[Run]:
    return [*old_task_runs("fig4a", protocol, seed).values()]


def _fig4b(protocol: Protocol, seed: int) -> list[Run]:
    runs = [autonomy_on("5 walls", protocol, seed, condition) for condition in ("isr", "oracle")]
    return [*runs, frozen(protocol, seed)]


def _fig5(protocol: Protocol, seed: int) -> list[Run]:
    runs = [autonomy_on(task, protocol, seed, condition) for task in MAPS for condition in ("isr", "oracle")]
    return [*runs, frozen(protocol, seed)]


def hacking_runs(protocol: Protocol, seed: int) -> list[Autonomy]:
    """
    :return: Figure 6: every ISR on every map; the fast protocol's ISR is also given few labels, since with all of them
        it is hardly incomplete.
    """
    label_counts = (None, FEW_LABELS) if protocol.networks == "mlp" else (None,)
    return [autonomy_on(task, protocol, seed, "isr", n_labels) for n_labels in label_counts for task in MAPS]


def baselines(protocol: Protocol, seed: int) -> list[Baseline]:
    """
    :return: What figure 7's learners are compared to.
    """
    return [Baseline(protocol, "random learner", seed), Baseline(protocol, "perfect helper", seed)]


def _fig7(protocol: Protocol, seed: int) -> list[Run]:
    return [*old_task_runs("fig7", protocol, seed).values(), *baselines(protocol, seed)]


def _all_seeds(paper: int) -> dict[str, int]:
    return {"fast": 10, "paper": paper}


FIGURES: dict[str, Figure] = {
    "fig1b": Figure("Without social rewards, socialized behaviour is unlearned", _fig1b, _all_seeds(10)),
    "fig3a": Figure(
        "The ISR's training and held-out loss fall",
        lambda protocol, seed: [isr_training(protocol, seed)],
        _all_seeds(10),
    ),
    "fig3b": Figure(
        "The more labels, the lower the ISR's held-out error", lambda *at: [*label_curve(*at)], _all_seeds(10)
    ),
    "fig4a": Figure("With the ISR, learning goes on after the caregiver has left", _fig4a, _all_seeds(10)),
    "fig4b": Figure("Out of distribution: socialized with 1 wall, then 5 random walls", _fig4b, _all_seeds(3)),
    "fig5": Figure("Out of distribution: five hand-made maps", _fig5, _all_seeds(3)),
    "fig6": Figure(
        "Reward hacking: internal return rises while fewer goals are reached",
        lambda *at: [*hacking_runs(*at)],
        _all_seeds(3),
    ),
    "fig7": Figure(
        "The prosocial game: a learner praised only when another reached its goal goes on helping",
        _fig7,
        {"fast": 5, "paper": 0},
    ),
}


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
