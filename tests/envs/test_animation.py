"""The command `sb3-isr animate`, as a user runs it."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from stable_baselines3 import PPO

from sb3_isr.cli import main
from sb3_isr.envs import ProsocialEnv


@pytest.fixture(scope="module")
def learner(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An untrained model, which tries all actions."""
    path = tmp_path_factory.mktemp("learner") / "learner.zip"
    PPO("MlpPolicy", ProsocialEnv(), seed=0, device="cpu").save(path)
    return path


def frames(path: Path) -> list[np.ndarray]:
    gif = Image.open(path)
    pictures = []
    for i in range(getattr(gif, "n_frames", 1)):
        gif.seek(i)
        pictures.append(np.array(gif.convert("RGB")))
    return pictures


@pytest.mark.slow
def test_an_episode_of_each_learner_side_by_side(learner: Path, tmp_path: Path) -> None:
    out = tmp_path / "new folder" / "two.gif"
    assert main(["animate", f"one={learner}", f"the = other={learner}", "--out", str(out), "--seed", "3"]) == 0
    pictures = frames(out)
    env = ProsocialEnv(render_mode="rgb_array")
    env.reset(seed=3)
    first = env.render()
    assert first is not None
    for left in (0, pictures[0].shape[1] - 224):
        shown = pictures[0][-224:, left : left + 224].astype(int)
        assert np.abs(shown - first).mean() < 2, "not the maze of that seed (the palette differs slightly)"
    assert (pictures[0][:-224, :224] != pictures[0][:-224, -224:]).any(), "the titles differ"
    assert all((one != other).any() for one, other in pairwise(pictures))
    assert out.stat().st_size < 1_000_000
    gif = Image.open(out)
    assert gif.info["loop"] == 0
    durations = []
    for i in range(len(pictures)):
        gif.seek(i)
        durations.append(gif.info["duration"])
    # Repeated frames are merged into a longer one: 101 frames of an eighth of a second in all.
    assert sum(durations) == pytest.approx(101 * 125, rel=0.05)


@pytest.mark.slow
def test_the_seed_decides_the_animation(learner: Path, tmp_path: Path) -> None:
    for name, seed in (("a", "1"), ("b", "1"), ("c", "2")):
        main(["animate", f"x={learner}", "--out", str(tmp_path / name) + ".gif", "--seed", seed])
    a, b, c = ((tmp_path / f"{name}.gif").read_bytes() for name in "abc")
    assert a == b != c


@pytest.mark.parametrize("argument", ["learner.zip", "title=not_there.zip", "=learner.zip"])
def test_invalid_learners_are_refused(argument: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["animate", argument])
    assert f"a learner must be TITLE=FILE with an existing file, got {argument}" in capsys.readouterr().err
