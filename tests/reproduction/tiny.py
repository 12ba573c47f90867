"""
A protocol in which a run takes a second, and a command that makes figure 4a's runs by it:

    python -m tests.reproduction.tiny RESULTS WORK [ADDRESS OF A DASK SCHEDULER]

prints each run that it starts to make anew, and makes those of seeds 0 and 1 one at a time, or on dask's workers.
"""

import sys
from functools import partial
from pathlib import Path

from reproduction.figures import FIGURES
from reproduction.protocols import Protocol
from reproduction.results import Results
from reproduction.runner import dask_workers, local_processes, missing, run_all
from reproduction.runs import Run

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

#: The same, but autonomy is long enough to be killed in the midst of it.
SLOW = Protocol("slow", "mlp", n_envs=4, n_steps=20, batch_size=40, socialization_steps=800, autonomy_steps=4000)


def fig4a(protocol: Protocol, n_seeds: int = 1) -> list[Run]:
    return [run for seed in range(n_seeds) for run in FIGURES["fig4a"].runs(protocol, seed)]


def main() -> None:
    results, work = Path(sys.argv[1]), Path(sys.argv[2])
    runs = fig4a(SLOW, n_seeds=2)
    for run in missing(runs, Results(results), work):
        print(run.path, flush=True)
    workers = partial(dask_workers, sys.argv[3]) if len(sys.argv) > 3 else partial(local_processes, 1)
    failures = run_all(runs, results, work, workers)
    sys.exit(len(failures))


if __name__ == "__main__":
    main()
