from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium import spaces

from sb3_isr.common.spaces import check_spaces, parts

BOX = spaces.Box(-1, 1, (3,), np.float32)
TWO = spaces.Discrete(2)


@pytest.mark.parametrize(
    ("observation_space", "action_space"),
    [
        (BOX, spaces.Discrete(2, start=1)),
        (spaces.Dict({"a": BOX, "b": TWO}), spaces.MultiDiscrete([2, 3], start=[1, 0])),
        (spaces.MultiDiscrete([2, 3]), spaces.MultiBinary(2)),
        (spaces.MultiBinary((2, 3)), BOX),
    ],
)
def test_spaces_of_stable_baselines3_are_accepted(
    observation_space: gym.Space[Any], action_space: gym.Space[Any]
) -> None:
    check_spaces(observation_space, action_space)


@pytest.mark.parametrize(
    ("observation_space", "action_space", "message"),
    [
        (spaces.Tuple([BOX]), TWO, r"got Tuple.*wrap the environment"),
        (spaces.Dict({"mission": spaces.Text(3)}), TWO, "got Text"),
        (spaces.Dict({"a": spaces.Dict({"b": BOX})}), TWO, "a Dict of these, got Dict"),
        (spaces.MultiDiscrete(np.array([[2, 2]])), TWO, "of one dimension"),
        (BOX, spaces.Dict({"a": TWO}), "got Dict"),
        (spaces.Discrete(2, start=1), TWO, "must start at 0"),
        (spaces.Dict({"a": spaces.MultiDiscrete([2, 2], start=[0, 1])}), TWO, "must start at 0"),
        (spaces.Dict({}), TWO, "between 1 and 8388608 numbers, got 0"),
        (spaces.Box(0, 1, (0,)), TWO, "got 0"),
        (spaces.Box(0, 1, (2**23 + 1,), np.int8), TWO, "got 8388609"),
    ],
)
def test_other_spaces_are_refused(
    observation_space: gym.Space[Any], action_space: gym.Space[Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        check_spaces(observation_space, action_space)


def test_parts_keep_the_order_of_a_dict() -> None:
    assert parts(BOX) == {"": BOX}
    assert list(parts(spaces.Dict([("b", BOX), ("a", TWO)])).items()) == [("b", BOX), ("a", TWO)]
