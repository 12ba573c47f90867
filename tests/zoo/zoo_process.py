"""Real processes of RL Zoo, as a user starts them."""

import subprocess
import sys
from pathlib import Path

CONFIGS = Path(__file__).parents[1] / "zoo_configs"


def run_zoo(module: str, *arguments: str | Path, cwd: Path) -> str:
    """
    :param module: ``rl_zoo3.train``, say.
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


def train(config: Path, env_id: str, *arguments: str | Path, cwd: Path) -> str:
    """
    Train in one process on one thread.

    :param config: A configuration, named for its algorithm.
    :param env_id: The entry.
    :param arguments: More of the command line.
    :param cwd: Where it runs.
    :return: What it printed.
    """
    # SBX and masks are what only sb3_isr.zoo.__main__ knows.
    is_own = config.stem.startswith(("sbx_", "ppo_mask"))
    module = "sb3_isr.zoo.__main__ train" if is_own else "rl_zoo3.train"
    options = [
        "--conf-file",
        str(config),
        "--gym-packages",
        "sb3_isr",
        "--num-threads",
        "1",
        "--device",
        "cpu",
        "--seed",
        "0",
    ]
    return run_zoo(module, "--algo", config.stem, "--env", env_id, *options, *arguments, cwd=cwd)
