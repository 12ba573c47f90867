"""The published figures and their values."""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files
from typing import Any

import numpy as np

#: By condition, one number for each seed.
Values = dict[str, dict[int, float]]


@cache
def published() -> dict[str, Any]:
    """
    Read the published figures.

    :return: The figures, with their source.
    """
    content: dict[str, Any] = json.loads(files("reproduction").joinpath("published.json").read_text())
    return content


def published_values(name: str) -> Values:
    """
    Get the published values of a figure.

    :param name: A figure.
    :return: The values by condition; empty if none were published.
    """
    by_condition: dict[str, list[float]] = {}
    if name == "fig3b":
        part = published()["fig3b_isr_test_mse"]
        by_n = zip(part["n_labels"], np.transpose(part["mse_by_seed"]).tolist(), strict=True)
        by_condition = {f"{n} labels": mse for n, mse in by_n}
    elif name == "fig4a":
        by_condition = {key: value for key, value in published()["fig4a_rerun"].items() if key != "note"}
    elif name == "fig4b":
        by_condition = {key.lower(): value for key, value in published()["fig4b_ood_reward"].items() if key != "note"}
    elif name == "fig5":
        for task, of_task in published()["fig5_ood_reward_by_map"]["maps"].items():
            by_condition |= {f"{task.replace('4 ', 'four_')}: {key.lower()}": value for key, value in of_task.items()}
    return {condition: dict(enumerate(values)) for condition, values in by_condition.items()}
