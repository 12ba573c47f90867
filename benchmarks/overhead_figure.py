"""The figure of the overhead on training: a bar a case."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

#: Colours that the colour-blind can tell apart (Okabe & Ito 2008), and the bar's offset.
STYLE = {"caregiver absent": ("#0072B2", -0.2), "caregiver always": ("#E69F00", 0.2)}


def draw_overhead(results: Sequence[dict[str, Any]], path: Path) -> None:
    """
    Draw the share of the learning time that is spent in the plugin.

    :param results: The results of the case ``overhead``.
    :param path: The picture's file.
    """
    from matplotlib.figure import Figure

    known = {(result["name"], result["n"]): result for result in results}
    tasks = list(dict.fromkeys(result["name"].partition(": ")[0] for result in results))
    rows = [(task, n) for task in tasks for n in sorted({n for name, n in known if name.startswith(f"{task}: ")})]
    figure = Figure(figsize=(9, 0.3 * len(rows) + 1), layout="constrained")
    axes = figure.subplots()
    widest = max([result["value"] for result in results if result["name"].endswith(": share")], default=1.0)
    for y, (task, n) in enumerate(rows):
        ratios = []
        for variant, (color, offset) in STYLE.items():
            share, ratio = known[f"{task}: {variant}: share", n], known[f"{task}: {variant}", n]
            axes.barh(y + offset, share["value"], 0.36, color=color, label=variant if not y else None)
            if share["goal"] is not None:
                axes.vlines(share["goal"], y + offset - 0.18, y + offset + 0.18, color="black", lw=1.5)
            ratios.append(f"{ratio['value']:.2f}")
        axes.text(1.06 * widest, y, ", ".join(ratios), va="center", fontsize=8, color="0.35")
    axes.set_yticks(range(len(rows)), [f"{task}, {n}" for task, n in rows], fontsize=8)
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.set_xlim(0, 1.2 * widest)
    axes.set_xlabel("percent of the learning time (rows: learner, number of environments)")
    axes.spines[["top", "right"]].set_visible(False)
    figure.legend(frameon=False, loc="outside upper center", ncols=2)
    figure.savefig(path, dpi=120)
