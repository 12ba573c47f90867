"""
A study whose trials take a second, and a worker on it as any machine would start one:

    python -m tests.tuning.small STORAGE N_TRIALS LEASE GATE

Its trials wait until the file GATE exists.
"""

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from optuna.study import Study
from optuna.trial import FrozenTrial

from sb3_isr.tuning.objective import Settings
from sb3_isr.tuning.study import Place, running, work

ENTRY: dict[str, Any] = {
    "policy": "MlpPolicy",
    "n_envs": 4,
    "n_steps": 32,
    "batch_size": 64,
    "n_epochs": 2,
    "learning_rate": "lin_1e-3",
    "vec_env_wrapper": "sb3_isr.VecISRReward",
    "callback": [{"sb3_isr.ZooISRCallback": {"presence": "leave_at_0.5", "trainer_kwargs": {"gradient_steps": 5}}}],
}

SETTINGS = Settings("sb3_isr/CoinGame-v0", "ppo", ENTRY, timesteps=1280, seeds=1, parts=("presence",))

#: A space file: a trial waits until a file exists, so that it can be interrupted. Trials that only show parameters
#: are in memory, and do not wait.
WAITING = """
import time
from pathlib import Path

from optuna.storages import InMemoryStorage


def callback(trial):
    trial.set_user_attr("waits", True)
    while not isinstance(trial.study._storage, InMemoryStorage) and not Path({gate!r}).exists():
        time.sleep(0.02)
    return {{}}
"""


def place(storage: str, n_trials: int, lease: int = 60) -> Place:
    return Place(storage, "small", n_trials, sampler="random", lease=lease)


def space_file(gate: Path) -> Path:
    """
    Write a space file whose trials wait.

    :param gate: They wait until this file exists.
    :return: The space file, beside it.
    """
    path = gate.with_name("waiting.py")
    path.write_text(WAITING.format(gate=str(gate)))
    return path


def waiting(gate: Path) -> Settings:
    """The settings of a study whose trials wait until a file exists."""
    return replace(SETTINGS, space_file=str(space_file(gate)))


def waiting_trials(study: Study) -> list[FrozenTrial]:
    """The trials of a study that wait."""
    return [trial for trial in running(study) if "waits" in trial.user_attrs]


if __name__ == "__main__":
    work(waiting(Path(sys.argv[4])), place(sys.argv[1], int(sys.argv[2]), int(sys.argv[3])))
