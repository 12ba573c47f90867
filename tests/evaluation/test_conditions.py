"""From one snapshot, each condition rewards the learner in its own way."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from stable_baselines3 import DQN, PPO
from stable_baselines3.common.base_class import BaseAlgorithm

from sb3_isr import ISRCallback, VecISRReward
from sb3_isr.envs import CoinGameVecEnv
from sb3_isr.envs.coin_game.rules import PRAISE
from sb3_isr.evaluation.conditions import CONDITIONS, after_departure, load_snapshot, save_snapshot
from sb3_isr.evaluation.episodes import EpisodeRecorder

ISR_KWARGS: dict[str, Any] = {"net_arch": [8]}


def games() -> VecISRReward:
    return VecISRReward(CoinGameVecEnv(4))


def weights(learner: BaseAlgorithm) -> torch.Tensor:
    return torch.nn.utils.parameters_to_vector(learner.policy.parameters())


@pytest.mark.slow
def test_each_condition_starts_from_the_snapshot_and_rewards_in_its_own_way(tmp_path: Path) -> None:
    learner = PPO("MlpPolicy", games(), n_steps=20, batch_size=40, n_epochs=1, seed=0, device="cpu")
    caregiver = ISRCallback("always", isr_kwargs=ISR_KWARGS, trainer_kwargs={"gradient_steps": 5})
    learner.learn(800, callback=caregiver)
    caregiver.train()
    save_snapshot(learner, tmp_path / "learner.zip")
    internal: dict[str, np.ndarray] = {}
    goals = 0.0
    for condition, successor, callback in after_departure(
        PPO, tmp_path / "learner.zip", games, 0, caregiver.isr, ISR_KWARGS
    ):
        assert torch.equal(weights(successor), weights(learner))
        episodes = EpisodeRecorder(["goals_reached"], utility=True)
        successor.learn(800, callback=[callback, episodes])
        columns = {name: np.array(column) for name, column in episodes.columns.items()}
        internal[condition] = columns["utility"] - (columns["true_return"] - columns["social_return"])
        if condition == "oracle":
            assert internal[condition] == pytest.approx(PRAISE * columns["goals_reached"], abs=1e-4)
        goals += columns["goals_reached"].sum()
    assert tuple(internal) == CONDITIONS
    assert internal["none"] == pytest.approx(0.0, abs=1e-4)
    assert np.abs(internal["isr"]).max() > 0.001
    assert goals > 0


def test_a_snapshot_keeps_the_replay_buffer(tmp_path: Path) -> None:
    learner = DQN("MlpPolicy", games(), buffer_size=400, learning_starts=1000, seed=0, device="cpu")
    learner.learn(80, callback=ISRCallback("always", isr_kwargs=ISR_KWARGS))
    save_snapshot(learner, tmp_path / "learner.zip")
    loaded = load_snapshot(DQN, tmp_path / "learner.zip", games(), seed=0)
    assert isinstance(loaded, DQN)
    assert loaded.replay_buffer is not None
    assert learner.replay_buffer is not None
    assert loaded.replay_buffer.pos == learner.replay_buffer.pos > 0
    assert np.array_equal(loaded.replay_buffer.rewards, learner.replay_buffer.rewards)
