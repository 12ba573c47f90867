"""How much memory there is."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

#: Where Linux says what a container may use: control groups of version 2, and of version 1.
_LIMITS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")


def total_memory() -> int | None:
    """
    Get the size of this machine's memory, or of the part that its container may use.

    :return: Bytes; None if this system does not say.
    """
    sizes = []
    for limit in _LIMITS:
        with suppress(OSError, ValueError):  # not on Linux; "max"
            sizes.append(int(Path(limit).read_text()))
    with suppress(AttributeError, ValueError, OSError):  # not on Windows
        sizes.append(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    return min(sizes, default=None)
