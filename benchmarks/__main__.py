"""
Measures what sb3-isr costs, side by side with the alternatives.

It writes benchmarks/results.json, and from it docs/benchmarks.md with its figures. The
whole of figure 4a takes longer and has its own commands, see ``benchmarks.figure4a``.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm

from benchmarks import coin_game, growth, inference, overhead, training
from benchmarks.common import CLOCKS, Result, facts, use_clock
from benchmarks.overhead_figure import draw_overhead
from benchmarks.report import draw, line, page, targets
from sb3_isr.common.files import write_text

FOLDER = Path(__file__).parent
RESULTS = FOLDER / "results.json"
DOCS = FOLDER.parent / "docs"
Cases = dict[str, Callable[[], Iterator[Result | str]]]
CASES: Cases = {
    "overhead": overhead.run,
    "inference": inference.run,
    "training": training.run,
    "coin_game": coin_game.run,
    "growth": growth.run,
}


def main() -> int:
    """
    Run the command.

    :return: Exit status: 1 if a case failed. A missed goal is no failure.
    """
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--only", choices=list(CASES), help="one case; the results of the others are kept")
    parser.add_argument("--report", action="store_true", help="measure nothing, only write tables and figure anew")
    parser.add_argument("--max-labels", type=int, choices=[10**6, 10**7], default=10**6, help="for growth")
    parser.add_argument("--clock", choices=list(CLOCKS), default="wall", help="use cpu if the machine is busy")
    arguments = parser.parse_args()
    use_clock(arguments.clock)
    torch.set_num_threads(1)  # networks this small only wait for a second thread
    cases: Cases = {**CASES, "growth": partial(growth.run, arguments.max_labels)}

    known = {case["case"]: case for case in json.loads(RESULTS.read_text())} if RESULTS.exists() else {}
    for name in [] if arguments.report else [arguments.only] if arguments.only else CASES:
        for case in measure(name, cases[name]):
            known[name] = case
            write_text(RESULTS, json.dumps(list(known.values()), indent=1) + "\n")
    measured = [known[name] for name in CASES if name in known]
    draw(measured, DOCS / "images" / "benchmarks.png")
    draw_overhead(known.get("overhead", {"results": []})["results"], DOCS / "images" / "overhead.png")
    write_text(DOCS / "benchmarks.md", page(measured))
    print(f"\n{targets(measured)}\n\nAll of it: docs/benchmarks.md\nNumbers: benchmarks/results.json")
    return int(any(case["failed"] for case in measured))


def measure(name: str, run: Callable[[], Iterator[Result | str]]) -> Iterator[dict[str, Any]]:
    """
    Measure a case.

    :param name: The case's name.
    :param run: Measures it.
    :return: Its part of ``results.json``, after each result: if it is stopped, earlier results are kept.
    """
    print(f"\n{name}", flush=True)
    command = " ".join(["python -m benchmarks", *sys.argv[1:]])
    case: dict[str, Any] = {"case": name, "command": command, **facts(), "seconds": 0.0, "failed": None}
    case.update(notes=[], results=[])
    start = time.perf_counter()
    try:
        for measured in run():
            if isinstance(measured, str):
                case["notes"].append(measured)
                continue
            case["results"].append({**asdict(measured), "met": measured.met})
            case["seconds"] = round(time.perf_counter() - start, 1)
            tqdm.write(line(case["results"][-1]))
            yield case
    except Exception as error:  # a case that fails must not stop the others
        traceback.print_exc()
        case["failed"] = f"{type(error).__name__}: {error}"
    yield case


if __name__ == "__main__":
    raise SystemExit(main())
