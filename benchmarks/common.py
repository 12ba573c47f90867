"""What all cases share: variants timed in turn, medians with quartiles, results with their goals."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from tqdm import tqdm

from sb3_isr.common.versions import versions

#: Wall time, or the processor time of this process: they are the same if nothing else runs; if something does, use the
#: latter. (Time spent waiting for others, as for subprocesses, is only in the former.)
CLOCKS: dict[str, Callable[[], float]] = {"wall": time.perf_counter, "cpu": time.process_time}
_clock = "wall"

#: One number for each round.
Samples = NDArray[np.floating[Any]]


def use_clock(name: str) -> None:
    """
    Choose the clock for everything that is measured from now on in this process.

    :param name: "wall" or "cpu".
    """
    global _clock
    _clock = name


def now() -> float:
    """
    Read the clock in use.

    :return: Seconds.
    """
    return CLOCKS[_clock]()


@dataclass(frozen=True)
class Result:
    """
    One row of the table.

    :param name: The measured quantity.
    :param value: Its median over rounds.
    :param quartiles: The first and the third.
    :param unit: The unit of all three.
    :param n: Number of environments or labels, if the case has several of them.
    :param goal: The goal of the median, if there is one.
    :param goal_is: Whether it should be at least or at most that.
    """

    name: str
    value: float
    quartiles: tuple[float, float]
    unit: str
    n: int | None = None
    goal: float | None = None
    goal_is: Literal["at least", "at most"] = "at least"

    @property
    def met(self) -> bool | None:
        """Whether the goal is met; None without one."""
        if self.goal is None:
            return None
        return self.value >= self.goal if self.goal_is == "at least" else self.value <= self.goal


def result(name: str, samples: Samples | list[float], unit: str, **kwargs: Any) -> Result:
    """
    Summarize samples.

    :param name: The measured quantity.
    :param samples: One for each round.
    :param unit: The unit of the samples.
    :param kwargs: Further fields of :class:`Result`.
    :return: Median and quartiles of the samples.
    """
    first, median, third = np.percentile(samples, [25, 50, 75]).tolist()
    return Result(name, median, (first, third), unit, **kwargs)


def in_turn(
    title: str, variants: Mapping[str, Callable[[], float]], rounds: int, warm_up: bool = True
) -> dict[str, Samples]:
    """
    Measure variants in turn, A B C, C B A, A B C, ..., so that a machine that is slow for a while slows all of them.

    :param title: The title of the progress bar.
    :param variants: A measurement for each variant, which returns one number.
    :param rounds: Number of measurements of each.
    :param warm_up: Whether to measure each once before, and discard it.
    :return: The numbers of each variant, one for each round, so that numbers of one round are a pair.
    """
    samples: dict[str, list[float]] = {name: [] for name in variants}
    with progress(title, (rounds + warm_up) * len(variants)) as bar:
        for round_ in range(-int(warm_up), rounds):
            for name in list(variants)[:: 1 if round_ % 2 == 0 else -1]:
                sample = variants[name]()
                if round_ >= 0:
                    samples[name].append(sample)
                bar.update()
    return {name: np.array(of_variant) for name, of_variant in samples.items()}


def rate(call: Callable[[], Any], per_call: int, seconds: float = 0.15) -> Callable[[], float]:
    """
    Make a measurement of a rate, for :func:`in_turn`.

    :param call: Is repeated.
    :param per_call: Number of things that one call does.
    :param seconds: Duration of the measurement.
    :return: A function that measures things done a second.
    """

    def measure() -> float:
        n_calls, start = 0, now()
        while (elapsed := now() - start) < seconds:
            for _ in range(10):  # reading the clock takes time, too
                call()
            n_calls += 10
        return n_calls * per_call / elapsed

    return measure


def progress(title: str, total: int) -> tqdm[Any]:
    """
    Make a progress bar that disappears when it is full.

    :param title: Its title.
    :param total: Number of parts.
    :return: The bar.
    """
    return tqdm(
        total=total, desc=f"{title:48}", leave=False, disable=None, bar_format="{desc}{n_fmt}/{total_fmt} {elapsed}"
    )


def facts() -> dict[str, Any]:
    """
    Get what the numbers depend on.

    :return: Versions, the machine, and the clock.
    """
    return {
        "versions": {"python": platform.python_version(), **versions("minigrid")},
        "machine": {
            "system": f"{platform.system()} {platform.machine()}",
            "cpus": os.cpu_count(),
            "torch_threads": torch.get_num_threads(),
        },
        "clock": _clock,
    }
