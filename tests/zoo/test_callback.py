"""The callback for RL Zoo: the ISR is saved beside the learner, and the learner goes on with it."""

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

from sb3_isr import InternalSocialReward, ISRCallback, SocialRewardWrapper, VecISRReward, ZooISRCallback
from sb3_isr.zoo.callback import isr_folder

STEPS = 64


def with_caregiver(env: gym.Env[Any, Any]) -> SocialRewardWrapper:
    return SocialRewardWrapper(env, "sb3_isr.TaskRewardCaregiver")


def cartpole() -> VecISRReward:
    return VecISRReward(make_vec_env("CartPole-v1", 2, wrapper_class=with_caregiver))


def learner() -> PPO:
    return PPO("MlpPolicy", cartpole(), n_steps=16, batch_size=32, n_epochs=1, seed=0, device="cpu")


def few(presence: str = "leave_at_0.5") -> ZooISRCallback:
    return ZooISRCallback(presence, gradient_steps=5)


def continued(path: Path, callback: ZooISRCallback, monkeypatch: pytest.MonkeyPatch, steps: int = STEPS) -> PPO:
    """What RL Zoo does for ``-i``: load, and learn with counters that start anew."""
    monkeypatch.setattr(sys, "argv", ["train.py", "--algo", "ppo", "-i", str(path)])
    model = PPO.load(path, env=cartpole(), device="cpu")
    model.learn(steps, callback=callback)
    return model


def test_whatever_saves_the_learner_saves_the_isr_beside_it(tmp_path: Path) -> None:
    callback, model = few(), learner()
    model.learn(STEPS, callback=[callback, CheckpointCallback(8, str(tmp_path))])
    model.save(tmp_path / "last")
    assert sorted(path.name for path in tmp_path.glob("*.isr")) == [
        "last.isr",
        *sorted(f"rl_model_{steps}_steps.isr" for steps in (16, 32, 48, 64)),
    ]
    observations, actions = np.zeros((1, 4), np.float32), np.array([1])
    saved = InternalSocialReward.load(isr_folder(tmp_path / "last.zip") / "isr.safetensors", device="cpu")
    assert saved.predict(observations, actions) == callback.isr.predict(observations, actions)


def test_what_was_said_since_the_last_rollout_is_saved_too(tmp_path: Path) -> None:
    callback, model = few("always"), learner()
    model.learn(STEPS, callback=[callback, CheckpointCallback(10, str(tmp_path))])
    with np.load(tmp_path / "rl_model_20_steps.isr" / "labels.npz") as labels:
        assert len(labels["actions"]) == 20


def test_the_learner_itself_is_saved_as_without_it(tmp_path: Path) -> None:
    model = learner()
    model.learn(STEPS, callback=few())
    model.save(tmp_path / "with", exclude=["tensorboard_log"])
    PPO.save(model, tmp_path / "without", exclude=["tensorboard_log", "save"])
    with_callback, without = (load_from_zip_file(tmp_path / name)[0] for name in ("with", "without"))
    assert with_callback is not None
    assert without is not None
    assert with_callback.keys() == without.keys()
    assert PPO.load(tmp_path / "with").num_timesteps == STEPS


def test_a_continued_learner_asks_for_no_more_than_its_budget(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = learner()
    model.learn(STEPS, callback=ZooISRCallback("always", "random_20", gradient_steps=5))
    model.save(tmp_path / "first")
    callback = ZooISRCallback("always", "random_20", gradient_steps=5)
    continued(tmp_path / "first", callback, monkeypatch)
    assert callback.store.n_added == 20


def test_a_learner_saved_into_memory_has_no_beside() -> None:
    model = learner()
    model.learn(STEPS, callback=few())
    memory = io.BytesIO()
    model.save(memory)
    memory.seek(0)
    assert PPO.load(memory).num_timesteps == STEPS


def test_labels_and_isr_go_on_where_they_were(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first, model = few(), learner()
    model.learn(STEPS, callback=first)
    model.save(tmp_path / "model")
    second = few()
    continued(tmp_path / "model.zip", second, monkeypatch)
    assert second.store.n_added == first.store.n_added > 0
    for mine, other in zip(second.isr.parameters(), first.isr.parameters(), strict=True):
        assert np.array_equal(mine.detach(), other.detach())


def attendance_at_rollouts(path: Path, presence: str, steps: int, monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Continue, and return the caregiver's probability of attending at the end of each rollout of 32 steps."""
    callback = few(presence)
    seen: list[float] = []
    monkeypatch.setattr(callback, "_on_rollout_end", lambda: seen.append(callback._clock.probability))
    continued(path, callback, monkeypatch, steps)
    return seen


@pytest.mark.parametrize(
    ("presence", "expected"),
    [
        ("leave_at_0.5", [0.0] * 8),
        ("always", [1.0] * 8),
        # Of the first 128 steps: there until 32, away until 64, there until 96, away until 128; and so on.
        ("visits_0.25_0.5_0.25", [0.0, 1.0] * 4),
    ],
)
def test_presence_goes_on_where_it_was(
    presence: str, expected: list[float], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = learner()
    model.learn(128, callback=few(presence))
    model.save(tmp_path / "model")
    assert attendance_at_rollouts(tmp_path / "model.zip", presence, 256, monkeypatch) == expected


def test_a_caregiver_who_was_there_leaves_when_it_was_to_leave(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = learner()
    model.learn(512, callback=[few(), CheckpointCallback(64, str(tmp_path))])  # it leaves at 256
    path = tmp_path / "rl_model_128_steps.zip"
    assert attendance_at_rollouts(path, "leave_at_0.5", 256, monkeypatch) == [1.0, 1.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0]


def test_continuing_twice_counts_all_that_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = learner()
    model.learn(STEPS, callback=few())
    model.save(tmp_path / "first")
    continued(tmp_path / "first.zip", few(), monkeypatch).save(tmp_path / "second")
    continued(tmp_path / "second.zip", few(), monkeypatch).save(tmp_path / "third")
    progress = json.loads((tmp_path / "third.isr" / "progress.json").read_text())
    assert (progress["steps"], progress["steps_planned"]) == (3 * STEPS, STEPS)


def test_an_agent_without_an_isr_cannot_be_continued(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    learner().save(tmp_path / "plain")
    with pytest.raises(FileNotFoundError, match=r"no folder '.*plain\.isr'; put it there"):
        continued(tmp_path / "plain.zip", few(), monkeypatch)


class Remembers:
    """A caregiver who stays, and remembers what its schedule was asked."""

    def __init__(self) -> None:
        self.asked: list[float] = []

    def __call__(self, progress_remaining: float) -> float:
        self.asked.append(progress_remaining)
        return 1.0


def test_learning_in_pieces_is_as_without_rl_zoo() -> None:
    def asked(kind: type[ISRCallback]) -> list[float]:
        schedule = Remembers()
        callback, model = kind(schedule), learner()
        model.learn(STEPS, callback=callback)
        model.learn(STEPS, callback=callback, reset_num_timesteps=False)
        return schedule.asked

    assert asked(ZooISRCallback) == asked(ISRCallback)


def test_schedules_are_not_asked_past_a_trainings_own_end() -> None:
    schedule = Remembers()
    learner().learn(50, callback=ZooISRCallback(schedule))  # the last rollout ends at 64
    assert min(schedule.asked) == 0.0
