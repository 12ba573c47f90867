"""Environments that a user's own package registers are found, and reach the processes of trials."""

import subprocess
import sys
from pathlib import Path

import gymnasium as gym
import pytest

from sb3_isr.tuning.environment import find_environment

PACKAGE = """
import gymnasium as gym
from gymnasium.envs.classic_control import CartPoleEnv

gym.register("{id}", "{name}:CartPoleEnv", max_episode_steps=50)
"""
TUNE = ["--algo", "ppo", "--timesteps", "640", "--seeds", "1", "--n-trials", "1", "--parts", "presence"]


def write_package(folder: Path, name: str) -> str:
    """Write a package that registers an environment; returns the environment's id."""
    (folder / f"{name}.py").write_text(PACKAGE.format(id=f"{name}-v0", name=name))
    return f"{name}-v0"


def test_an_id_with_its_package_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    env_id = write_package(tmp_path, "own_one")
    monkeypatch.syspath_prepend(tmp_path)
    registration = find_environment(f"own_one:{env_id}")
    assert registration.spec.id == env_id
    assert registration.packages == ("own_one",)


def test_packages_are_imported_as_by_rl_zoo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    env_id = write_package(tmp_path, "own_two")
    monkeypatch.syspath_prepend(tmp_path)
    assert find_environment(env_id, ["own_two"]).spec.id == env_id


def test_what_was_registered_here_is_registered_where_no_package_does_it() -> None:
    gym.register("OwnThree-v0", "gymnasium.envs.classic_control:CartPoleEnv")
    registration = find_environment("OwnThree-v0")
    del gym.registry["OwnThree-v0"]
    registration.apply()
    assert gym.make("OwnThree-v0").reset(seed=0)[0].shape == (4,)


def test_a_package_that_raises_when_imported_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "own_broken.py").write_text("raise OSError('no display')")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ValueError, match=r"got 'own_broken' \(OSError: no display\); install it, or put its folder on"):
        find_environment("own_broken:Own-v0")


@pytest.mark.parametrize(
    ("env_id", "message"),
    [
        ("no_such_package:Own-v0", "got 'no_such_package' .*; install it"),
        ("Nowhere-v0", "registered with Gymnasium, got Nowhere-v0 .*; write package:id"),
        ("gymnasium:Nowhere-v0", "got Nowhere-v0 .*; see which ids gymnasium registers"),
    ],
)
def test_an_unknown_environment_is_refused_with_the_remedy(env_id: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        find_environment(env_id)


@pytest.mark.slow
def test_trials_run_in_an_environment_of_a_package_of_ones_own(tmp_path: Path) -> None:
    """The worker is a process of its own, which has imported nothing."""
    env_id = write_package(tmp_path, "own_four")
    arguments = ["tune", f"own_four:{env_id}", *TUNE, "--out", "out"]
    code = f"from sb3_isr.cli import main; raise SystemExit(main({arguments}))"
    program = tmp_path / "program.py"
    program.write_text(f"if __name__ == '__main__':\n    {code}\n")
    done = subprocess.run([sys.executable, program], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 trials trained to their end" in done.stdout
    assert f"--env {env_id} --gym-packages sb3_isr own_four --conf-file" in done.stdout, "RL Zoo finds it, too"
