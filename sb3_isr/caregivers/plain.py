"""Caregivers as users give them: objects, functions, or plain values for YAML."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from inspect import isclass
from typing import Any, cast

from sb3_isr.caregivers.base import Caregiver, FunctionCaregiver, Transition
from sb3_isr.common.dotted_names import import_plain

#: ``package.Class``, or ``{package.Class: {argument: value}}`` as RL Zoo writes wrappers.
PlainCaregiver = str | Mapping[str, Mapping[str, Any]]
#: Whatever can be a caregiver.
AnyCaregiver = Caregiver | Callable[[Transition], float | None] | PlainCaregiver

_METHODS = ("reset", "social_reward", "environment_reward")


def as_caregiver(caregiver: AnyCaregiver) -> Caregiver:
    """
    Make a caregiver of whatever can be one.

    :param caregiver: A caregiver, which is returned as it is; any callable of a :class:`~sb3_isr.Transition`; or plain
        values as in :func:`plain_caregiver`.
    :return: The caregiver.
    :raises TypeError: If it is something else.
    :raises ValueError: If it is the name of nothing.
    """
    if isinstance(caregiver, str | Mapping):
        return plain_caregiver(caregiver)
    missing = [name for name in _METHODS if not callable(getattr(caregiver, name, None))]
    if not missing and not isclass(caregiver):
        return cast(Caregiver, caregiver)
    if callable(caregiver) and len(missing) == len(_METHODS):
        return FunctionCaregiver(caregiver)
    met = "the class itself" if isclass(caregiver) else f"an object without {' and '.join(missing)}"
    raise TypeError(
        "A caregiver is a function of a Transition, or an object with the methods reset, social_reward and "
        f"environment_reward, got {met}: {caregiver!r}; inherit from sb3_isr.Caregiver, and give an object."
    )


def plain_caregiver(caregiver: PlainCaregiver) -> Caregiver:
    """
    Make a caregiver from plain values. An argument called ``caregiver`` may be given the same way.

    :param caregiver: The dotted name of a class, or of a function of a :class:`~sb3_isr.Transition`; or the name with
        the class's keyword arguments, ``{"sb3_isr.NoisyCaregiver": {"caregiver": "sb3_isr.PraiseCaregiver"}}``.
    :return: The caregiver.
    :raises ValueError: If it has another form, or nothing of that name can be imported.
    """
    kind, kwargs = import_plain(caregiver)
    if not isclass(kind):
        return FunctionCaregiver(kind)
    if "caregiver" in kwargs:
        kwargs = {**kwargs, "caregiver": plain_caregiver(kwargs["caregiver"])}
    return cast(Caregiver, kind(**kwargs))
