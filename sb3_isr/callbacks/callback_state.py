"""What a checkpoint holds of an ISRCallback, besides what its Internalizer writes into files."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sb3_isr.callbacks.relabeling import ReplayRelabeler
from sb3_isr.callbacks.reward_log import RewardLog
from sb3_isr.callbacks.training_connection import TrainingConnection

if TYPE_CHECKING:
    from sb3_isr.callbacks.isr_callback import ISRCallback


def get_state(
    callback: ISRCallback,
    connection: TrainingConnection,
    relabeler: ReplayRelabeler | None,
    reward_log: RewardLog,
) -> dict[str, Any]:
    """
    Get the state of a callback.

    :param callback: The callback.
    :param connection: Its connection to the wrappers.
    :param relabeler: Its relabeler, if it has one.
    :param reward_log: What it has not logged yet.
    :return: Objects that can be pickled.
    """
    return {
        "rngs": connection.current_rngs(),
        "internalizer": callback.internalizer.state_dict(),
        "coefficient": callback.coefficient,
        "relabeler": None if relabeler is None else relabeler.state_dict(),
        "reward_log": reward_log,
        "n_calls": [each.n_calls for each in (callback, *callback.children)],
        "children": [child.state_dict() for child in callback.children],
    }


def set_state(
    callback: ISRCallback, connection: TrainingConnection, relabeler: ReplayRelabeler | None, state: dict[str, Any]
) -> None:
    """
    Continue from a checkpoint.

    :param callback: The callback, initialized.
    :param connection: Its connection to the wrappers.
    :param relabeler: Its relabeler, if it has one.
    :param state: What :func:`get_state` returned.
    """
    connection.rngs = state["rngs"]
    callback.internalizer.load_state_dict(state["internalizer"])
    callback.set_coefficient(state["coefficient"])
    if relabeler is not None and state["relabeler"] is not None:
        relabeler.load_state_dict(state["relabeler"])
    for child, of_child in zip(callback.children, state["children"], strict=True):
        child.load_state_dict(of_child)
    for each, n_calls in zip((callback, *callback.children), state["n_calls"], strict=True):
        each.n_calls = n_calls  # says when labels are collected
