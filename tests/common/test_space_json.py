import json
from collections import OrderedDict
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium import spaces
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as st_numpy

from sb3_isr.common.space_json import space_from_json, space_to_json
from sb3_isr.common.spaces import MAX_NUMBERS

INT64 = np.iinfo(np.int64)


def to_json_and_back(space: gym.Space[Any]) -> gym.Space[Any]:
    return space_from_json(json.loads(json.dumps(space_to_json(space), allow_nan=False)))


@pytest.mark.parametrize(
    "space",
    [
        spaces.Box(0, 255, (9, 9, 4), np.uint8),
        spaces.Box(-np.inf, np.inf, (3,), np.float32),
        spaces.Box(np.array([[-1.5, 0.1], [0.0, -np.inf]]), np.array([[1.5, 0.3], [1.0, 2.0]]), dtype=np.float64),
        spaces.Box(-1, 1, (0,), np.float32),
        spaces.Box(-1, 1, (), np.float32),
        spaces.Box(INT64.min, INT64.max - 1, (2,), np.int64),
        spaces.Box(0, 1, (2, 2), dtype=np.bool_),  # type: ignore[arg-type]
        spaces.Box(np.array([False, True]), np.array([True, True]), dtype=np.bool_),  # type: ignore[arg-type]
        spaces.Discrete(5),
        spaces.Discrete(5, start=-2),
        spaces.Discrete(5, dtype=np.int32),
        spaces.MultiDiscrete([3, 4]),
        spaces.MultiDiscrete([3, 4], start=[0, 7], dtype=np.int32),
        spaces.MultiBinary(4),
        spaces.MultiBinary((2, 3)),
        spaces.Dict({"image": spaces.Box(0, 255, (4, 4, 3), np.uint8), "state": spaces.Discrete(3)}),
    ],
    ids=str,
)
def test_a_space_survives_json(space: gym.Space[Any]) -> None:
    again = to_json_and_back(space)
    assert again == space
    assert again.dtype == space.dtype
    if isinstance(space, spaces.Box):  # its == is only approximate
        assert isinstance(again, spaces.Box)
        np.testing.assert_array_equal([again.low, again.high], [space.low, space.high])


@given(st.sampled_from([np.uint8, np.int16, np.int64, np.uint64, np.float16, np.float32, np.float64]), st.data())
def test_any_bounds_survive_json_to_the_last_bit(dtype: Any, data: st.DataObject) -> None:
    numbers = st_numpy.from_dtype(np.dtype(dtype), allow_nan=False, min_value=0 if dtype is np.uint64 else None)
    shape = data.draw(st_numpy.array_shapes(max_dims=2, max_side=3))
    one, other = (data.draw(st_numpy.arrays(dtype, shape, elements=numbers)) for _ in range(2))
    space = spaces.Box(np.minimum(one, other), np.maximum(one, other), dtype=dtype)
    again = to_json_and_back(space)
    assert isinstance(again, spaces.Box)
    assert again.dtype == dtype
    np.testing.assert_array_equal([again.low, again.high], [space.low, space.high])


def test_a_dict_keeps_the_order_of_its_keys() -> None:
    """Dict sorts a dictionary's keys, but not those of an OrderedDict; the ISR's features are in its order."""
    space = spaces.Dict(OrderedDict(b=spaces.Discrete(2), a=spaces.Discrete(3)))
    again = to_json_and_back(space)
    assert isinstance(again, spaces.Dict)
    assert list(again.spaces) == list(space.spaces) == ["b", "a"]


@pytest.mark.parametrize("space", [spaces.Tuple([spaces.Discrete(2)]), spaces.Text(3)], ids=str)
def test_other_spaces_are_refused(space: gym.Space[Any]) -> None:
    with pytest.raises(ValueError, match=r"must be a Box of numbers, Discrete.*wrap"):
        space_to_json(space)


BOX = {"type": "Box", "shape": [2], "dtype": "float32", "low": 0.0, "high": 1.0}
MULTI = {"type": "MultiDiscrete", "nvec": [2, 3], "start": [0, 0], "dtype": "int64"}


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"type": "Text"}, "got 'Text'"),
        (None, "got None"),
        ("Box", "type must be.*got None"),
        ([BOX], "space's type must be"),
        ({"type": "Dict"}, "must have 'spaces', a list"),
        ({"type": "Dict", "spaces": [["a"]]}, "list of keys and spaces"),
        ({"type": "Dict", "spaces": [["a", {"type": "Dict", "spaces": []}]]}, "got 'Dict'"),
        ({"type": "Dict", "spaces": [["a", BOX | {"shape": [MAX_NUMBERS]}], ["b", BOX]]}, "at most 8388608 numbers"),
        (BOX | {"shape": [10**6, 10**6]}, "at most 8388608 numbers"),
        (BOX | {"shape": [10**30]}, "whole numbers, 0 to 8388608"),
        (BOX | {"shape": [0, 10**9]}, "whole numbers, 0 to 8388608"),
        (BOX | {"shape": [-1]}, "whole numbers"),
        (BOX | {"shape": [1.0]}, "whole numbers"),
        (BOX | {"shape": [True]}, "whole numbers"),
        (BOX | {"shape": [1] * 33}, "at most 32 dimensions"),
        (BOX | {"shape": "ab"}, "'shape', a list"),
        (BOX | {"dtype": "object"}, "one of bool, int8"),
        (BOX | {"dtype": None}, "'dtype', a str"),
        (BOX | {"low": float("nan")}, "got nan"),
        (BOX | {"high": 1e39}, r"got 1e\+39"),
        (BOX | {"high": 10**400}, "must be a number of float32"),
        (BOX | {"low": [0.0]}, "one number, or 2 of them, got 1"),
        (BOX | {"low": [0.0, [0.0]]}, r"got \[0.0\]"),
        (BOX | {"low": 2.0}, "not be above"),
        (BOX | {"dtype": "uint8", "high": 256, "low": 0}, "between 0 and 255, got 256"),
        (BOX | {"dtype": "uint8"}, r"got 0\.0"),
        ({"type": "Discrete", "n": 0, "start": 0, "dtype": "int64"}, "got 0"),
        ({"type": "Discrete", "n": 2, "start": INT64.max, "dtype": "int64"}, "between"),
        ({"type": "Discrete", "n": 2, "dtype": "int64"}, "got None"),
        ({"type": "Discrete", "n": 2, "start": 0, "dtype": "float32"}, "one of int8"),
        (MULTI | {"nvec": [2, 0]}, "got 0"),
        (MULTI | {"nvec": [[2, 3]]}, r"got \[2, 3\]"),
        (MULTI | {"start": [0]}, "a start for each of 2"),
        ({"type": "MultiBinary", "n": 10**12}, "whole numbers, 1 to"),
        ({"type": "MultiBinary", "n": [4096, 2049]}, "at most"),
        ({"type": "MultiBinary", "n": "4"}, "whole numbers, 1 to"),
    ],
)
def test_other_json_is_refused_before_memory_is_taken(value: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        space_from_json(value)


LEAVES: Any = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.sampled_from(["Box", "inf"])
JSON = st.recursive(LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3))
PARTS = {key: JSON for key in ("shape", "dtype", "low", "high", "n", "start", "nvec", "spaces")}
KINDS = st.sampled_from(["Box", "Dict", "Discrete", "MultiDiscrete", "MultiBinary"])


@pytest.mark.slow
@given(JSON | st.fixed_dictionaries({"type": KINDS}, optional=PARTS))
def test_any_json_is_a_space_or_a_value_error(value: Any) -> None:
    try:
        space = space_from_json(value)
    except ValueError:
        return
    assert to_json_and_back(space) == space
