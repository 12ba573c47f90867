"""What is in a collection of labels, as text."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timezone
from itertools import pairwise
from typing import Any

import gymnasium as gym
import numpy as np

from sb3_isr.common.batches import Array
from sb3_isr.labels.attributed import AttributedLabels
from sb3_isr.labels.label_range import MAX_VALUES
from sb3_isr.labels.merging import Disagreement

#: The longest bar, in characters.
_BAR = 30
#: The most disagreements that are shown.
_SHOWN = 20


def describe_labels(labels: AttributedLabels) -> str:
    """
    Describe labels: how many there are, of which spaces, by whom, and which rewards.

    :param labels: The labels.
    :return: Some lines of text.
    """
    terminated = int(labels.labels.transitions.terminated.sum())
    lines = [
        f"{len(labels):,} labels, {terminated:,} of them of steps that terminated an episode",
        f"observation space: {_short(labels.spaces.observation)}",
        f"action space: {_short(labels.spaces.action)}",
    ]
    if len(labels):
        lines += ["", *_table(_rows_by_name(labels)), "", *_table(_rows_by_reward(labels.labels.social_rewards))]
    return "\n".join(lines)


def describe_disagreements(found: Sequence[Disagreement], n_shared: int) -> str:
    """
    Describe where people disagree.

    :param found: The disagreements, the greatest first.
    :param n_shared: Number of transitions that several people labelled.
    :return: Some lines of text.
    """
    if not n_shared:
        return "No transition was labelled by several people."
    lines = [f"{n_shared:,} transitions were labelled by several people, who disagree on {len(found):,} of them"]
    if found:
        people = list(dict.fromkeys(name for each in found for name in each.rewards))
        rows = [
            [
                each.question or "(not known)",
                *(f"{each.rewards[name]:g}" if name in each.rewards else "" for name in people),
            ]
            for each in found[:_SHOWN]
        ]
        lines += ["", *_table([["question", *people], *rows])]
    if len(found) > _SHOWN:
        lines.append(f"... and {len(found) - _SHOWN:,} with smaller differences")
    return "\n".join(lines)


def _rows_by_name(labels: AttributedLabels) -> list[list[str]]:
    rows = [["by", "labels", "mean", "first", "last"]]
    by = np.array(labels.by)
    for name in sorted(set(labels.by)):
        is_theirs = by == name
        times = labels.times[is_theirs & (labels.times > 0)]
        days = [_day(times.min()), _day(times.max())] if len(times) else ["", ""]
        mean = labels.labels.social_rewards[is_theirs].mean()
        rows.append([name or "(not known)", f"{is_theirs.sum():,}", f"{mean:.3g}", *days])
    return rows


def _rows_by_reward(rewards: Array) -> list[list[str]]:
    values, counts = np.unique(rewards, return_counts=True)
    names = [f"{value:g}" for value in values]
    if len(values) > MAX_VALUES:
        counts, edges = np.histogram(rewards.astype(np.float64), MAX_VALUES)
        names = [f"{low:.3g} to {high:.3g}" for low, high in pairwise(edges)]
    rows = [["reward", "labels", "share", ""]]
    for name, count in zip(names, counts.tolist(), strict=True):
        rows.append([name, f"{count:,}", f"{count / len(rewards):.1%}", "#" * round(_BAR * count / max(counts))])
    return rows


def _table(rows: Sequence[Sequence[str]]) -> list[str]:
    """The first column to the left, the others to the right; a bar, which has no name, to the left too."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    is_left = [place == 0 or not name for place, name in enumerate(rows[0])]
    return [
        "  ".join(
            cell.ljust(width) if left else cell.rjust(width)
            for cell, width, left in zip(row, widths, is_left, strict=True)
        ).rstrip()
        for row in rows
    ]


def _day(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, timezone.utc).strftime("%Y-%m-%d")


def _short(space: gym.Space[Any]) -> str:
    text = " ".join(str(space).split())
    return text if len(text) <= 200 else f"{text[:197]}..."
