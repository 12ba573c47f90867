"""The curves of a learner, and which checkpoint is the best."""

from pathlib import Path

import numpy as np
import pytest
from stable_baselines3 import PPO
from stable_baselines3.common.base_class import BaseAlgorithm

from reproduction.learning import GoalEpisodes
from sb3_isr.envs import CoinGameVecEnv


class Scripted(GoalEpisodes):
    """The learner gets a given reward at each step of a rollout; its weights are recorded at the end of each."""

    def __init__(self, paid: list[float], best: Path) -> None:
        super().__init__(best=best)
        self.paid = paid
        self.weights: list[np.ndarray] = []

    def _on_step(self) -> bool:
        self.locals["rewards"] = np.full(self.training_env.num_envs, self.paid[len(self.weights)])
        return super()._on_step()

    def _on_rollout_end(self) -> None:
        super()._on_rollout_end()
        self.weights.append(weights(self.model))


def weights(model: BaseAlgorithm) -> np.ndarray:
    assert isinstance(model, PPO)
    return np.array(model.policy.state_dict()["action_net.weight"])


def test_the_best_checkpoint_is_the_learner_of_the_rollout_that_got_the_highest_return(tmp_path: Path) -> None:
    model = PPO("MlpPolicy", CoinGameVecEnv(100), n_steps=20, batch_size=1000, n_epochs=1, seed=0, device="cpu")
    episodes = Scripted([0.0, 2.0, 1.0, 1.5], tmp_path / "best.zip")
    model.learn(8000, callback=episodes)
    assert len(episodes.weights) == 4
    assert episodes.best_return == pytest.approx(40.0)
    assert np.array_equal(weights(PPO.load(tmp_path / "best.zip", device="cpu")), episodes.weights[1])
    assert not np.array_equal(episodes.weights[1], episodes.weights[3])


def test_curves_are_means_of_equal_parts() -> None:
    episodes = GoalEpisodes()
    episodes.columns |= {
        "steps": [20, 40, 60, 80],
        "goals_reached": [0, 1, 2, 4],
        "utility": [0.0, 0.5, 1.0, 2.0],
        "true_return": [-0.1, 0.1, 0.6, 1.2],
        "social_return": [0.0, 0.4, 0.8, 1.6],
    }
    assert episodes.curves(2) == {
        "steps": [30.0, 70.0],
        "goals": [0.5, 3.0],
        "utility": [0.25, 1.5],
        "environment": [-0.2, -0.3],
    }
