"""Processes of this machine that end with the one that started them."""

from __future__ import annotations

import multiprocessing
import os
import threading
from collections.abc import Iterator
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import contextmanager


@contextmanager
def local_processes(n: int) -> Iterator[Executor]:
    """
    Open a pool of fresh processes. They are killed if the body raises, and end if this process is killed.

    :param n: How many.
    :return: Executes functions in them.
    """
    executor = ProcessPoolExecutor(n, multiprocessing.get_context("spawn"), initializer=die_with_parent)
    try:
        yield executor
    except BaseException:
        executor.shutdown(wait=False, cancel_futures=True)
        for process in multiprocessing.active_children():
            process.kill()
        raise
    executor.shutdown()


def die_with_parent() -> None:
    """Let this process, a child of multiprocessing, end when its parent does, however that happens."""
    parent = multiprocessing.parent_process()
    assert parent is not None

    def watch() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
