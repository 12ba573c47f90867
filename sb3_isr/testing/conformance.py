"""The error that all checks raise, and the rules that hold for any part: it can be copied, and draws nothing global."""

from __future__ import annotations

import copy
import pickle
import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import numpy as np
import torch

Part = TypeVar("Part")


class ConformanceError(AssertionError):
    """A part breaks a rule that sb3-isr relies on."""


def require(holds: bool, rule: str, got: object, remedy: str) -> None:
    """
    Raise an error unless a rule holds.

    :param holds: Whether it does
    :param rule: The rule, as the start of a sentence
    :param got: The value that breaks it
    :param remedy: What to do about it
    :raises ConformanceError: If it does not
    """
    if not holds:
        raise ConformanceError(f"{rule}, got {got}; {remedy}.")


def equal(one: Any, other: Any) -> bool:
    """
    Return whether two nested containers of arrays are equal; NaN equals NaN.

    :param one: Arrays, numbers, or containers of them
    :param other: The same
    """
    try:
        np.testing.assert_equal(one, other)
    except AssertionError:
        return False
    return True


def deep_copy(part: Part) -> Part:
    """
    Return a deep copy.

    :param part: A part
    :raises ConformanceError: If it cannot be copied
    """
    try:
        return copy.deepcopy(part)
    except Exception as error:
        raise ConformanceError(
            f"Each environment has its own copy of the part, so copy.deepcopy must support it, got {error!r} of "
            f"{part!r}; keep no open files, locks or generator iterators in it."
        ) from error


def unpickled_copy(part: Part) -> Part:
    """
    Return a pickled and unpickled copy.

    :param part: A part
    :raises ConformanceError: If it cannot be pickled
    """
    try:
        copied: Part = pickle.loads(pickle.dumps(part))
    except Exception as error:
        raise ConformanceError(
            f"The part is sent to other processes, so pickle must support it, got {error!r} of {part!r}; "
            "define its class or function at the top level of a module."
        ) from error
    return copied


@contextmanager
def global_generators_unchanged(who: str) -> Iterator[None]:
    """
    Check that the code inside draws no numbers from the global random generators.

    :param who: What is checked, as the start of the error
    :raises ConformanceError: If it draws some
    """
    before = _global_generators()
    yield
    changed = [name for name, state in _global_generators().items() if state != before[name]]
    require(
        not changed,
        f"{who} must not draw from the global random generators, or the learner's run changes at the same seed",
        f"draws from {', '.join(changed)}",
        "draw from a generator of its own",
    )


def _global_generators() -> dict[str, bytes]:
    states = {
        "random": random.getstate(),
        "numpy.random": np.random.get_state(),
        "torch": torch.get_rng_state().numpy(),
    }
    return {name: pickle.dumps(state) for name, state in states.items()}
