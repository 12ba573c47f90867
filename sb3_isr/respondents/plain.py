"""Respondents as users give them: objects, or plain values for YAML."""

from __future__ import annotations

from collections.abc import Mapping
from inspect import isclass
from typing import Any, cast

from sb3_isr.common.dotted_names import import_plain
from sb3_isr.respondents.respondent import Respondent

#: ``package.Class``, or ``{package.Class: {argument: value}}`` as RL Zoo writes wrappers.
PlainRespondent = str | Mapping[str, Mapping[str, Any]]

_METHODS = ("put", "take", "wait", "withdraw")


def as_respondent(respondent: Respondent | PlainRespondent | None) -> Respondent | None:
    """
    Check a respondent, or make one that YAML names.

    :param respondent: A respondent; or the dotted name of a class, alone or with its keyword arguments; or None.
    :return: The respondent; None if none was given.
    :raises TypeError: If it is something else.
    :raises ValueError: If it is the name of nothing.
    """
    if respondent is None:
        return None
    if isinstance(respondent, str | Mapping):
        kind, kwargs = import_plain(respondent)
        respondent = kind(**kwargs)
    missing = [name for name in _METHODS if not callable(getattr(respondent, name, None))]
    if missing or isclass(respondent):
        met = "the class itself" if isclass(respondent) else f"an object without {' and '.join(missing)}"
        raise TypeError(
            f"A respondent is an object with the methods {', '.join(_METHODS)}, got {met}: {respondent!r}; make one of "
            "sb3_isr.respondents, for example FunctionRespondent(function)."
        )
    return cast(Respondent, respondent)
