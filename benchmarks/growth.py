"""6. Growth: time and memory, with labels, environments and members of an ensemble."""

from __future__ import annotations

import multiprocessing
import os
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import Any, NamedTuple

import numpy as np
import torch

from benchmarks.common import Result, progress, result
from sb3_isr import PAPER_ISR, InternalSocialReward, ISRTrainer, LabelBatch, LabelStore, VecISRReward
from sb3_isr.envs.coin_game.rules import PRAISE
from sb3_isr.envs.coin_game.vec_env import CoinGameVecEnv
from sb3_isr.labels.transitions import Transitions, last_observations, terminations

N_ENVS = (1, 8, 64, 512)
N_MEMBERS = (1, 2, 5, 10, 20)
ROUNDS = 3
CHUNK = 2000
STEPS = 200
OVER_DATA = "label store: memory over its data"
PEAK = "label store: memory at its peak"
#: The largest number of bytes for each byte of data, and of megabytes for a million labels.
GOALS = {(OVER_DATA, 10**5): 1.1, (OVER_DATA, 10**6): 1.1, (OVER_DATA, 10**7): 1.1, (PEAK, 10**6): 600.0}


class Quantity(NamedTuple):
    """A measured quantity: its name, the number of labels or environments, and the unit."""

    name: str
    n: int
    unit: str


Measured = dict[Quantity, float]


def run(max_labels: int = 10**6) -> Iterator[Result | str]:
    """
    Measure memory and times.

    :param max_labels: The largest store, a power of ten from 10,000 on.
    :return: Memory and times of the label store and of the wrapper.
    """
    yield (
        "Memory: resident in a process of its own, less what was resident before. The store is full of coin game "
        "labels, and was drawn from, for which the first time prepares. Its data are observations (uint8), actions "
        "(int64) and labels (float32) as they came. The wrapper is VecISRReward around CoinGameVecEnv with the "
        f"paper's ISR, over {STEPS} steps; while the caregiver is present its labels are in it. The ensemble has the "
        "paper's ISR for members; its memory is that of weights, gradients and optimizer."
    )
    sizes = [10**power for power in range(4, len(str(max_labels)))]
    samples: dict[Quantity, list[float]] = defaultdict(list)
    cases = ((grow_store, sizes), (grow_wrapper, N_ENVS), (grow_ensemble, N_MEMBERS))
    with progress("growth", len(cases) * ROUNDS) as bar:
        for _ in range(ROUNDS):
            for grow, numbers in cases:
                for quantity, value in _in_a_process_of_its_own(grow, numbers).items():
                    samples[quantity].append(value)
                bar.update()
    for (name, n, unit), values in samples.items():
        yield result(name, values, unit, n=n, goal=GOALS.get((name, n)), goal_is="at most")


def grow_store(sizes: Sequence[int]) -> Measured:
    """
    Measure what label stores cost.

    :param sizes: Numbers of labels.
    :return: The costs of a store of each size. All stores are kept, so that none reuses the memory of another.
    """
    venv = CoinGameVecEnv(CHUNK)
    bytes_of_chunk = sum(np.asarray(part).nbytes for part in _play(venv))
    stores: list[LabelStore] = []
    measured: Measured = {}
    for n in sizes:
        before = _resident_bytes()
        store = LabelStore(venv.observation_space, venv.action_space, capacity=n, seed=0)
        adding = 0.0
        for _ in range(n // CHUNK):
            labels = _play(venv)
            adding += _seconds(partial(store.add, labels), 1)
        preparing = _seconds(partial(store.sample, 256), 1)
        grown = _resident_bytes() - before
        drawing = _seconds(partial(store.sample, 256), 1000)
        stores.append(store)
        measured[Quantity(OVER_DATA, n, "x")] = grown / (bytes_of_chunk * n / CHUNK)
        measured[Quantity("label store: memory", n, "MB")] = grown / 1e6
        measured[Quantity(PEAK, n, "MB")] = (_peak_bytes() - before) / 1e6
        measured[Quantity("label store: adding a label", n, "µs")] = adding / n * 1e6
        measured[Quantity("label store: first batch of 256", n, "ms")] = preparing * 1e3
        measured[Quantity("label store: drawing a batch of 256", n, "µs")] = drawing * 1e6
    return measured


def _play(venv: CoinGameVecEnv) -> LabelBatch:
    actions = np.random.default_rng(0).integers(3, size=venv.num_envs)
    observations = venv.reset()
    next_observations: Any
    next_observations, rewards, dones, infos = venv.step(actions)
    last = last_observations(next_observations, dones, infos)
    transitions = Transitions(observations, actions, last, terminations(dones, infos))
    return LabelBatch(transitions, np.where(rewards > 0, PRAISE, 0.0).astype(np.float32))


def grow_wrapper(n_envs: Sequence[int]) -> Measured:
    """
    Measure what a wrapper costs.

    :param n_envs: Numbers of environments.
    :return: The costs with the caregiver present (labels included) and absent. All wrappers are kept.
    """
    torch.set_num_threads(1)
    measured: Measured = {}
    kept: list[Any] = []
    for n in n_envs:
        venv = CoinGameVecEnv(n)
        isr = InternalSocialReward(venv.observation_space, venv.action_space, device="cpu", **PAPER_ISR)
        actions = np.arange(n) % 3
        venv.reset()
        alone = _seconds(partial(venv.step, actions), STEPS)
        for name, probability in (("present", 1.0), ("absent", 0.0)):
            before = _resident_bytes()
            wrapper = VecISRReward(venv)
            wrapper.composer.connect(isr.predict, probability)
            wrapper.reset()
            seconds = _seconds(partial(wrapper.step, actions), STEPS)
            kept.append((wrapper, wrapper.composer.collect()))
            grown = _resident_bytes() - before
            measured[Quantity(f"wrapper, caregiver {name}: a transition", n, "µs")] = (seconds - alone) / n * 1e6
            measured[Quantity(f"wrapper, caregiver {name}: memory", n, "MB")] = grown / 1e6
    return measured


def grow_ensemble(n_members: Sequence[int]) -> Measured:
    """
    Measure what ensembles cost.

    :param n_members: Numbers of members.
    :return: The costs of a call for 8 environments and of a gradient step on 256 labels, and the memory.
    """
    torch.set_num_threads(1)
    venv = CoinGameVecEnv(8)
    observations, actions = venv.reset(), np.arange(8) % 3
    store = LabelStore(venv.observation_space, venv.action_space, capacity=CHUNK, seed=0)
    store.add(_play(CoinGameVecEnv(CHUNK)))
    measured: Measured = {}
    for n in n_members:
        isr = InternalSocialReward(venv.observation_space, venv.action_space, device="cpu", n_members=n, **PAPER_ISR)
        ISRTrainer(isr, gradient_steps=1).train(store)
        trainer = ISRTrainer(isr, gradient_steps=50)
        training = _seconds(partial(trainer.train, store), 1) / 50
        predicting = _seconds(partial(isr.predict, observations, actions), 1000)
        weights = [*isr.parameters(), *(weight.grad for weight in isr.parameters() if weight.grad is not None)]
        moments = [part for state in trainer.optimizer.state.values() for part in state.values()]
        measured[Quantity("ensemble: a call for 8 environments", n, "µs")] = predicting * 1e6
        measured[Quantity("ensemble: a gradient step on 256 labels", n, "ms")] = training * 1e3
        measured[Quantity("ensemble: memory", n, "MB")] = sum(part.nbytes for part in [*weights, *moments]) / 1e6
    return measured


def _seconds(call: Callable[[], Any], n_calls: int) -> float:
    start = perf_counter()
    for _ in range(n_calls):
        call()
    return (perf_counter() - start) / n_calls


def _resident_bytes() -> int:
    # Resident pages, not all that are reserved. Without /proc this case fails with a message.
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def _peak_bytes() -> int:
    # Not getrusage's, which includes the peak of the process that started this one.
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) * 1024


def _in_a_process_of_its_own(grow: Callable[[Sequence[int]], Measured], numbers: Sequence[int]) -> Measured:
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as process:
        return process.submit(grow, numbers).result()
