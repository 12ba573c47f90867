"""A run that was killed and resumed is a run that was not interrupted."""

import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch
from stable_baselines3 import PPO
from stable_baselines3.common.sb2_compat.rmsprop_tf_like import RMSpropTFLike
from stable_baselines3.common.vec_env import SubprocVecEnv

from sb3_isr import InternalSocialReward, ISRCallback, ISRCheckpoint, VecISRReward
from sb3_isr.labels import LabelRange
from tests.callbacks.learners import QUICK, ppo, scripted, weights_of
from tests.callbacks.train_with_checkpoints import train
from tests.scripted_env import ScriptedEnv


def killed_at(step: int | None, name: str, folder: Path) -> None:
    """Run a training process to its end, or kill it at the first rollout that starts at a step or after it."""
    command = [sys.executable, "-m", "tests.callbacks.train_with_checkpoints", name, str(folder)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2])
    assert process.stdout is not None
    for line in process.stdout:
        if step is not None and int(line) >= step:
            process.send_signal(signal.SIGKILL)
            break
    process.stdout.close()
    assert process.wait() == (0 if step is None else -signal.SIGKILL)


def interrupted_at(step: int, name: str, folder: Path) -> None:
    """Train here, up to an exception in a callback."""

    def interrupt(now: int) -> None:
        if now >= step:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(name, folder, interrupt)


def check_same_end(interrupted: Path, whole: Path) -> None:
    with np.load(whole / "final.npz") as expected, np.load(interrupted / "final.npz") as got:
        assert len(expected["labels"]) > 100
        assert len(expected["alarms"]) > 1
        for part in ("labels", "observations", "actions", "held_out", "alarms", "isr", "policy"):
            np.testing.assert_array_equal(got[part], expected[part], err_msg=part)


@pytest.mark.slow
def test_a_killed_process_continues_as_if_it_had_not_been_interrupted(tmp_path: Path) -> None:
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    train("sac", whole, str)
    killed_at(400, "sac", killed)
    assert not (killed / "final.npz").exists()
    killed_at(None, "sac", killed)
    check_same_end(killed, whole)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["ppo", "dqn"])
def test_an_interrupted_run_continues_as_if_it_had_not_been_interrupted(name: str, tmp_path: Path) -> None:
    whole, interrupted = tmp_path / "whole", tmp_path / "interrupted"
    train(name, whole, str)
    interrupted_at(20, name, interrupted)  # before any checkpoint
    assert not ISRCheckpoint(interrupted / "checkpoints").can_resume()
    interrupted_at(300, name, interrupted)
    interrupted_at(560, name, interrupted)
    assert not (interrupted / "final.npz").exists()
    train(name, interrupted, str)
    check_same_end(interrupted, whole)


def checkpointed(folder: Path, steps: int = 256) -> Path:
    """Train with checkpoints; returns the newest one."""
    ppo().learn(steps, callback=ISRCallback(callback=ISRCheckpoint(folder, every=64), **QUICK))
    return max(folder.glob("step_*"))


@pytest.mark.slow
def test_only_complete_checkpoints_count_and_only_the_newest_is_kept(tmp_path: Path) -> None:
    """A process killed while it writes leaves a folder that is not renamed yet."""
    path = checkpointed(tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == [path.name] == ["step_000000000192"]
    path.rename(tmp_path / "partial")
    assert not ISRCheckpoint(tmp_path).can_resume()
    checkpointed(tmp_path, steps=512)
    assert [p.name for p in tmp_path.iterdir()] == ["step_000000000448"]
    assert ISRCheckpoint(tmp_path).can_resume()


@pytest.mark.slow
def test_the_isr_of_a_checkpoint_can_be_handed_on(tmp_path: Path) -> None:
    isr = InternalSocialReward.load(checkpointed(tmp_path) / "isr.safetensors")
    isr.check_spaces(*scripted().isr_spaces())
    assert isr.label_range == LabelRange(0.0, 1.0, (0.0, 1.0))


def test_to_resume_there_must_be_a_checkpoint(tmp_path: Path) -> None:
    checkpoint = ISRCheckpoint(tmp_path / "nowhere")
    ISRCallback(callback=checkpoint)
    assert not checkpoint.can_resume()
    with pytest.raises(FileNotFoundError, match=r"got none in '.*nowhere'; check can_resume\(\) first"):
        checkpoint.resume(PPO, scripted())


def test_to_resume_there_must_be_an_isr_callback(tmp_path: Path) -> None:
    checkpointed(tmp_path)
    with pytest.raises(ValueError, match=r"write ISRCallback\(\.\.\., callback=ISRCheckpoint\("):
        ISRCheckpoint(tmp_path).resume(PPO, scripted(), device="cpu")


def test_a_checkpoint_every_zero_steps_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="1 or more, got 0"):
        ISRCheckpoint(tmp_path, every=0)


@pytest.mark.slow
def test_environments_that_cannot_be_pickled_start_their_episodes_anew(tmp_path: Path) -> None:
    def make() -> gym.Env[Any, Any]:
        return ScriptedEnv([(0.0, 1.0)] * 100)

    def model_of(env: Any) -> PPO:
        return PPO("MlpPolicy", env, n_steps=16, batch_size=16, seed=0, device="cpu")

    env = VecISRReward(SubprocVecEnv([make]))
    checkpoint = ISRCheckpoint(tmp_path, every=16)
    with pytest.warns(UserWarning, match="environments start new episodes.*SubprocVecEnv.remotes cannot be pickled"):
        model_of(env).learn(64, callback=ISRCallback("always", callback=checkpoint))
    env.close()
    again = ISRCheckpoint(tmp_path, every=16)
    callback = ISRCallback("always", callback=again)
    env = VecISRReward(SubprocVecEnv([make]))
    model = again.resume(PPO, env, device="cpu")
    assert model.num_timesteps == callback.store.n_added == 48
    model.learn(16, callback=callback, reset_num_timesteps=False)
    env.close()
    steps = np.asarray(callback.store.labels().transitions.observations)[:, 1]
    np.testing.assert_array_equal(steps, [*range(48), *range(16)])


def test_an_optimizer_of_any_class_is_resumed(tmp_path: Path) -> None:
    def internalizing() -> tuple[ISRCallback, ISRCheckpoint]:
        checkpoint = ISRCheckpoint(tmp_path, every=64)
        trainer_kwargs = {"gradient_steps": 5, "optimizer_class": RMSpropTFLike}  # neither torch's nor sb3-isr's
        return ISRCallback(trainer_kwargs=trainer_kwargs, callback=checkpoint), checkpoint

    before, _ = internalizing()
    ppo().learn(128, callback=before)
    after, checkpoint = internalizing()
    checkpoint.resume(PPO, scripted(), device="cpu")
    trainers = before.internalizer.trainer, after.internalizer.trainer
    assert [trainer.n_trainings for trainer in trainers] == [1, 1]
    assert isinstance(trainers[1].optimizer, RMSpropTFLike)
    states = [trainer.optimizer.state_dict()["state"][0]["square_avg"] for trainer in trainers]
    assert torch.equal(*states)


def test_a_checkpoint_changes_nothing_of_the_run(tmp_path: Path) -> None:
    def run(callback: ISRCheckpoint | None) -> torch.Tensor:
        model = ppo()
        model.learn(128, callback=ISRCallback("fade_0.2_0.8", callback=callback, **QUICK))
        return weights_of(model.policy)

    assert torch.equal(run(ISRCheckpoint(tmp_path, every=32)), run(None))
