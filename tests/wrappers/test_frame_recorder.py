"""Frames of some episodes are kept, whatever process they are in, and found by the number of their step."""

from __future__ import annotations

from io import BytesIO
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium import spaces
from PIL import Image
from stable_baselines3.common.vec_env import DummyVecEnv, SubprocVecEnv

from sb3_isr import VecISRReward
from sb3_isr.envs import CoinGameVecEnv
from sb3_isr.labels.transitions import Transitions
from sb3_isr.respondents import Question
from sb3_isr.wrappers.frame_recorder import FrameRecorder
from sb3_isr.wrappers.illustrator import VenvIllustrator
from sb3_isr.wrappers.images import MAX_SIDE, encode

LENGTH = 5


class Numbered(gym.Env[Any, Any]):
    """Shows the number of the episode and of the step in its picture's colour."""

    observation_space = spaces.Box(-1, 1, (1,))
    action_space = spaces.Discrete(2)
    render_mode = "rgb_array"

    def __init__(self, first: int = 0) -> None:
        self.episode, self.steps = first, 0

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> Any:
        self.episode, self.steps = self.episode + 1, 0
        return np.zeros(1, np.float32), {}

    def step(self, action: Any) -> Any:
        self.steps += 1
        return np.zeros(1, np.float32), 0.0, False, self.steps == LENGTH, {}

    def render(self) -> Any:
        return np.full((4, 6, 3), (self.episode, self.steps, 0), np.uint8)


def recorder(first: int = 0, **kwargs: Any) -> FrameRecorder:
    return FrameRecorder(Numbered(first), **kwargs)


def play(env: FrameRecorder, n_episodes: int, seed: int | None = 0) -> None:
    for _ in range(n_episodes):
        env.reset(seed=seed)
        seed = None
        for _ in range(LENGTH):
            env.step(0)


def numbers(frames: Any) -> list[tuple[int, int]]:
    """Episode and step of each frame."""
    pixels = [np.asarray(Image.open(BytesIO(frame)).convert("RGB"))[0, 0] for frame in frames]
    return [(int(episode), int(step)) for episode, step, _ in pixels]


def test_each_frame_is_the_one_of_its_step() -> None:
    env = recorder(every=1)
    play(env, 3)
    assert env.isr_frame_steps() == 15
    assert numbers(env.isr_frames(5, 5)) == [(2, step) for step in range(6)]
    assert numbers(env.isr_frames(11, 2)) == [(3, 1), (3, 2), (3, 3)]
    assert env.isr_frames(3, 5) == (), "of two episodes"
    assert env.isr_frames(15, 1) == (), "not yet seen"


def test_about_one_episode_in_so_many_is_kept_and_the_same_ones_for_a_seed() -> None:
    kept = []
    for seed in (0, 0, 1):
        env = recorder(every=4)
        play(env, 200, seed)
        kept.append([episode for episode in range(200) if env.isr_has_frames(episode * LENGTH, LENGTH)])
    assert kept[0] == kept[1] != kept[2]
    assert 30 <= len(kept[0]) <= 70


def test_memory_is_bounded_and_the_newest_are_kept() -> None:
    whole = recorder(every=1)
    play(whole, 4)
    newest = sum(map(len, (*whole.isr_frames(13, 2), *whole.isr_frames(15, 5))))
    env = recorder(every=1, max_bytes=newest)
    play(env, 4)
    assert numbers(env.isr_frames(15, 5)) == [(4, step) for step in range(6)]
    assert numbers(env.isr_frames(13, 2)) == [(3, 3), (3, 4), (3, 5)]
    assert not env.isr_has_frames(12, 3)
    tiny = recorder(every=1, max_bytes=1)
    play(tiny, 2)
    assert not tiny.isr_has_frames(0, 1)


def test_the_environment_does_the_same_with_and_without_it() -> None:
    def rewards(env: gym.Env[Any, Any]) -> list[float]:
        env.reset(seed=3)
        met = []
        for step in range(200):
            *_, info = observed = env.step(step % 2)
            met.append(float(observed[0][0]))
            assert info == {}
            if observed[2] or observed[3]:
                met.append(float(env.reset()[0][0]))
        return met

    def cart_pole(**kwargs: Any) -> gym.Env[Any, Any]:
        return gym.make("CartPole-v1", **kwargs)

    assert rewards(cart_pole()) == rewards(FrameRecorder(cart_pole(render_mode="rgb_array"), every=4))


def test_an_environment_that_renders_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="make it with render_mode='rgb_array'"):
        FrameRecorder(gym.make("CartPole-v1"))
    with pytest.raises(ValueError, match="every must"):
        recorder(every=0)


def test_large_pictures_are_made_smaller_and_others_are_kept_to_the_bit() -> None:
    noise = np.random.default_rng(0).integers(256, size=(30, 40, 3), dtype=np.uint8)
    np.testing.assert_array_equal(np.asarray(Image.open(BytesIO(encode(noise))).convert("RGB")), noise)
    large = Image.open(BytesIO(encode(np.zeros((2 * MAX_SIDE, 100, 3), np.uint8))))
    assert large.size == (50, MAX_SIDE)
    with pytest.raises(ValueError, match=r"\[height, width, 3\]"):
        encode(np.zeros((3, 4), np.uint8))


def question(env: int, step: int, k: int = LENGTH) -> Question:
    observations = np.zeros((k, 1), np.float32)
    transitions = Transitions(observations, np.zeros(k, int), observations, np.zeros(k, bool))
    return Question("a", transitions, env, step, "")


@pytest.mark.parametrize("make", [DummyVecEnv, SubprocVecEnv])
def test_questions_get_the_frames_of_their_environment(make: Any) -> None:
    venv = VecISRReward(make([lambda: recorder(0, every=1), lambda: recorder(100, every=1)]))
    venv.reset()
    for _ in range(2 * LENGTH):
        venv.step(np.zeros(2, int))
    # The training began to count after the first episode.
    illustrate = VenvIllustrator(venv, steps_done=[LENGTH, LENGTH])
    for _ in range(LENGTH):
        venv.step(np.zeros(2, int))
    assert numbers(illustrate(question(1, LENGTH)).pictures) == [(103, step) for step in range(6)]
    assert numbers(illustrate(question(0, LENGTH + 2, 2)).pictures) == [(3, 2), (3, 3), (3, 4)]
    assert illustrate.can_show(0, LENGTH, LENGTH)
    assert not illustrate.can_show(0, 2 * LENGTH, LENGTH)
    assert illustrate(question(0, 2 * LENGTH)).pictures == ()
    venv.close()


def test_without_any_pictures_every_question_is_as_good() -> None:
    illustrate = VenvIllustrator(DummyVecEnv([Numbered]))
    assert illustrate.can_show(0, 0, 5)
    assert illustrate(question(0, 0)).pictures == ()
    assert VenvIllustrator(CoinGameVecEnv(2)).can_show(1, 10**6, 20)
