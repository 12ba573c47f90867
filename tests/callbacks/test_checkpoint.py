"""Killed and resumed is as if nothing had happened."""

import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from stable_baselines3 import PPO
from stable_baselines3.common.sb2_compat.rmsprop_tf_like import RMSpropTFLike
from stable_baselines3.common.vec_env import SubprocVecEnv

from sb3_isr import InternalSocialReward, ISRCallback, VecISRReward
from sb3_isr.callbacks.checkpoint import newest_checkpoint
from tests.callbacks.train_with_checkpoints import task
from tests.scripted_env import ScriptedEnv, scripted_vec_env


def train(name: str, folder: Path, kill_at: int | None = None) -> None:
    """Run the training process to its end, or kill it at the first rollout that starts at a step or after it."""
    command = [sys.executable, "-m", "tests.callbacks.train_with_checkpoints", name, str(folder)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2])
    assert process.stdout is not None
    for line in process.stdout:
        if kill_at is not None and int(line) >= kill_at:
            process.send_signal(signal.SIGKILL)
            break
    process.stdout.close()
    assert process.wait() == (0 if kill_at is None else -signal.SIGKILL)


@pytest.mark.parametrize("name", ["ppo", "sac", "dqn"])
def test_a_killed_run_goes_on_as_if_nothing_had_happened(name: str, tmp_path: Path) -> None:
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    train(name, whole)
    train(name, killed, kill_at=20)  # before any checkpoint
    assert newest_checkpoint(killed / "checkpoints") is None
    train(name, killed, kill_at=300)
    train(name, killed, kill_at=560)
    assert not (killed / "final.npz").exists()
    train(name, killed)
    with np.load(whole / "final.npz") as expected, np.load(killed / "final.npz") as got:
        assert len(expected["labels"]) > 100
        for part in ("labels", "observations", "actions", "held_out", "isr", "policy"):
            np.testing.assert_array_equal(got[part], expected[part], err_msg=part)


def checkpointed(folder: Path, steps: int = 256) -> Path:
    algorithm, env, kwargs, _ = task("ppo")
    callback = ISRCallback("leave_at_0.5", checkpoint_dir=folder, checkpoint_every=64, gradient_steps=5)
    algorithm("MlpPolicy", env, **kwargs).learn(steps, callback=callback)
    path = newest_checkpoint(folder)
    assert path is not None
    return path


def test_only_whole_checkpoints_count_and_only_the_newest_is_kept(tmp_path: Path) -> None:
    """A process killed while it writes leaves a folder that is not renamed yet."""
    path = checkpointed(tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == [path.name] == ["step_000000000192"]
    shutil.copytree(path, tmp_path / "partial.123")
    (tmp_path / "partial.123" / "model.zip").unlink()
    assert newest_checkpoint(tmp_path) == path
    checkpointed(tmp_path, steps=512)
    assert [p.name for p in tmp_path.iterdir()] == ["step_000000000448"]


def test_the_isr_of_a_checkpoint_can_be_handed_on(tmp_path: Path) -> None:
    isr = InternalSocialReward.load(checkpointed(tmp_path) / "isr.safetensors")
    _, env, _, _ = task("ppo")
    isr.check_spaces(env.observation_space, env.action_space)
    assert isr.label_range is not None
    assert isr.label_range == pytest.approx((0.0, 0.4))


def test_to_resume_there_must_be_a_checkpoint(tmp_path: Path) -> None:
    algorithm, env, _, _ = task("ppo")
    assert not ISRCallback.can_resume(tmp_path / "nowhere")
    for callback in (ISRCallback(), ISRCallback(checkpoint_dir=tmp_path)):
        with pytest.raises(FileNotFoundError, match="ask can_resume"):
            callback.resume(algorithm, env)


def test_environments_that_cannot_be_pickled_start_their_episodes_anew(tmp_path: Path) -> None:
    def make() -> gym.Env[Any, Any]:
        return ScriptedEnv([(0.0, 1.0)] * 100)

    def model_of(env: Any) -> PPO:
        return PPO("MlpPolicy", env, n_steps=16, batch_size=16, seed=0, device="cpu")

    env = VecISRReward(SubprocVecEnv([make]))
    callback = ISRCallback("always", checkpoint_dir=tmp_path, checkpoint_every=16)
    with pytest.warns(UserWarning, match="episodes start anew"):
        model_of(env).learn(64, callback=callback)
    env.close()
    again = ISRCallback("always", checkpoint_dir=tmp_path, checkpoint_every=16)
    env = VecISRReward(SubprocVecEnv([make]))
    model = again.resume(PPO, env, device="cpu")
    assert model.num_timesteps == again.store.n_added == 48
    model.learn(16, callback=again, reset_num_timesteps=False)
    env.close()
    steps = np.asarray(again.store._observations)[: len(again.store), 1]
    np.testing.assert_array_equal(steps, [*range(48), *range(16)])


def test_an_isr_with_an_optimizer_of_ones_own_is_resumed(tmp_path: Path) -> None:
    def internalizing() -> ISRCallback:
        kwargs = {"optimizer_class": RMSpropTFLike}  # neither torch's nor sb3-isr's
        return ISRCallback("always", isr_kwargs=kwargs, checkpoint_dir=tmp_path, checkpoint_every=16)

    env = VecISRReward(scripted_vec_env([[(0.0, 1.0)] * 5]))
    PPO("MlpPolicy", env, n_steps=16, batch_size=16, seed=0, device="cpu").learn(64, callback=internalizing())
    again = internalizing()
    again.resume(PPO, env, device="cpu")
    assert type(again.isr.optimizer) is RMSpropTFLike


def test_labels_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    path = checkpointed(tmp_path)
    algorithm, env, _, _ = task("ppo")
    with pytest.raises(ValueError, match="capacity 10; make it with the capacity it had"):
        ISRCallback(checkpoint_dir=path.parent, capacity=10).resume(algorithm, env)


def test_a_checkpoint_changes_nothing_of_the_run(tmp_path: Path) -> None:
    def policy(**kwargs: Any) -> Any:
        model = PPO(
            "MlpPolicy", VecISRReward(scripted_vec_env([[(0.0, 1.0)] * 5] * 2)), n_steps=16, batch_size=16, seed=0
        )
        model.learn(128, callback=ISRCallback("fade_0.2_0.8", gradient_steps=5, **kwargs))
        return next(model.policy.parameters()).detach().numpy()

    np.testing.assert_array_equal(policy(checkpoint_dir=tmp_path, checkpoint_every=32), policy())
