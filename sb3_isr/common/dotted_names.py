"""Classes and functions by their dotted names, as YAML writes them."""

from __future__ import annotations

from collections.abc import Mapping
from pkgutil import resolve_name
from typing import Any

from sb3_isr.common.arguments import plain


def import_name(name: str) -> Any:
    """
    Import a class or function by its dotted name.

    :param name: ``package.module.Name``.
    :return: The class or function.
    :raises ValueError: If nothing of that name can be imported.
    """
    try:
        return resolve_name(name)
    except (ImportError, AttributeError, ValueError) as error:
        raise ValueError(
            f"A dotted name must refer to something that can be imported, got {name!r} ({error}); "
            "write package.module.Name, and make sure that the package is installed or on PYTHONPATH."
        ) from error


def import_plain(plain: str | Mapping[str, Mapping[str, Any]]) -> tuple[Any, dict[str, Any]]:
    """
    Import what YAML names, alone or with keyword arguments.

    :param plain: ``package.module.Name``, or ``{package.module.Name: {argument: value}}`` as RL Zoo writes wrappers.
    :return: The class or function, and its keyword arguments.
    :raises ValueError: If it has another form, or nothing of that name can be imported.
    """
    if isinstance(plain, str):
        plain = {plain: {}}
    if len(plain) != 1:
        raise ValueError(
            "YAML names one class, alone or with its arguments as {package.Class: {argument: value}}, "
            f"got {plain!r}; check the indentation."
        )
    ((name, kwargs),) = plain.items()
    return import_name(name), dict(kwargs)


def import_classes(kwargs: Mapping[str, Any] | None) -> dict[str, Any]:
    """
    Copy keyword arguments, which the caller may share with others, and import the classes that they name.

    :param kwargs: Keyword arguments; the names of those that are classes end in ``_class`` or ``_fn``.
    :return: The same in dictionaries and lists of their own, with classes in place of their names.
    :raises ValueError: If a class cannot be imported.
    """
    return {
        key: import_name(value) if isinstance(value, str) and key.endswith(("_class", "_fn")) else value
        for key, value in plain(kwargs or {}).items()
    }
