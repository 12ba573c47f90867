"""Files that are written completely or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def replaced(path: Path) -> Iterator[Path]:
    """
    Write a file beside its place, and move it there once it is complete.

    :param path: The file; its folder is made. An existing one is kept if writing fails.
    :return: Where to write.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{path.name}.{os.getpid()}.partial")
    try:
        yield partial
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """
    Write a text file, completely or not at all.

    :param path: The file; its folder is made. An existing one is replaced.
    :param text: What to write.
    """
    with replaced(path) as partial:
        partial.write_text(text)
