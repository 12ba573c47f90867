"""
A protocol in which a run takes a second, and a command that makes runs of it:

    python -m tests.reproduction.tiny ARCHIVES WORK [ADDRESS OF A DASK SCHEDULER]

prints each run that is still to be made, and makes them one at a time, or on dask's workers.
"""

import sys
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from reproduction.figures import FIGURES, autonomy_in_old_task
from reproduction.protocols import Protocol
from reproduction.results import Results
from reproduction.runner import Workers, dask_workers, local_workers, missing, run_all
from reproduction.runs import Run, Socialization

TINY = Protocol(
    "tiny",
    "mlp",
    n_envs=4,
    n_steps=20,
    batch_size=40,
    socialization_steps=800,
    autonomy_steps=800,
    new_task_steps=800,
    isr_gradient_steps=20,
    label_steps=(400, 800),
)

#: The same, but autonomy is long enough to be killed in the middle.
SLOW = Protocol("slow", "mlp", n_envs=4, n_steps=20, batch_size=80, socialization_steps=400, autonomy_steps=2400)


class InlineExecutor(Executor):
    """Executes everything at once, in this process."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except Exception as error:
            future.set_exception(error)
        return future


@contextmanager
def inline_worker() -> Iterator[Workers]:
    """One worker, which is this process."""
    yield Workers(InlineExecutor(), lambda: 1)


@contextmanager
def no_worker() -> Iterator[Workers]:
    """For commands that must not make a run."""
    raise AssertionError("A run is made.")
    yield


def figure(name: str, protocol: Protocol) -> list[Run]:
    """The runs of one seed."""
    return FIGURES[name].runs(protocol, 0)


def slow_runs() -> list[Run]:
    """The runs of the command: a socialization, and two of autonomy after it. None has an evaluation."""
    socialization = Socialization(SLOW, "prosocial", 1e-3, seed=0)
    return [autonomy_in_old_task(socialization, "none"), autonomy_in_old_task(socialization, "oracle")]


def main() -> None:
    results = Results(Path(sys.argv[1]), Path(sys.argv[2]))
    runs = slow_runs()
    for run in missing(runs, results):
        print(run.path, flush=True)
    workers = partial(dask_workers, sys.argv[3]) if len(sys.argv) > 3 else partial(local_workers, 1)
    sys.exit(len(run_all(runs, results, workers)))


if __name__ == "__main__":
    main()
