"""What is said about a file of labels that cannot be read."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager


class LabelFileError(ValueError):
    """Says what is wrong with a file of labels, and what can be done about it."""


@contextmanager
def reading(path: str | os.PathLike[str], remedy: str) -> Iterator[None]:
    """
    Read a file, and turn whatever goes wrong with it into an error that names it.

    :param path: The file.
    :param remedy: What can be done about an error that does not say so itself.
    :raises LabelFileError: If the file is damaged, or no file of labels.
    :raises OSError: If the file does not exist or may not be read.
    """
    try:
        yield
    except (FileNotFoundError, PermissionError):
        raise
    except Exception as error:  # zipfile, NumPy, json and safetensors raise whatever their parts raise
        what = f"{str(error).rstrip('.') or type(error).__name__:.400}"
        ending = "" if isinstance(error, ValueError) and ";" in what else f"; {remedy}"
        raise LabelFileError(f"{os.fspath(path)!r} cannot be loaded as labels: {what}{ending}.") from error
