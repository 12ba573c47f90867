"""Classes and functions by their dotted names, as YAML writes them."""

from __future__ import annotations

from importlib import import_module
from typing import Any


def named(name: str) -> Any:
    """
    Import what a dotted name stands for.

    :param name: ``package.module.Name``.
    :return: The class or function.
    :raises ValueError: If nothing of that name can be imported.
    """
    module, _, attribute = name.rpartition(".")
    try:
        return getattr(import_module(module), attribute)
    except (ImportError, AttributeError, ValueError) as error:
        raise ValueError(
            f"A dotted name must stand for something that can be imported, got {name!r} ({error}); "
            "write package.module.Name, and see that the package is installed or on PYTHONPATH."
        ) from error
