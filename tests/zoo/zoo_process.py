"""Real processes of RL Zoo, as a user starts them, on entries of zoo_configs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

CONFIGS = Path(__file__).parents[2] / "zoo_configs"

Entry = dict[str, Any]


def shortened(algo: str, env_id: str, gradient_steps: int = 5) -> Entry:
    """
    Get an entry with fewer steps.

    :param algo: The name of its file.
    :param env_id: The entry.
    :param gradient_steps: Gradient steps of an ISR training.
    :return: The entry; its rollouts and its warm-up have a few steps.
    """
    entry: Entry = yaml.safe_load((CONFIGS / f"{algo}.yml").read_text())[env_id]
    for name, few in (("n_steps", 16), ("learning_starts", 50)):
        if name in entry:
            entry[name] = min(entry[name], few)
    ((callback,),) = (kwargs.values() for kwargs in entry["callback"])
    callback["trainer_kwargs"] = {"gradient_steps": gradient_steps}
    return entry


def write_config(folder: Path, algo: str, env_id: str, entry: Entry) -> Path:
    """
    Write a configuration of one entry.

    :param folder: Where.
    :param algo: The algorithm, for which the file is named.
    :param env_id: The environment.
    :param entry: The entry.
    :return: The file.
    """
    config = folder / f"{algo}.yml"
    config.write_text(yaml.safe_dump({env_id: entry}))
    return config


def run_zoo(module: str, *arguments: str | Path, cwd: Path) -> str:
    """
    Run one of RL Zoo's scripts in a process of its own.

    :param module: ``rl_zoo3.train``, for example.
    :param arguments: Its command line.
    :param cwd: Where it runs; its ``logs`` are there.
    :return: What it printed.
    :raises RuntimeError: With what it printed, if it failed.
    """
    command = [sys.executable, "-m", *module.split(), *map(str, arguments)]
    done = subprocess.run(command, cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} failed:\n{done.stdout}")
    return done.stdout


def options(config: Path, env_id: str) -> list[str]:
    """
    Get the command line of a training in one process on one thread.

    :param config: A configuration, named for its algorithm.
    :param env_id: The entry.
    :return: The arguments.
    """
    what = ["--algo", config.stem, "--env", env_id, "--conf-file", str(config), "--gym-packages", "sb3_isr"]
    return [*what, "--num-threads", "1", "--device", "cpu", "--seed", "0"]


def train(config: Path, env_id: str, *arguments: str | Path, cwd: Path) -> str:
    """
    Train in one process on one thread.

    :param config: A configuration, named for its algorithm.
    :param env_id: The entry.
    :param arguments: More of the command line.
    :param cwd: Where it runs.
    :return: What it printed.
    """
    # Only sb3_isr.zoo knows SBX and masks.
    is_own = config.stem.startswith(("sbx_", "ppo_mask"))
    return run_zoo("sb3_isr.zoo train" if is_own else "rl_zoo3.train", *options(config, env_id), *arguments, cwd=cwd)
