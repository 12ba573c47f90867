"""What a Monitor reports, in info and in its file, is the true return."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
from stable_baselines3 import PPO
from stable_baselines3.common.atari_wrappers import EpisodicLifeEnv, NoopResetEnv
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.vec_env import DummyVecEnv

from sb3_isr import PraiseCaregiver, SocialRewardWrapper, TaskRewardCaregiver, VecISRReward
from tests.scripted_env import ScriptedEnv
from tests.wrappers.learners import internalizing, tiny

SCRIPT = [(-1.0, None), (2.0, None), (-0.5, None)]


def praise(transition: Any) -> float:
    return 10.0


def returns_in(folder: Path) -> list[float]:
    """The column "r" of all files; their first line is a comment."""
    files = [path.read_text().splitlines()[1:] for path in sorted(folder.glob("*.monitor.csv"))]
    return [float(row["r"]) for lines in files for row in csv.DictReader(lines)]


def play(env: gym.Env[Any, Any], n_episodes: int) -> list[float]:
    """The returns that info reports."""
    reported = []
    for _ in range(n_episodes):
        env.reset()
        ends = False
        while not ends:
            *_, terminated, truncated, info = env.step(0)
            ends = terminated or truncated
        reported.append(info["episode"]["r"])
    return reported


def test_the_file_of_a_monitor_inside_has_the_true_return_as_info_has(tmp_path: Path) -> None:
    monitor = Monitor(ScriptedEnv(SCRIPT), str(tmp_path / "0"))
    env = SocialRewardWrapper(monitor, praise)
    assert play(env, 3) == [30.5] * 3
    env.reset()
    assert returns_in(tmp_path) == [30.5] * 3
    assert monitor.get_episode_rewards() == [30.5] * 3
    env.close()
    assert returns_in(tmp_path) == [30.5] * 3


def test_the_last_episode_is_written_when_the_environment_is_closed(tmp_path: Path) -> None:
    env = SocialRewardWrapper(Monitor(ScriptedEnv(SCRIPT), str(tmp_path / "0")), praise)
    play(env, 1)
    env.close()
    assert returns_in(tmp_path) == [30.5]


def test_two_caregivers_both_count(tmp_path: Path) -> None:
    inner = SocialRewardWrapper(Monitor(ScriptedEnv([(-1.0, 4.0)] * 2), str(tmp_path / "0")), lambda t: 1.0)
    env = SocialRewardWrapper(inner, PraiseCaregiver())
    assert play(env, 2) == [0.0, 0.0]
    env.close()
    assert returns_in(tmp_path) == [0.0, 0.0]


def test_a_training_run_with_make_vec_env(tmp_path: Path) -> None:
    venv = make_vec_env(
        lambda: ScriptedEnv(SCRIPT),
        n_envs=2,
        monitor_dir=str(tmp_path),
        wrapper_class=SocialRewardWrapper,  # type: ignore[arg-type]
        wrapper_kwargs={"caregiver": praise},
    )
    model = tiny(PPO, VecISRReward(venv))
    model.learn(48, callback=internalizing())
    assert returns_in(tmp_path) == [30.5] * 16
    assert model.ep_info_buffer is not None
    assert {episode["r"] for episode in model.ep_info_buffer} == {30.5}


def test_a_task_reward_leaves_the_monitor_as_it_is(tmp_path: Path) -> None:
    env = SocialRewardWrapper(Monitor(ScriptedEnv(SCRIPT), str(tmp_path / "0")), TaskRewardCaregiver())
    assert play(env, 2) == [0.5, 0.5]
    env.close()
    assert returns_in(tmp_path) == [0.5, 0.5]


class Lives(ScriptedEnv):
    """Loses a life at its second step of four, as Atari's games do, and has a no-op."""

    class Ale:
        def __init__(self, env: Lives) -> None:
            self.env = env

        def lives(self) -> int:
            return 2 if self.env.step_count < 2 else 1 if self.env.step_count < 5 else 0

    def __init__(self) -> None:
        super().__init__([(1.0, None)] * 5)
        self.ale = self.Ale(self)

    def get_action_meanings(self) -> list[str]:
        return ["NOOP"]


def test_an_episode_that_ends_for_the_learner_and_not_for_the_game(tmp_path: Path) -> None:
    """The Monitor's episode lasts for all lives; the no-op after a lost life is not the learner's."""
    env = SocialRewardWrapper(EpisodicLifeEnv(Monitor(Lives(), str(tmp_path / "0"))), praise)
    venv = DummyVecEnv([lambda: env])
    venv.reset()
    steps = [venv.step(np.zeros(1, int)) for _ in range(8)]
    assert [bool(dones[0]) for _, _, dones, _ in steps] == [False, True, False, True] * 2
    assert [infos[0]["episode"]["r"] for *_, infos in steps if "episode" in infos[0]] == [5.0 + 40.0] * 2
    assert returns_in(tmp_path) == [45.0] * 2
    assert [rewards[0] for _, rewards, _, _ in steps] == [11.0] * 8


def test_what_an_episode_that_was_cut_had_is_not_added_to_the_next_one(tmp_path: Path) -> None:
    env = SocialRewardWrapper(NoopResetEnv(Monitor(Lives(), str(tmp_path / "0")), noop_max=1), praise)
    env.reset()
    env.step(0)
    assert play(env, 1) == [5.0 + 40.0]
