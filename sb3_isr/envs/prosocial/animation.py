"""Animates learners of the prosocial game side by side, as a GIF."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont
from stable_baselines3 import PPO

from sb3_isr.envs import ProsocialEnv

#: Pixels above and between the mazes, and steps per second.
HEADER, GAP, STEPS_PER_SECOND = 44, 16, 8


def animate(learners: Sequence[tuple[str, Path]], out: Path, seed: int = 0) -> None:
    """
    Save a GIF in which each learner plays one episode, starting from the same maze.

    :param learners: The title of each learner, and the file of a PPO model trained in the prosocial game. SB3's files
        contain pickles, so load only files that you trust.
    :param out: Path of the GIF
    :param seed: Seed of mazes and actions
    """
    episodes = [list(_episode(title, PPO.load(path, device="cpu"), seed)) for title, path in learners]
    frames = [_side_by_side(panels) for panels in zip(*episodes, strict=True)]
    # One palette for all frames: they have few colours, and one palette per frame would flicker.
    palette = frames[-1].quantize(64)
    first, *others = [frame.quantize(palette=palette, dither=Image.Dither.NONE) for frame in frames]
    out.parent.mkdir(parents=True, exist_ok=True)
    first.save(out, save_all=True, append_images=others, duration=1000 // STEPS_PER_SECOND, loop=0, optimize=True)


def _episode(title: str, learner: PPO, seed: int) -> Iterator[Image.Image]:
    env = ProsocialEnv(render_mode="rgb_array")
    learner.set_random_seed(seed)
    observation, _ = env.reset(seed=seed)
    goals, is_over = 0, False
    while not is_over:
        yield _panel(title, goals, env.render())
        action, _ = learner.predict(observation)
        observation, _, _, is_over, info = env.step(int(action))
        goals += info["social_reward"] > 0
    yield _panel(title, goals, env.render())


def _panel(title: str, goals: int, picture: np.ndarray | None) -> Image.Image:
    assert picture is not None
    height, width, _ = picture.shape
    panel = Image.new("RGB", (width, height + HEADER), "white")
    panel.paste(Image.fromarray(picture), (0, HEADER))
    text = ImageDraw.Draw(panel)
    text.text((0, 2), title, "black", ImageFont.load_default(15))
    text.text((0, 22), f"the caregiver's goals: {goals}", "black", ImageFont.load_default(15))
    return panel


def _side_by_side(panels: Sequence[Image.Image]) -> Image.Image:
    width, height = panels[0].size
    frame = Image.new("RGB", (len(panels) * (width + GAP) - GAP, height), "white")
    for i, panel in enumerate(panels):
        frame.paste(panel, (i * (width + GAP), 0))
    return frame
