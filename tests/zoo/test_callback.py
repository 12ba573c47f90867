"""The callback for RL Zoo: the ISR is saved beside the learner, and is loaded with it."""

import io
import json
import sys
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from stable_baselines3 import PPO
from stable_baselines3.common.callbacks import CheckpointCallback
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.save_util import load_from_zip_file

from sb3_isr import (
    InternalSocialReward,
    ISRCallback,
    ISRChildCallback,
    SocialRewardWrapper,
    VecISRReward,
    ZooISRCallback,
)
from sb3_isr.zoo.callback import isr_folder

STEPS = 64


def with_caregiver(env: gym.Env[Any, Any]) -> SocialRewardWrapper:
    return SocialRewardWrapper(env, "sb3_isr.TaskRewardCaregiver")


def cartpole() -> VecISRReward:
    return VecISRReward(make_vec_env("CartPole-v1", 2, wrapper_class=with_caregiver))


def learner() -> PPO:
    return PPO("MlpPolicy", cartpole(), n_steps=16, batch_size=32, n_epochs=1, seed=0, device="cpu")


def quick(presence: str = "leave_at_0.5", queries: str = "all", **kwargs: Any) -> ZooISRCallback:
    return ZooISRCallback(presence, queries, trainer_kwargs={"gradient_steps": 5}, **kwargs)


def continued(path: Path, callback: ZooISRCallback, monkeypatch: pytest.MonkeyPatch, steps: int = STEPS) -> PPO:
    """What RL Zoo does for ``-i``: load, and learn with counters that start anew."""
    monkeypatch.setattr(sys, "argv", ["train.py", "--algo", "ppo", "-i", str(path)])
    model = PPO.load(path, env=cartpole(), device="cpu")
    model.learn(steps, callback=callback)
    return model


def test_whatever_saves_the_learner_saves_the_isr_beside_it(tmp_path: Path) -> None:
    callback, model = quick(), learner()
    model.learn(STEPS, callback=[callback, CheckpointCallback(8, str(tmp_path))])
    model.save(tmp_path / "last")
    assert sorted(path.name for path in tmp_path.glob("*.isr")) == [
        "last.isr",
        *sorted(f"rl_model_{steps}_steps.isr" for steps in (16, 32, 48, 64)),
    ]
    observations = np.zeros((1, 4), np.float32)
    transitions = observations, np.array([1]), observations + np.float32(0.1), np.array([True])
    saved = InternalSocialReward.load(isr_folder(tmp_path / "last.zip") / "isr.safetensors", device="cpu")
    assert saved.predict(*transitions) == callback.isr.predict(*transitions)


def test_labels_since_the_last_rollout_are_saved_too(tmp_path: Path) -> None:
    callback, model = quick("always"), learner()
    model.learn(STEPS, callback=[callback, CheckpointCallback(10, str(tmp_path))])
    with np.load(tmp_path / "rl_model_20_steps.isr" / "labels.npz") as labels:
        assert len(labels["actions"]) == 20


def test_the_learner_itself_is_saved_as_without_the_callback(tmp_path: Path) -> None:
    model = learner()
    model.learn(STEPS, callback=quick())
    model.save(tmp_path / "with", exclude=["tensorboard_log"])
    PPO.save(model, tmp_path / "without", exclude=["tensorboard_log", "save"])
    with_callback, without = (load_from_zip_file(tmp_path / name)[0] for name in ("with", "without"))
    assert with_callback is not None
    assert without is not None
    assert with_callback.keys() == without.keys()
    assert PPO.load(tmp_path / "with").num_timesteps == STEPS


def test_a_continued_learner_queries_no_more_than_its_budget(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = learner()
    model.learn(STEPS, callback=quick("always", "random_20"))
    model.save(tmp_path / "first")
    callback = quick("always", "random_20")
    continued(tmp_path / "first", callback, monkeypatch)
    assert callback.store.n_added == 20


def test_a_learner_can_be_saved_into_memory() -> None:
    model = learner()
    model.learn(STEPS, callback=quick())
    memory = io.BytesIO()
    model.save(memory)
    memory.seek(0)
    assert PPO.load(memory).num_timesteps == STEPS


def test_training_continues_with_labels_and_isr(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first, model = quick(), learner()
    model.learn(STEPS, callback=first)
    model.save(tmp_path / "model")
    second = quick()
    continued(tmp_path / "model.zip", second, monkeypatch)
    assert second.store.n_added == first.store.n_added > 0
    for mine, other in zip(second.isr.parameters(), first.isr.parameters(), strict=True):
        assert np.array_equal(mine.detach(), other.detach())


class Presence(ISRChildCallback):
    """Keeps the caregiver's probability of attending at the end of each rollout."""

    def __init__(self) -> None:
        super().__init__()
        self.probabilities: list[float] = []

    def _on_rollout_end(self) -> None:
        self.probabilities.append(self.isr_callback.internalizer.state.probability)


def attendance_at_rollouts(path: Path, presence: str, steps: int, monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Continue, and return the presence at the end of each rollout of 32 steps."""
    child = Presence()
    continued(path, quick(presence, callback=child), monkeypatch, steps)
    return child.probabilities


@pytest.mark.parametrize(
    ("presence", "expected"),
    [
        ("leave_at_0.5", [0.0] * 8),
        ("always", [1.0] * 8),
        # Of the first 128 steps: present until 32, absent until 64, present until 96, absent until 128; and so on.
        ("visits_0.25_0.5_0.25", [0.0, 1.0] * 4),
    ],
)
def test_presence_continues_where_it_was(
    presence: str, expected: list[float], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = learner()
    model.learn(128, callback=quick(presence))
    model.save(tmp_path / "model")
    assert attendance_at_rollouts(tmp_path / "model.zip", presence, 256, monkeypatch) == expected


def test_a_caregiver_who_was_present_leaves_when_it_was_to_leave(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = learner()
    model.learn(512, callback=[quick(), CheckpointCallback(64, str(tmp_path))])  # it leaves at 256
    path = tmp_path / "rl_model_128_steps.zip"
    assert attendance_at_rollouts(path, "leave_at_0.5", 256, monkeypatch) == [1.0, 1.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0]


def test_continuing_twice_counts_all_steps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = learner()
    model.learn(STEPS, callback=quick())
    model.save(tmp_path / "first")
    continued(tmp_path / "first.zip", quick(), monkeypatch).save(tmp_path / "second")
    continued(tmp_path / "second.zip", quick(), monkeypatch).save(tmp_path / "third")
    progress = json.loads((tmp_path / "third.isr" / "progress.json").read_text())
    assert (progress["steps"], progress["steps_planned"]) == (3 * STEPS, STEPS)


def test_an_agent_without_an_isr_cannot_be_continued(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    learner().save(tmp_path / "plain")
    with pytest.raises(FileNotFoundError, match=r"no folder '.*plain\.isr'; put it there"):
        continued(tmp_path / "plain.zip", quick(), monkeypatch)


class Recording:
    """A presence schedule that is always 1, and keeps the progress at which it is evaluated."""

    def __init__(self) -> None:
        self.progress: list[float] = []

    def __call__(self, progress_remaining: float) -> float:
        self.progress.append(progress_remaining)
        return 1.0


def test_learning_in_pieces_is_as_without_rl_zoo() -> None:
    def progress(kind: type[ISRCallback]) -> list[float]:
        schedule = Recording()
        callback, model = kind(schedule), learner()
        model.learn(STEPS, callback=callback)
        model.learn(STEPS, callback=callback, reset_num_timesteps=False)
        return schedule.progress

    assert progress(ZooISRCallback) == progress(ISRCallback)


def test_schedules_are_not_evaluated_past_the_end_of_a_training() -> None:
    schedule = Recording()
    learner().learn(50, callback=ZooISRCallback(schedule))  # the last rollout ends at 64
    assert min(schedule.progress) == 0.0


def test_answers_about_episodes_are_kept_beside_the_learner(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given, model = quick("never", "episodes_4"), learner()
    model.learn(4 * STEPS, callback=given)
    model.save(tmp_path / "agent")
    answers = given.internalizer.counts()["answers"]
    callback = quick("never", "episodes_4")
    continued(tmp_path / "agent.zip", callback, monkeypatch, steps=16)
    assert callback.internalizer.counts()["answers"] >= answers > 0
    assert callback.internalizer.has_isr
