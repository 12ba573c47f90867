import json
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium import spaces

from sb3_isr.spaces import space_from_json, space_to_json


@pytest.mark.parametrize(
    "space",
    [
        spaces.Box(0, 255, (9, 9, 4), np.uint8),
        spaces.Box(-np.inf, np.inf, (3,), np.float32),
        spaces.Box(np.array([[-1.5, 0.1], [0.0, -np.inf]]), np.array([[1.5, 0.3], [1.0, 2.0]]), dtype=np.float64),
        spaces.Box(-1, 1, (0,), np.float32),
        spaces.Discrete(5),
        spaces.Discrete(5, start=2),
        spaces.MultiDiscrete([3, 4]),
        spaces.MultiBinary(4),
        spaces.MultiBinary((2, 3)),
        spaces.Dict({"image": spaces.Box(0, 255, (4, 4, 3), np.uint8), "state": spaces.Discrete(3)}),
    ],
)
def test_a_space_survives_json(space: gym.Space[Any]) -> None:
    text = json.dumps(space_to_json(space), allow_nan=False)
    again = space_from_json(json.loads(text))
    assert again == space
    assert again.dtype == space.dtype


def test_a_space_without_json_is_refused() -> None:
    with pytest.raises(ValueError, match="must be Box, Discrete"):
        space_to_json(spaces.Tuple([spaces.Discrete(2)]))
    with pytest.raises(ValueError, match="got 'Text'"):
        space_from_json({"type": "Text"})
