"""Transitions as bytes: safetensors, in which nothing can be hidden that would be run."""

from __future__ import annotations

import numpy as np
import safetensors
import safetensors.numpy

from sb3_isr.common.batches import Array, Observations
from sb3_isr.labels.transitions import Transitions

_OBSERVATIONS, _NEXT_OBSERVATIONS = "observations", "next_observations"
_ACTIONS, _TERMINATED = "actions", "terminated"


def transitions_to_bytes(transitions: Transitions) -> bytes:
    """
    Write transitions as bytes of safetensors.

    The tensors are ``observations``, ``actions``, ``next_observations`` and ``terminated``; the parts of a dictionary
    of observations are ``observations/KEY``.

    :param transitions: Any.
    :return: The bytes.
    """
    tensors = {
        **_named(_OBSERVATIONS, transitions.observations),
        _ACTIONS: transitions.actions,
        **_named(_NEXT_OBSERVATIONS, transitions.next_observations),
        _TERMINATED: transitions.terminated,
    }
    # The same transitions give the same bytes: safetensors keeps no order of its own for equal dtypes.
    return safetensors.numpy.save({name: np.ascontiguousarray(tensors[name]) for name in sorted(tensors)})


def transitions_from_bytes(data: bytes) -> Transitions:
    """
    Read what :func:`transitions_to_bytes` wrote.

    :param data: The bytes.
    :return: The transitions.
    :raises ValueError: If they are none.
    """
    try:
        tensors = safetensors.numpy.load(data)
        parts = Transitions(
            _batch(_OBSERVATIONS, tensors),
            tensors[_ACTIONS],
            _batch(_NEXT_OBSERVATIONS, tensors),
            tensors[_TERMINATED].astype(bool),
        )
    except (safetensors.SafetensorError, KeyError, ValueError) as error:
        raise ValueError(f"They are no transitions in safetensors ({error!r:.200}).") from error
    lengths = {len(array) for array in tensors.values() if array.ndim}
    if len(lengths) != 1 or any(not array.ndim for array in tensors.values()):
        raise ValueError(f"Transitions must be equally many in all their parts, got {sorted(lengths)}.")
    return parts


def _named(name: str, batch: Observations) -> dict[str, Array]:
    return {f"{name}/{key}": array for key, array in batch.items()} if isinstance(batch, dict) else {name: batch}


def _batch(name: str, tensors: dict[str, Array]) -> Observations:
    if name in tensors:
        return tensors[name]
    parts = {key.removeprefix(f"{name}/"): array for key, array in tensors.items() if key.startswith(f"{name}/")}
    if not parts:
        raise KeyError(name)
    return parts
