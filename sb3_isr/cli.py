"""The command line, ``sb3-isr``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path


def main(argv: Sequence[str] | None = None) -> int:
    """
    :param argv: Arguments; those of the process by default.
    :return: Exit status: 0, 1 if something is not installed, 130 if interrupted.
    """
    parser = argparse.ArgumentParser(prog="sb3-isr", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    demo = commands.add_parser("demo", help="socialize a learner, let the caregiver leave, see what is left (a minute)")
    demo.add_argument("--seed", type=_seed, default=0, help="seeds everything (default: 0)")
    demo.add_argument("--out", type=Path, default=Path("runs/demo"), help="folder of the results (default: runs/demo)")
    animate = commands.add_parser("animate", help="show what learners of the prosocial game do, as a GIF")
    animate.add_argument(
        "learners", nargs="+", type=_panel, metavar="TITLE=FILE", help="what to write above; a PPO zip"
    )
    animate.add_argument("--seed", type=_seed, default=0, help="seeds mazes and actions (default: 0)")
    animate.add_argument("--out", type=Path, default=Path("prosocial.gif"), help="the GIF (default: prosocial.gif)")
    arguments = parser.parse_args(argv)

    missing = [name for name in ("matplotlib", "tqdm") if find_spec(name) is None]
    if missing:
        print(
            f"sb3-isr {arguments.command} needs {' and '.join(missing)}: pip install 'sb3-isr[experiments]'",
            file=sys.stderr,
        )
        return 1
    try:
        if arguments.command == "animate":
            return _animate(arguments.learners, arguments.out, arguments.seed)
        return _demo(arguments.seed, arguments.out)
    except KeyboardInterrupt:
        print("\nInterrupted; what was finished before is unchanged.", file=sys.stderr)
        return 130


def _demo(seed: int, out: Path) -> int:
    import torch

    from sb3_isr.experiments.demo import DemoConfig, draw, run_demo, table

    torch.set_num_threads(1)  # networks this small only wait for a second thread
    result = run_demo(DemoConfig(seed=seed), out)
    draw(result, out / "goals_per_episode.png")
    (out / "table.txt").write_text(table(result) + "\n")
    print(f"\n{table(result)}\n\nFigure: {out / 'goals_per_episode.png'}\nNumbers: {out / 'result.json'}")
    return 0


def _animate(learners: list[tuple[str, Path]], out: Path, seed: int) -> int:
    from sb3_isr.experiments.animation import animate

    animate(learners, out, seed)
    print(f"Animation: {out}")
    return 0


def _panel(text: str) -> tuple[str, Path]:
    title, _, path = text.rpartition("=")
    if not title or not Path(path).is_file():
        raise argparse.ArgumentTypeError(f"a learner must be TITLE=FILE with a file that is there, got {text}")
    return title, Path(path)


def _seed(text: str) -> int:
    seed = int(text)
    if not 0 <= seed < 2**31:
        raise argparse.ArgumentTypeError(f"a seed must lie in [0, 2**31), got {seed}")
    return seed


if __name__ == "__main__":
    sys.exit(main())
