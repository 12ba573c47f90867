"""Descriptions: what is made alike is described alike, and differences are named."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from gymnasium import spaces

from sb3_isr.common.descriptions import describe, differences


@dataclass
class Part:
    """Has another object inside it."""

    number: float
    inside: Any = None


class Hidden:
    """Keeps its argument under another name, and something that is no argument."""

    def __init__(self, size: int) -> None:
        self._size = size
        self.counter = 0


@pytest.mark.parametrize(
    ("value", "description"),
    [
        (np.float64(0.5), 0.5),
        ((1, np.int64(2)), [1, 2]),
        (len, "builtins.len"),
        (Part, f"{__name__}.Part"),
        (Part(1.0, [Part(2.0)]), {"class": f"{__name__}.Part", "number": 1.0, "inside": [describe(Part(2.0))]}),
        (Hidden(3), {"class": f"{__name__}.Hidden", "size": 3}),
        (spaces.Discrete(3), "Discrete(3)"),
        (object(), {"class": "builtins.object"}),
    ],
)
def test_objects_are_described_by_their_arguments(value: Any, description: Any) -> None:
    assert describe(value) == description
    assert json.loads(json.dumps(describe(value))) == description


def test_an_object_that_holds_itself_has_a_description() -> None:
    part = Part(1.0)
    part.inside = part
    json.dumps(describe(part))


def test_arrays_are_described_by_their_elements() -> None:
    assert describe(np.arange(3)) == describe(np.arange(3)) != describe(np.arange(1, 4))


@pytest.mark.parametrize(
    ("here", "there", "names"),
    [
        ({"a": 1, "b": {"c": [1, 2]}}, {"a": 1, "b": {"c": [1, 3]}}, ["b.c[1]=2 here and 3 there"]),
        ({"a": 1}, {"b": 2}, ["a=1 here and None there", "b=None here and 2 there"]),
        ([1], [1, 2], ["=[1] here and [1, 2] there"]),
        (float("nan"), float("nan"), []),
        (1, 1.0, []),
    ],
)
def test_differences_are_named(here: Any, there: Any, names: list[str]) -> None:
    assert differences(here, there) == names
