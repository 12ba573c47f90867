import math
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch
from gymnasium import spaces

from sb3_isr.isr.action_encoders import ActionEncoder
from tests.isr.some_spaces import UNBOUNDED

INF = np.inf


@pytest.mark.parametrize(
    ("space", "actions", "expected"),
    [
        (spaces.Discrete(3), [2, 0], [[0, 0, 1], [1, 0, 0]]),
        (spaces.Discrete(3, start=-1), [1, -1], [[0, 0, 1], [1, 0, 0]]),
        (spaces.MultiDiscrete([2, 3]), [[0, 2], [1, 0]], [[1, 0, 0, 0, 1], [0, 1, 1, 0, 0]]),
        (spaces.MultiDiscrete([2, 3], start=[1, -1]), [[1, 1], [2, -1]], [[1, 0, 0, 0, 1], [0, 1, 1, 0, 0]]),
        (spaces.MultiBinary(3), [[1, 0, 1]], [[1, 0, 1]]),
        (spaces.MultiBinary((2, 2)), [[[1, 0], [0, 1]]], [[1, 0, 0, 1]]),
        # Numbers of at most 4 are as they are, or scaled up to about 1 by a power of two.
        (spaces.Box(np.array([-2, 0], np.float32), np.array([2, 4], np.float32)), [[-2, 1]], [[-2, 1]]),
        (spaces.Box(-0.125, 0.125, (1,)), [[-0.125], [0.0625]], [[-1], [0.5]]),
        # Greater ones are scaled down by the next power of two; then they come again, as they are.
        (spaces.Box(-100, 100, (1,)), [[-64.0], [1.0]], [[-0.5, -4 - math.log(16)], [1 / 128, 1]]),
        (spaces.Box(np.array([-1, 0], np.float32), np.array([1, 10], np.float32)), [[1, 4]], [[1, 0.25, 4]]),
        # Far from 0, the nearer bound is subtracted.
        (spaces.Box(1000, 1002, (1,)), [[1000.5]], [[0.5]]),
        (spaces.Box(3, 3, (1,)), [[3.0]], [[0]]),
        (UNBOUNDED, [[2.0, -2.0]], [[2**-125, -(2**-125), 2, -2]]),
        # What float32 leaves out of float64 comes last.
        (spaces.Box(0, 4, (1,), np.float64), [[1.5], [1 + 2**-30]], [[1.5, 0, 0], [1, 2**-30, 0]]),
    ],
    ids=str,
)
def test_encoded_actions(space: gym.Space[Any], actions: Any, expected: Any) -> None:
    encoder = ActionEncoder(space)
    encoded = encoder(torch.as_tensor(np.array(actions, space.dtype)))
    assert encoded.dtype == torch.float32
    np.testing.assert_allclose(encoded, expected, rtol=1e-6)
    assert encoder.dim == len(expected[0])


@pytest.mark.parametrize(
    ("space", "actions", "expected"),
    [
        # A bounded Box is scaled by its bounds; a component that cannot change becomes -1.
        (
            spaces.Box(np.array([0, -2, 1], np.float32), np.array([10, 2, 1], np.float32)),
            [[0, -2, 1], [5, 1, 1], [10, 2, 1]],
            [[-1, -1, -1], [0, 0.5, -1], [1, 1, -1]],
        ),
        (spaces.Box(0, 4, (2, 1), np.float64), [[[1.0], [4.0]]], [[-0.5, 1.0]]),
        (UNBOUNDED, [[-7.0, 300.0]], [[-7.0, 300.0]]),
        (spaces.Box(np.array([0, -INF], np.float32), np.array([10, INF], np.float32)), [[5, 7]], [[5, 7]]),
    ],
    ids=str,
)
def test_encoded_actions_of_older_files(space: gym.Space[Any], actions: Any, expected: Any) -> None:
    encoder = ActionEncoder(space, encoding=1)
    encoded = encoder(torch.as_tensor(np.array(actions, space.dtype)))
    assert encoded.tolist() == expected
    assert encoder.dim == len(expected[0])


def test_an_encoder_adds_no_weights_to_a_file() -> None:
    assert not ActionEncoder(spaces.Box(-1, 1, (2,))).state_dict()
