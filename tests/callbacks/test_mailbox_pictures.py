"""The pictures of a training's questions show what the questions are about."""

from __future__ import annotations

import inspect
from io import BytesIO
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium import spaces
from PIL import Image
from stable_baselines3 import PPO
from stable_baselines3.common.vec_env import DummyVecEnv, SubprocVecEnv

from sb3_isr import FrameRecorder, ISRCallback, Mailbox, VecISRReward

pytestmark = pytest.mark.skipif(
    "respondent" not in inspect.signature(ISRCallback).parameters, reason="ISRCallback has no respondents yet"
)


class Numbered(gym.Env[Any, Any]):
    """Episodes of random lengths; observation and picture show the environment, the episode and the step."""

    observation_space = spaces.Box(0, 255, (3,))
    action_space = spaces.Discrete(2)
    render_mode = "rgb_array"

    def __init__(self, number: int) -> None:
        self.shown = np.array([number, 0, 0])

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> Any:
        super().reset(seed=seed)
        self.length = int(self.np_random.integers(3, 9))
        self.shown = np.array([self.shown[0], self.shown[1] + 1, 0])
        return self.shown.astype(np.float32), {}

    def step(self, action: Any) -> Any:
        self.shown = self.shown + np.array([0, 0, 1])
        return self.shown.astype(np.float32), 0.0, False, bool(self.shown[2] == self.length), {}

    def render(self) -> Any:
        return np.broadcast_to(self.shown.astype(np.uint8), (4, 4, 3))


def shown(images: tuple[bytes, ...]) -> list[tuple[int, ...]]:
    """What the pictures show."""
    return [Image.open(BytesIO(image)).convert("RGB").getpixel((0, 0)) for image in images]  # type: ignore[misc]


@pytest.mark.slow
@pytest.mark.parametrize("make", [DummyVecEnv, SubprocVecEnv])
@pytest.mark.parametrize("every", [1, 4])
def test_every_question_is_shown_as_it_happened(make: Any, every: int, tmp_path: Path) -> None:
    venv = VecISRReward(make([lambda n=n: FrameRecorder(Numbered(n), every) for n in range(2)]))
    learner = PPO("MlpPolicy", venv, n_steps=64, batch_size=128, n_epochs=1, seed=0, device="cpu")
    with Mailbox(tmp_path / "mailbox.sqlite") as mailbox:
        callback = ISRCallback("never", "episodes_40", respondent=mailbox)
        learner.learn(640, callback=callback)
        learner.learn(640, callback=callback)
        asked = [mailbox.question(question_id) for question_id in mailbox.question_ids()]
    venv.close()
    assert len(asked) > 20
    assert {question.env for question in asked} == {0, 1}
    for question in asked:
        seen, after = question.transitions.observations, question.transitions.next_observations
        assert isinstance(seen, np.ndarray)
        assert isinstance(after, np.ndarray)
        assert shown(question.pictures) == [tuple(map(int, each)) for each in (seen[0], *after)]
