"""What all cases share: variants timed in turn, medians with quartiles, results with their goals."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from tqdm import tqdm

#: Wall time, or the processor time of this process: the same where nothing else runs, and the one to trust where
#: something does. (Where it waits for others, as for subprocesses, only the wall tells.)
CLOCKS: dict[str, Callable[[], float]] = {"wall": time.perf_counter, "cpu": time.process_time}
_clock = "wall"

#: One number for each round.
Samples = NDArray[np.floating[Any]]


def use_clock(name: str) -> None:
    """
    :param name: "wall" or "cpu", for all that is measured from now on in this process.
    """
    global _clock
    _clock = name


def now() -> float:
    """
    :return: Seconds on the clock in use.
    """
    return CLOCKS[_clock]()


@dataclass(frozen=True)
class Result:
    """
    One row of the table.

    :param name: What was measured.
    :param value: Its median over rounds.
    :param quartiles: The first and the third.
    :param unit: Of all three.
    :param n: At how many environments or labels, if the case goes through several numbers of them.
    :param goal: What the median should come to, if there is a goal.
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
    :param name: What was measured.
    :param samples: Once for each round.
    :param unit: Of the samples.
    :param kwargs: The rest of :class:`Result`.
    :return: Median and quartiles of the samples.
    """
    first, median, third = np.percentile(samples, [25, 50, 75]).tolist()
    return Result(name, median, (first, third), unit, **kwargs)


def in_turn(
    title: str, variants: Mapping[str, Callable[[], float]], rounds: int, warm_up: bool = True
) -> dict[str, Samples]:
    """
    Measure variants in turn, A B C, C B A, A B C, ..., so that what slows the machine for a while slows all of them.

    :param title: What the progress bar says.
    :param variants: What measures each of them once, and returns what it measured.
    :param rounds: How often each is measured.
    :param warm_up: Measure each once before, and forget it.
    :return: For each variant what it returned, one number for each round, so that numbers of one round are a pair.
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
    :param call: What to repeat.
    :param per_call: How many things one call does.
    :param seconds: For how long.
    :return: A measurement for :func:`in_turn`: things done a second.
    """

    def measure() -> float:
        n_calls, start = 0, now()
        while (elapsed := now() - start) < seconds:
            for _ in range(10):  # to look at the clock costs something too
                call()
            n_calls += 10
        return n_calls * per_call / elapsed

    return measure


def progress(title: str, total: int) -> tqdm[Any]:
    """
    :param title: What is being measured.
    :param total: In how many parts.
    :return: A bar that is gone once it is full.
    """
    return tqdm(
        total=total, desc=f"{title:48}", leave=False, disable=None, bar_format="{desc}{n_fmt}/{total_fmt} {elapsed}"
    )


def write_text(path: Path, text: str) -> None:
    """
    :param path: The file; written whole or not at all.
    :param text: What to write.
    """
    partial = path.with_name(path.name + ".partial")
    partial.write_text(text)
    os.replace(partial, path)


def facts() -> dict[str, Any]:
    """
    :return: What the numbers depend on: versions, the machine, and the clock.
    """
    packages = ("sb3_isr", "stable_baselines3", "gymnasium", "torch", "numpy", "minigrid")
    return {
        "versions": {"python": platform.python_version(), **{package: version(package) for package in packages}},
        "machine": {
            "system": f"{platform.system()} {platform.machine()}",
            "cpus": os.cpu_count(),
            "torch_threads": torch.get_num_threads(),
        },
        "clock": _clock,
    }
