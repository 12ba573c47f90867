"""What changes between a checkpoint and its resuming is taken over, or refused by name."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium import spaces
from stable_baselines3 import A2C, DQN, PPO, SAC
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.vec_env import DummyVecEnv, VecNormalize

from sb3_isr import (
    Fade,
    HackingWatch,
    ISRCallback,
    ISRCheckpoint,
    RandomQueries,
    SocialRewardWrapper,
    SparseCaregiver,
    TaskRewardCaregiver,
    VecISRReward,
)
from tests.callbacks.learners import QUICK, SCRIPTS, off_policy, ppo, scripted
from tests.scripted_env import ScriptedEnv, scripted_vec_env

ARGUMENTS: dict[str, Any] = {"presence": "leave_at_0.9", "queries": "random_40", **QUICK}


def trained(folder: Path, model: BaseAlgorithm | None = None, *children: Any, **kwargs: Any) -> Path:
    """Train with checkpoints; returns the newest."""
    callback = ISRCallback(callback=[ISRCheckpoint(folder, every=32), *children], **{**ARGUMENTS, **kwargs})
    (model or ppo()).learn(96, callback=callback)
    return max(folder.glob("step_*"))


def resume(
    folder: Path, algorithm: Any = PPO, env: Any = None, *children: Any, load: Any = None, **kwargs: Any
) -> tuple[Any, ISRCallback]:
    """Resume with other objects."""
    checkpoint = ISRCheckpoint(folder, every=32)
    callback = ISRCallback(callback=[checkpoint, *children], **{**ARGUMENTS, **kwargs})
    model = checkpoint.resume(algorithm, scripted() if env is None else env, device="cpu", **(load or {}))
    return model, callback


def probability(remaining: float) -> float:
    """A presence schedule."""
    return float(remaining > 0.1)


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"presence": "leave_at_0.8"}, r"callback\.presence\.departure=0\.8 here and 0\.9 there"),
        ({"presence": Fade()}, r"presence\.class='sb3_isr\.schedules\.presence\.Fade' here"),
        ({"presence": probability}, r"presence='.*\.probability' here"),
        ({"queries": "random_50"}, r"callback\.queries\.budget=50 here and 40 there"),
        ({"queries": RandomQueries(40, window=8)}, r"queries\.window=8 here and 4096 there"),
        ({"queries": "all"}, r"queries\.class='.*AllQueries' here"),
        ({"coefficient": 0.5}, r"callback\.coefficient=0\.5 here and 1\.0 there"),
        ({"train_every": 7}, r"train_every=7 here and None there"),
        ({"seed": 3}, r"callback\.seed=3 here and None there"),
        ({"trainer_kwargs": {"gradient_steps": 6}}, r"trainer_kwargs\.gradient_steps=6 here and 5 there"),
        ({"trainer_kwargs": {"gradient_steps": 5, "learning_rate": 0.5}}, r"optimizer_kwargs\.lr=0\.5 here"),
        ({"trainer_kwargs": {"gradient_steps": 5, "seed": 1}}, r"trainer_kwargs\.seed=1 here and None there"),
        ({"store_kwargs": {"capacity": 10}}, r"store_kwargs\.capacity=10 here and 200000 there"),
        ({"store_kwargs": {"held_out": 0.5}}, r"store_kwargs\.held_out=0\.5 here and 0\.1 there"),
        ({"store_kwargs": {"seed": 5}}, r"store_kwargs\.seed=5 here"),
        ({"isr_kwargs": {"net_arch": (8,)}}, r"isr_kwargs must be .*got net_arch=\[8\] here and \[4\] there"),
        ({"isr_kwargs": {"net_arch": (4,), "limit_to_labels": "no"}}, "limit_to_labels='no' here and 'values' there"),
    ],
)
def test_other_arguments_of_the_callback_are_refused_by_name(
    kwargs: dict[str, Any], message: str, tmp_path: Path
) -> None:
    path = trained(tmp_path)
    with pytest.raises(ValueError, match=message):
        resume(tmp_path, **kwargs)
    assert resume(tmp_path)[0].num_timesteps == int(path.name.removeprefix("step_"))


def test_arguments_that_mean_the_same_are_the_same(tmp_path: Path) -> None:
    trained(tmp_path, trainer_kwargs={"gradient_steps": 5})
    kwargs = {"gradient_steps": np.int64(5), "learning_rate": np.float64(3e-3), "batch_size": 256}
    resume(tmp_path, trainer_kwargs=kwargs, store_kwargs={"held_out": 0.1}, coefficient=np.float32(1.0))


def test_other_children_are_refused_by_name(tmp_path: Path) -> None:
    trained(tmp_path)
    with pytest.raises(ValueError, match=r"callback\.callback=\['.*ISRCheckpoint', '.*HackingWatch'\] here and"):
        resume(tmp_path, PPO, None, HackingWatch())


def test_arguments_of_children_are_taken_over(tmp_path: Path) -> None:
    trained(tmp_path, None, HackingWatch(window=9))
    _, callback = resume(tmp_path, PPO, None, HackingWatch(window=7, remedy="lower"))
    watch: Any = callback.children[1]
    assert (watch.window, watch.remedy, callback.coefficient) == (7, "lower", 1.0)


@pytest.mark.parametrize(
    ("algorithm", "env", "message"),
    [
        (
            A2C,
            scripted,
            r"algorithm='stable_baselines3\.a2c\.a2c\.A2C' here and 'stable_baselines3\.ppo\.ppo\.PPO' there",
        ),
        (PPO, lambda: VecISRReward(scripted_vec_env(SCRIPTS * 2)), r"n_envs=4 here and 2 there"),
        (PPO, lambda: VecISRReward(scripted_vec_env(SCRIPTS[:1])), r"n_envs=1 here and 2 there"),
        (
            PPO,
            lambda: VecISRReward(scripted_vec_env(SCRIPTS, action_space=spaces.Discrete(5))),
            r"action_space='Discrete\(5\)' here and 'Discrete\(3\)' there",
        ),
        (
            PPO,
            lambda: VecISRReward(scripted_vec_env(SCRIPTS, observation_space=spaces.Box(0, 1, (3,)))),
            r"observation_space='Box\(0\.0, 1\.0, \(3,\), float32\)' here",
        ),
        (PPO, lambda: VecNormalize(scripted(), norm_reward=False), r"environments=\['VecNormalize', 'VecISRReward'"),
    ],
)
def test_other_learners_and_environments_are_refused_by_name(
    algorithm: Any, env: Any, message: str, tmp_path: Path
) -> None:
    trained(tmp_path)
    with pytest.raises(ValueError, match=message):
        resume(tmp_path, algorithm, env())


@pytest.mark.parametrize(
    ("load", "message"),
    [
        ({"buffer_size": 60}, r"replay_buffer\.buffer_size=30 here and 100 there"),
        ({"n_steps": 5}, r"replay_buffer\.n_steps=5 here and 3 there"),
        ({"gamma": 0.5}, r"replay_buffer\.gamma=0\.5 here and 0\.99 there"),
        ({"seed": 5}, r"model\.seed=5 here and 0 there"),
    ],
)
def test_other_replay_buffers_and_seeds_are_refused_by_name(load: Any, message: str, tmp_path: Path) -> None:
    trained(tmp_path, off_policy(DQN, buffer_size=200, n_steps=3))
    with pytest.raises(ValueError, match=message):
        resume(tmp_path, DQN, load=load)


def test_another_relabel_is_refused_by_name(tmp_path: Path) -> None:
    trained(tmp_path, off_policy(DQN, buffer_size=200))
    with pytest.raises(ValueError, match=r"callback\.relabel=True here and False there"):
        resume(tmp_path, DQN, relabel=True)


def test_arguments_for_load_are_taken_over(tmp_path: Path) -> None:
    trained(tmp_path)
    model, callback = resume(tmp_path, load={"n_steps": 32, "learning_rate": 0.5, "gamma": 0.5})
    model.learn(64, callback=callback, reset_num_timesteps=False)
    assert (model.rollout_buffer.buffer_size, model.gamma) == (32, 0.5)
    assert model.policy.optimizer.param_groups[0]["lr"] == 0.5


class Levels(ScriptedEnv):
    """An environment with an argument."""

    def __init__(self, level: int) -> None:
        super().__init__(SCRIPTS[0])
        self.level = level


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        (lambda: Levels(1), lambda: Levels(2), r"\.level=2 here and 1 there"),
        (
            lambda: gym.wrappers.TimeLimit(Levels(1), 3),
            lambda: gym.wrappers.TimeLimit(Levels(1), 2),
            r"\.max_episode_steps=2 here and 3 there",
        ),
        (
            lambda: SocialRewardWrapper(Levels(1), SparseCaregiver(TaskRewardCaregiver(), 0.5)),
            lambda: SocialRewardWrapper(Levels(1), SparseCaregiver(TaskRewardCaregiver(), 0.25)),
            r"\.probability=0\.25 here and 0\.5 there",
        ),
    ],
)
def test_other_arguments_of_environments_are_said_to_be_those_of_the_checkpoint(
    before: Any, after: Any, message: str, tmp_path: Path
) -> None:
    trained(tmp_path, ppo(VecISRReward(DummyVecEnv([before]))))
    with pytest.warns(UserWarning, match=f"The environments continue as they are in the checkpoint.*{message}"):
        resume(tmp_path, env=VecISRReward(DummyVecEnv([after])))


def test_an_environment_that_changes_its_argument_can_be_resumed_again_and_again(
    tmp_path: Path, recwarn: pytest.WarningsRecorder
) -> None:
    class Curriculum(Levels):
        def reset(self, **kwargs: Any) -> Any:
            self.level += 1
            return super().reset(**kwargs)

    def env() -> Any:
        return VecISRReward(DummyVecEnv([partial(Curriculum, 1)]))

    trained(tmp_path, ppo(env()))
    for total in (160, 224):
        model, callback = resume(tmp_path, env=env())
        model.learn(total - model.num_timesteps, callback=callback, reset_num_timesteps=False)
    assert model.env.venv.envs[0].level > 40


def test_learn_that_starts_to_count_anew_after_a_resume_is_refused(tmp_path: Path) -> None:
    trained(tmp_path)
    model, callback = resume(tmp_path)
    with pytest.raises(ValueError, match=r"starts at step 0; write .*reset_num_timesteps=False"):
        model.learn(64, callback=callback)


def test_the_remedy_of_a_refusal_works(tmp_path: Path) -> None:
    """A new training with the learner and the ISR of a checkpoint."""
    path = trained(tmp_path / "old", presence="always", queries="all", trainer_kwargs={"gradient_steps": 5})
    model = PPO.load(path / "model.zip", env=scripted(), device="cpu")
    checkpoint = ISRCheckpoint(tmp_path / "new", every=32)
    callback = ISRCallback("never", isr=path / "isr.safetensors", callback=checkpoint)
    model.learn(64, callback=callback)
    assert checkpoint.can_resume()


def test_sac_is_resumed_with_arguments_for_load(tmp_path: Path) -> None:
    env = partial(scripted_vec_env, SCRIPTS, action_space=spaces.Box(-1, 1, (1,), np.float32))
    trained(tmp_path, off_policy(SAC, VecISRReward(env())))
    model, _ = resume(tmp_path, SAC, VecISRReward(env()), load={"train_freq": 3})
    assert model.train_freq.frequency == 3
