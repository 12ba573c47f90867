"""The paper's figures, beside the published values: ``python -m reproduction fig4a``, in a clone of the repository."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from sb3_isr.common.command_line import run_command

#: The clone: by default its results are used, wherever the command is started.
ROOT = Path(__file__).parents[1]


def main(argv: Sequence[str] | None = None) -> int:
    """
    Run the command.

    :param argv: Arguments; those of the process by default.
    :return: Exit status: 0, 1 if a run failed or something is not installed, 2 if an argument is wrong, 130 if
        interrupted.
    """
    arguments = _parser().parse_args(argv)
    needed = ["matplotlib", "scipy", "tabulate", "tqdm", *(["distributed"] if arguments.scheduler else [])]
    extra = "experiments,distributed" if arguments.scheduler else "experiments"
    return run_command("python -m reproduction", lambda: _reproduce(arguments), needed, extra)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m reproduction", description="The paper's figures, reproduced.")
    add = parser.add_argument
    add(
        "figures",
        nargs="*",
        metavar="FIG",
        help="fig1b, fig3a, fig3b, fig4a, fig4b, fig5, fig6, fig7, labels; or a study: tasks, hackability, teach",
    )
    add("--all", action="store_true", help="all figures")
    add("--protocol", default="fast", help="fast (minutes a figure, default) or paper (hours)")
    add("--seeds", type=int, metavar="N", help="seeds 0 to N-1 (default: those of the docs)")
    add("--workers", type=int, default=2, metavar="N", help="local processes (default: 2)")
    add("--scheduler", metavar="ADDRESS", help="a dask scheduler, in place of local processes")
    results, work = ROOT / "results", ROOT / "runs" / "work"
    add("--results", type=Path, default=results, help="archives of results (default: results/ of the clone)")
    add("--work", type=Path, default=work, help="new results, weights, labels (default: runs/work/ of the clone)")
    add("--out", type=Path, default=Path("runs/reproduction"), help="report (default: runs/reproduction)")
    add("--list", action="store_true", help="show what there is, what is done and what the rest costs; run nothing")
    add("--summary", action="store_true", help="print the values of figures as JSON; run nothing")
    add("--pack", action="store_true", help="move new results from --work into the archives; run nothing")
    return parser


def _reproduce(arguments: argparse.Namespace) -> int:
    from reproduction.reproduce import STUDIES, reproduce, run_study

    if len(arguments.figures) == 1 and arguments.figures[0] in STUDIES:
        return run_study(arguments.figures[0], arguments)
    return reproduce(arguments)


if __name__ == "__main__":
    sys.exit(main())
