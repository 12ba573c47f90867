"""The command line, ``sb3-isr``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TypeAlias

from sb3_isr.common.command_line import run_command
from sb3_isr.version import __version__


def main(argv: Sequence[str] | None = None) -> int:
    """
    Run a command.

    :param argv: Arguments; those of the process by default.
    :return: Exit status: 0, 1 if something failed or is not installed, 2 if an argument is wrong, 130 if interrupted.
    """
    parser = argparse.ArgumentParser(prog="sb3-isr", description=__doc__)
    parser.add_argument("--version", action="version", version=f"sb3-isr {__version__}")
    commands = parser.add_subparsers(dest="command", required=True)
    _add_demo(commands)
    _add_animate(commands)
    _add_tune(commands)
    _add_labels(commands)
    _add_fit(commands)
    _add_console(commands)
    arguments = parser.parse_args(argv)
    modules = NEEDS[arguments.extra]
    return run_command(f"sb3-isr {arguments.command}", lambda: int(arguments.run(arguments)), modules, arguments.extra)


#: The modules that commands of an extra need; those without an extra need none.
NEEDS: dict[str, tuple[str, ...]] = {
    "": (),
    "experiments": ("matplotlib", "scipy", "tabulate", "tqdm"),
    "tuning": ("matplotlib", "scipy", "tabulate", "tqdm", "optuna", "rl_zoo3"),
    "console": ("starlette", "uvicorn"),
}
Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"


def _add_demo(commands: Commands) -> None:
    demo = commands.add_parser("demo", help="a caregiver leaves: how much performance is retained (a minute)")
    demo.add_argument("--seed", type=_seed, default=0, help="seeds everything (default: 0)")
    demo.add_argument("--out", type=Path, default=Path("runs/demo"), help="folder of the results (default: runs/demo)")
    demo.set_defaults(run=_demo, extra="experiments")


def _add_animate(commands: Commands) -> None:
    command = commands.add_parser("animate", help="show the behaviour of learners of the prosocial game as a GIF")
    command.add_argument(
        "learners", nargs="+", type=_panel, metavar="TITLE=FILE", help="a title, and the zip of a PPO learner"
    )
    command.add_argument("--seed", type=_seed, default=0, help="seeds mazes and actions (default: 0)")
    command.add_argument("--out", type=Path, default=Path("prosocial.gif"), help="the GIF (default: prosocial.gif)")
    command.set_defaults(run=_animate, extra="experiments")


def _add_tune(commands: Commands) -> None:
    command = commands.add_parser("tune", help="search for schedules with a high return and few labels")
    add = command.add_argument
    add("env_id", nargs="?", metavar="ENV_ID", help="any registered Gymnasium id, or package:id")
    add(
        "--gym-packages", nargs="+", default=[], metavar="PACKAGE", help="packages to import that register environments"
    )
    add("--algo", help="RL Zoo's name of the algorithm: ppo, sac, ...")
    add("--n-trials", type=int, default=50, metavar="N", help="number of trials in the end (default: 50)")
    add("--timesteps", type=int, metavar="T", help="environment steps of each training (default: the entry's)")
    add("--seeds", type=int, default=2, metavar="K", help="each trial trains seeds 0 to K-1 (default: 2)")
    add("--n-jobs", type=int, default=1, metavar="N", help="workers on this machine (default: 1)")
    add("--storage", metavar="URL_OR_FILE", help="postgresql://... for many machines (default: OUT/journal.log)")
    add("--study", metavar="NAME", help="the study's name (default: ENV_ID ALGO)")
    add("--out", type=Path, default=Path("runs/tune"), help="folder of the report (default: runs/tune)")
    add("--config", type=Path, metavar="FILE", help="RL Zoo's YAML (default: zoo_configs/ALGO.yml, then RL Zoo's own)")
    what = command.add_argument_group("search space")
    what.add_argument(
        "--parts",
        nargs="+",
        default=["presence", "labels", "isr_training", "internal_reward"],
        help="presence, labels, isr_training, isr_network, isr_caution, internal_reward (default: all but isr_network "
        "and isr_caution)",
    )
    what.add_argument("--sample-algo", action="store_true", help="also search the algorithm's own, by RL Zoo's sampler")
    what.add_argument(
        "--search",
        action="append",
        default=[],
        metavar="NAME=LOW:HIGH[:log]",
        help="also search a value of the entry, or isr.NAME of ISRCallback; NAME=A,B,C for choices",
    )
    what.add_argument("--fix", action="append", default=[], metavar="NAME=VALUE", help="do not search a parameter")
    what.add_argument(
        "--space", metavar="FILE", help="Python file with callback(trial) or algorithm(trial), which return arguments"
    )
    aim = command.add_argument_group("goal (default: the front of return and labels)")
    aim.add_argument("--max-labels", type=int, metavar="N", help="the greatest return with at most N labels; prunes")
    aim.add_argument("--min-return", type=float, metavar="R", help="the fewest labels with a return of at least R")
    how = command.add_argument_group("search")
    how.add_argument("--sampler", default="tpe", help="tpe (default) or random")
    how.add_argument("--sampler-seed", type=int, default=0, metavar="N", help="seeds the sampler (default: 0)")
    how.add_argument("--warm-up", type=float, default=0.5, help="prune only after this part of training (default: 0.5)")
    how.add_argument(
        "--lease",
        type=int,
        default=60,
        metavar="SECONDS",
        help="so long after its last heartbeat a worker is dead",
    )
    how.add_argument(
        "--beside", nargs="+", default=[], metavar="NAME", help="other studies of the storage to draw, too"
    )
    how.add_argument("--confirm", type=int, default=0, metavar="N", help="then run the best trial on N fresh seeds")
    how.add_argument("--trial", type=int, metavar="NUMBER", help="use this trial in place of the best")
    how.add_argument("--repair", type=Path, metavar="JOURNAL", help="only remove torn lines from a journal")
    command.set_defaults(run=_tune, extra="tuning")


def _add_labels(commands: Commands) -> None:
    labels = commands.add_parser("labels", help="hand on labels: export, import, merge, show")
    labels.set_defaults(run=_labels, extra="")
    actions = labels.add_subparsers(dest="action", required=True)
    for name, help_text in (
        ("export", "write the labels of a checkpoint or mailbox to a file"),
        ("import", "check labels from elsewhere, and write them to a file that knows its spaces"),
    ):
        command = actions.add_parser(name, help=help_text)
        command.add_argument("source", type=Path, metavar="SOURCE", help=_SOURCE)
        command.add_argument("out", type=Path, metavar="FILE", help="the new file: .jsonl or .safetensors")
        command.add_argument("--env", metavar="ID", help=_ENV)
        command.add_argument("--by", metavar="NAME", help="the author of labels that have none")
    merge = actions.add_parser("merge", help="put labels of several people together, and list their disagreements")
    merge.add_argument("sources", type=Path, nargs="+", metavar="SOURCE", help=_SOURCE)
    merge.add_argument("--out", type=Path, required=True, metavar="FILE", help="the new file: .jsonl or .safetensors")
    show = actions.add_parser("show", help="how many labels there are, by whom, and which rewards")
    show.add_argument("source", type=Path, metavar="SOURCE", help=_SOURCE)
    show.add_argument("--env", metavar="ID", help=_ENV)


def _add_fit(commands: Commands) -> None:
    command = commands.add_parser("fit", help="train an ISR on labels, without running an environment")
    command.set_defaults(run=_labels, extra="", action="fit")
    command.add_argument("source", type=Path, metavar="LABELS", help=_SOURCE)
    command.add_argument("--env", metavar="ID", help=_ENV)
    command.add_argument("--out", type=Path, required=True, metavar="FILE", help="the ISR: values.safetensors")
    command.add_argument("--seed", type=_seed, default=0, help="seeds everything (default: 0)")
    command.add_argument("--isr-kwargs", metavar="JSON", help="arguments of the ISR, or a file that has them")
    command.add_argument("--trainer-kwargs", metavar="JSON", help="arguments of its training, or a file that has them")


_SOURCE = "labels: .jsonl, .safetensors, .csv, .npz; the folder of a checkpoint; mailbox.sqlite"
_ENV = "the environment whose spaces the labels have: needed for .csv and .npz, checked for others"


def _labels(arguments: argparse.Namespace) -> int:
    from sb3_isr.label_tools.commands import run_labels

    return run_labels(arguments)


def _add_console(commands: Commands) -> None:
    command = commands.add_parser("console", help="answer the questions of a training in the browser")
    add = command.add_argument
    add("folder", type=Path, metavar="RUN", help="folder of the run, or its mailbox.sqlite")
    add("--by", metavar="NAME", help="who answers (default: your user name)")
    add("--port", type=int, help="the port (default: that of the last time, or a free one)")
    add("--host", default="127.0.0.1", help="the address to listen on (default: 127.0.0.1, this machine alone)")
    command.set_defaults(run=_console, extra="console")


def _console(arguments: argparse.Namespace) -> int:
    from sb3_isr.console.serve import serve

    return serve(arguments.folder, arguments.host, arguments.port, arguments.by)


def _tune(arguments: argparse.Namespace) -> int:
    from sb3_isr.tuning.tune import tune

    return tune(arguments)


def _demo(arguments: argparse.Namespace) -> int:
    import torch

    from sb3_isr.demo import DemoConfig, draw, run_demo, table

    torch.set_num_threads(1)  # networks this small only wait for a second thread
    out = arguments.out
    result = run_demo(DemoConfig(seed=arguments.seed), out)
    draw(result, out / "goals_per_episode.png")
    (out / "table.txt").write_text(table(result) + "\n")
    print(f"\n{table(result)}\n\nFigure: {out / 'goals_per_episode.png'}\nNumbers: {out / 'result.json'}")
    return 0


def _animate(arguments: argparse.Namespace) -> int:
    from sb3_isr.envs.prosocial.animation import animate

    animate(arguments.learners, arguments.out, arguments.seed)
    print(f"Animation: {arguments.out}")
    return 0


def _panel(text: str) -> tuple[str, Path]:
    title, _, path = text.rpartition("=")
    if not title or not Path(path).is_file():
        raise argparse.ArgumentTypeError(f"a learner must be TITLE=FILE with an existing file, got {text}")
    return title, Path(path)


def _seed(text: str) -> int:
    seed = int(text)
    if not 0 <= seed < 2**31:
        raise argparse.ArgumentTypeError(f"a seed must lie in [0, 2**31), got {seed}")
    return seed


if __name__ == "__main__":
    sys.exit(main())
