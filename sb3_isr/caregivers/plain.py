"""Caregivers described by plain values, for YAML."""

from __future__ import annotations

from collections.abc import Mapping
from inspect import isclass
from typing import Any, cast

from sb3_isr.caregivers.base import Caregiver, FunctionCaregiver
from sb3_isr.common.dotted_names import import_plain

#: ``package.Class``, or ``{package.Class: {argument: value}}`` as RL Zoo writes wrappers.
PlainCaregiver = str | Mapping[str, Mapping[str, Any]]


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
