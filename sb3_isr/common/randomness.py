"""The global random generators of Python, NumPy and torch: snapshots, and code that leaves them alone."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch


def get_generators() -> dict[str, Any]:
    """
    Take a snapshot of the global generators.

    :return: The state of each, by its name; it can be pickled.
    """
    return {
        "python": random.getstate(),
        "numpy": np.random.get_state(),
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
    }


def set_generators(states: dict[str, Any]) -> None:
    """
    Restore earlier states of the global generators, those of GPUs as far as this machine has them.

    :param states: What :func:`get_generators` returned, here or on another machine.
    """
    random.setstate(states["python"])
    np.random.set_state(states["numpy"])
    torch.set_rng_state(states["torch"])
    if torch.cuda.is_available():
        for gpu, state in zip(range(torch.cuda.device_count()), states["cuda"], strict=False):
            torch.cuda.set_rng_state(state, gpu)


@contextmanager
def private_torch_generator(seed: int, device: torch.device) -> Iterator[None]:
    """
    Seed torch's global generators, and restore them afterwards, so that our draws do not change the learner's run.

    :param seed: The seed inside.
    :param device: Where tensors are drawn, besides the CPU.
    """
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(seed)
        yield
