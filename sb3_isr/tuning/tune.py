"""``sb3-isr tune``: workers on this machine, a bar over the trials of the study, and a report at the end."""

from __future__ import annotations

import argparse
import multiprocessing
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from multiprocessing.context import SpawnProcess

import optuna
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState
from tqdm import tqdm

from sb3_isr.common.processes import die_with_parent
from sb3_isr.tuning import space
from sb3_isr.tuning.confirm import confirm
from sb3_isr.tuning.entry import entry_file, read_entry
from sb3_isr.tuning.environment import find_environment
from sb3_isr.tuning.findings import Found, best, found
from sb3_isr.tuning.objective import Settings, check_settings
from sb3_isr.tuning.report import report
from sb3_isr.tuning.storage import SHORTEST_LEASE, repair_journal
from sb3_isr.tuning.study import POLL, SAMPLERS, Place, failure, finished, open_study, stop_once, work

#: Seconds that a worker has to put its trial back into the queue when it is stopped.
STOP_TIMEOUT = 30


def tune(arguments: argparse.Namespace) -> int:
    """
    Carry out the command.

    :param arguments: The arguments of ``sb3-isr tune``.
    :return: Exit status: 1 if trials are left that no worker of this machine runs any more.
    :raises ValueError: If an argument is wrong, or the study has other settings.
    """
    if arguments.repair is not None:
        if not arguments.repair.is_file():
            raise ValueError(f"--repair must be a journal, got {arguments.repair}, which is no file.")
        print(f"{arguments.repair}: {repair_journal(arguments.repair)} torn lines removed.")
        return 0
    settings, place = _settings(arguments), _place(arguments)
    study = open_study(settings, place)
    known = optuna.get_all_study_names(study._storage)
    if unknown := [name for name in arguments.beside if name not in known]:
        raise ValueError(f"--beside must name studies of the same storage, some of {known}, got {unknown}.")
    is_done = _run_workers(study, settings, place, arguments.n_jobs)
    if any(trial.state == TrialState.COMPLETE for trial in finished(study)):
        chosen = _chosen(study, settings, arguments.trial)
        print(report(study, settings, place, arguments.out, chosen, arguments.beside))
        if arguments.confirm and chosen is not None:
            print(f"\n{confirm(settings, chosen, arguments.confirm, arguments.n_jobs, arguments.out)}")
    for trial in finished(study):
        if reason := failure(trial):
            print(f"Trial {trial.number} failed: {reason}", file=sys.stderr)
    if not is_done:
        print("The workers ended before the trials did; the same command continues.", file=sys.stderr)
    return int(not is_done)


def _chosen(study: Study, settings: Settings, number: int | None) -> Found | None:
    trials = found(study)
    if number is None:
        return best(trials, settings.max_labels, settings.min_return)
    if chosen := next((trial for trial in trials if trial.number == number), None):
        return chosen
    raise ValueError(f"--trial must be the number of a trial that was trained to its end, got {number}.")


def _settings(arguments: argparse.Namespace) -> Settings:
    if not arguments.env_id or not arguments.algo:
        raise ValueError("ENV_ID and --algo must be given, as in: sb3-isr tune CartPole-v1 --algo ppo")
    registration = find_environment(arguments.env_id, arguments.gym_packages)
    env_id = registration.spec.id
    entry = read_entry(env_id, arguments.algo, arguments.config)
    where = entry_file(env_id, arguments.algo, arguments.config)
    print(f"Entry that a trial changes: {where or 'the defaults of the algorithm'}")
    for part in arguments.parts:
        if part not in space.PARTS:
            raise ValueError(f"--parts must be some of {', '.join(space.PARTS)}, got {part}.")
    settings = Settings(
        env_id=env_id,
        registration=registration,
        algo=arguments.algo,
        entry=entry,
        timesteps=arguments.timesteps or int(float(entry.get("n_timesteps", 100_000))),
        seeds=arguments.seeds,
        parts=tuple(arguments.parts),
        sample_algo=arguments.sample_algo,
        search=tuple(arguments.search),
        fix=tuple(arguments.fix),
        space_file=arguments.space,
        max_labels=arguments.max_labels,
        min_return=arguments.min_return,
        warm_up=arguments.warm_up,
    )
    check_settings(settings)
    return settings


def _place(arguments: argparse.Namespace) -> Place:
    for name in ("n_trials", "n_jobs"):
        if getattr(arguments, name) < 1:
            raise ValueError(f"--{name.replace('_', '-')} must be at least 1, got {getattr(arguments, name)}.")
    if arguments.lease < SHORTEST_LEASE:
        raise ValueError(f"--lease must be at least {SHORTEST_LEASE} seconds, got {arguments.lease}.")
    if arguments.sampler not in SAMPLERS:
        raise ValueError(f"--sampler must be one of {', '.join(SAMPLERS)}, got {arguments.sampler}.")
    return Place(
        storage=arguments.storage or str(arguments.out / "journal.log"),
        name=arguments.study or f"{arguments.env_id.rpartition(':')[2]} {arguments.algo}",
        n_trials=arguments.n_trials,
        sampler=arguments.sampler,
        sampler_seed=arguments.sampler_seed,
        lease=arguments.lease,
    )


def _run_workers(study: Study, settings: Settings, place: Place, n_jobs: int) -> bool:
    """Returns whether all trials are finished."""
    if len(finished(study)) >= place.n_trials:
        return True
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=_worker, args=(settings, place)) for _ in range(n_jobs)]
    with _stopping(workers), tqdm(total=place.n_trials, unit=" trials", smoothing=0.1) as bar:
        for worker in workers:
            worker.start()
        shown: set[int] = set()
        while True:
            are_alive = any(worker.is_alive() for worker in workers)
            done = finished(study)
            for trial in done:
                if trial.number not in shown and (reason := failure(trial)):
                    bar.write(f"Trial {trial.number} failed: {reason}")
                shown.add(trial.number)
            if len(done) != bar.n or sys.stderr.isatty():  # a log file needs no running clock
                bar.n = len(done)
                bar.set_postfix_str(_counts(done), refresh=False)
                bar.refresh()
            if not are_alive:
                return len(done) >= place.n_trials
            time.sleep(POLL)


def _counts(trials: Sequence[FrozenTrial]) -> str:
    states = [trial.state for trial in trials]
    n_pruned, n_failed = states.count(TrialState.PRUNED), states.count(TrialState.FAIL)
    return f"{n_pruned} pruned, {n_failed} failed"


@contextmanager
def _stopping(workers: list[SpawnProcess]) -> Iterator[None]:
    """However this process is stopped, its workers first put their trials back into the queue."""
    before = signal.signal(signal.SIGTERM, stop_once)
    try:
        yield
    except BaseException:
        for worker in workers:
            if worker.pid is not None:
                worker.terminate()
        for worker in workers:
            if worker.pid is not None:
                worker.join(STOP_TIMEOUT)
                worker.kill()
        raise
    finally:
        signal.signal(signal.SIGTERM, before)


def _worker(settings: Settings, place: Place) -> None:
    # A terminal's Ctrl-C reaches all its processes, but the first one decides when the others stop.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    die_with_parent()
    try:
        work(settings, place)
    except KeyboardInterrupt:
        sys.exit(130)
