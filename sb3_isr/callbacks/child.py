"""Callbacks that are children of an ISRCallback."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from stable_baselines3.common.callbacks import BaseCallback

from sb3_isr.common.dotted_names import import_plain
from sb3_isr.labels.batch import LabelBatch, QueryPool

if TYPE_CHECKING:
    from sb3_isr.callbacks.isr_callback import ISRCallback


class ISRChildCallback(BaseCallback):
    """
    Base class of callbacks that are given to another one, ``ISRCallback(callback=...)``.

    They are children as those of Stable-Baselines3's ``EventCallback`` are. Each event reaches the parent first.
    """

    #: Whether :meth:`on_unattended` is called; transitions that the caregiver does not attend are kept for it.
    needs_transitions = False

    @property
    def isr_callback(self) -> ISRCallback:
        """
        The parent.

        :raises ValueError: If the callback was not given to an ISRCallback.
        """
        if not hasattr(type(self.parent), "internalizer"):  # importing ISRCallback here would be a circle
            name = type(self).__name__
            raise ValueError(
                f"{name} must be given to an ISRCallback, got one that was not (was it passed to learn?); "
                f"write ISRCallback(..., callback={name}(...))."
            )
        return self.parent  # type: ignore[return-value]

    def on_labels(self, labels: LabelBatch) -> None:
        """
        Receive the labels of transitions that the caregiver attended.

        :param labels: The labels, oldest first.
        """

    def on_unattended(self, unattended: QueryPool) -> None:
        """
        Receive transitions that the caregiver did not attend.

        :param unattended: The transitions, oldest first, without labels: those are for queries within the budget.
        """

    def state_dict(self) -> dict[str, Any]:
        """
        Get what a checkpoint must hold of it.

        :return: Anything that can be pickled.
        """
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """
        Continue from a checkpoint.

        :param state: What :meth:`state_dict` returned.
        """

    def _init_callback(self) -> None:
        _ = self.isr_callback  # early, not when the parent is first needed

    def _on_step(self) -> bool:
        return True


#: A child callback, or its dotted name, alone or with its arguments.
PlainChild = ISRChildCallback | str | Mapping[str, Mapping[str, Any]]


def as_children(callback: PlainChild | Sequence[PlainChild] | None) -> list[ISRChildCallback]:
    """
    Check the children that are given to an ISRCallback, and make those that YAML names.

    :param callback: One child, several, or none; a child may be given by its dotted name, alone
        (``sb3_isr.HackingWatch``) or with its arguments (``{sb3_isr.HackingWatch: {remedy: stop}}``).
    :return: The children.
    :raises ValueError: If one of them is another kind of callback or another callback's child, or a name cannot be
        imported.
    """
    if callback is None:
        return []
    is_several = isinstance(callback, Iterable) and not isinstance(callback, str | Mapping)
    given: Iterable[Any] = callback if is_several else [callback]  # type: ignore[assignment]
    children = [_as_child(child) for child in given]
    for i, child in enumerate(children):
        if child.parent is not None or any(child is other for other in children[:i]):
            name = type(child).__name__
            raise ValueError(
                f"A child callback belongs to one ISRCallback, once, got a {name} that was given before; make a new "
                f"{name}(...)."
            )
    return children


def _as_child(child: Any) -> ISRChildCallback:
    if isinstance(child, str | Mapping):
        kind, kwargs = import_plain(child)
        child = kind(**kwargs)
    if not isinstance(child, ISRChildCallback):
        raise ValueError(
            f"ISRCallback(callback=...) takes HackingWatch, ISRCheckpoint and other ISRChildCallbacks, got {child!r}; "
            "pass other callbacks to learn, beside ISRCallback."
        )
    return child
