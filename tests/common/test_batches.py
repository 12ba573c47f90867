from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium import spaces

from sb3_isr.common.batches import (
    Observations,
    check_batch,
    concatenate_batches,
    copy_batch,
    example_batch,
    index_batch,
    write_batch,
)

BOX = spaces.Box(-1, 1, (3,), np.float32)
DICT = spaces.Dict({"a": BOX, "b": spaces.Discrete(4)})


def batch(n: int, first: int = 0) -> dict[str, Any]:
    numbers = np.arange(first, first + n)
    return {"a": np.stack([numbers] * 3, axis=1).astype(np.float32), "b": numbers}


def as_lists(values: Observations) -> Any:
    return {key: value.tolist() for key, value in values.items()} if isinstance(values, dict) else values.tolist()


@pytest.mark.parametrize(
    ("values", "space", "n", "message"),
    [
        (np.zeros((4, 3)), BOX, None, None),
        (np.zeros((4, 3)), BOX, 4, None),
        (np.zeros((0, 3)), BOX, 0, None),
        (np.zeros(4, int), spaces.Discrete(2), None, None),
        (batch(4), DICT, 4, None),
        (np.zeros((4, 3)), BOX, 5, r"Values must have the shape \[5, 3\] of Box.*got \[4, 3\]"),
        (np.zeros((4, 2)), BOX, None, r"shape \[n, 3\] of Box.*got \[4, 2\]"),
        (np.zeros(3), BOX, None, r"shape \[n, 3\] of Box.*got \[3\]"),
        (np.float32(0), spaces.Discrete(2), None, r"shape \[n\] of Discrete\(2\), got \[\]"),
        (np.array([[0, np.nan, np.inf]]), BOX, None, "Values must be finite, got nan among them"),
        (np.zeros((4, 3)), DICT, None, r"dictionary with the keys \['a', 'b'\], got ndarray"),
        ({"a": np.zeros((4, 3))}, DICT, None, r"dictionary with the keys \['a', 'b'\], got \['a'\]"),
        ({**batch(4), "b": np.zeros(5)}, DICT, None, r"Values\['b'\] must have the shape \[4\]"),
        ({}, spaces.Dict({}), None, "empty Dict space"),
        (np.array([1, 3]), spaces.Discrete(3, start=1), None, None),
        (np.array([0.0, 1.0]), spaces.Discrete(2), None, None),
        (np.array([True, False]), spaces.Discrete(2), None, None),
        (np.array([0, 3]), spaces.Discrete(3, start=1), None, r"elements of Discrete\(3, start=1\), got 0 among them"),
        (np.array([2, 4]), spaces.Discrete(3, start=1), None, "got 4 among them; give what the environment"),
        (np.array([0.0, 0.9]), spaces.Discrete(2), None, "got 0.9 among them"),
        (np.array([[1, 2]]), spaces.MultiDiscrete([2, 3]), None, None),
        (np.array([[2, 1]]), spaces.MultiDiscrete([2, 3]), None, "got 2 among them"),
        (np.array([[0, 4]]), spaces.MultiDiscrete([2, 3], start=[0, 1]), None, "got 4 among them"),
        (np.array([[0, 2]]), spaces.MultiBinary(2), None, "got 2 among them"),
        (np.array([[9.0, -9.0, 0.0]]), BOX, None, None),  # noise and rounding lead out of a Box
        (np.array([[1e39, 0.0, 0.0]]), BOX, None, r"within \+-3.40282e\+38.*got 1e\+39.*subtract an offset"),
        (np.array([[2**53 + 1]]), spaces.Box(0, 2**60, (1,), np.int64), None, "got 9007199254740993 among them"),
        (np.array([["a", "b", "c"]]), BOX, None, "must be numbers of Box"),
        (np.array([[None] * 3]), BOX, None, "must be numbers of Box.*got the dtype object"),
    ],
)
def test_a_batch_fits_its_space_or_is_refused(
    values: Any, space: gym.Space[Any], n: int | None, message: str | None
) -> None:
    if message is None:
        first = values["a"] if isinstance(values, dict) else values
        assert check_batch("Values", values, space, n) == len(first)
    else:
        with pytest.raises(ValueError, match=message):
            check_batch("Values", values, space, n)


@pytest.mark.parametrize("key", [None, "b"], ids=["array", "dict"])
def test_select_concatenate_copy_and_write(key: str | None) -> None:
    def of(*numbers: int) -> Observations:
        array = np.array(numbers)
        return array if key is None else {key: array}

    assert as_lists(index_batch(of(4, 5, 6), np.array([2, 0]))) == as_lists(of(6, 4))
    assert as_lists(concatenate_batches([of(4, 5), of(6)])) == as_lists(of(4, 5, 6))
    original = of(4, 5, 6)
    copied = copy_batch(original)
    write_batch(original, np.array([0, 2]), of(7, 8))
    assert as_lists(original) == as_lists(of(7, 5, 8))
    assert as_lists(copied) == as_lists(of(4, 5, 6))


@pytest.mark.parametrize(
    ("space", "example"),
    [
        (BOX, [[0, 0, 0]]),
        (spaces.Box(np.array([1, -3], np.float32), np.array([2, -2], np.float32)), [[1, -2]]),
        (spaces.Discrete(3, start=-2), [-2]),
        (spaces.MultiDiscrete([2, 3], start=[1, 4]), [[1, 4]]),
        (spaces.MultiBinary((2, 3)), [[[0, 0, 0], [0, 0, 0]]]),
        (DICT, {"a": [[0, 0, 0]], "b": [0]}),
    ],
    ids=str,
)
def test_the_example_is_zero_where_the_space_contains_it(space: gym.Space[Any], example: Any) -> None:
    made = example_batch(space)
    assert as_lists(made) == example
    element = {key: value[0] for key, value in made.items()} if isinstance(made, dict) else made[0]
    assert space.contains(element)
