"""Learners that advance side by side learn what each would have learned alone and in one training."""

import copy

import numpy as np
import pytest
import torch

from sb3_isr.evaluation.episodes import EpisodeRecorder
from sb3_isr.tuning.entry import Entry, build, changed
from sb3_isr.tuning.learner import PieceByPiece
from tests.tuning.small import ENTRY

STEPS = 1280
SAC: Entry = {
    **changed(ENTRY, {}, {"n_envs": 2}),
    **dict.fromkeys(("n_steps", "n_epochs")),
    "learning_starts": 100,
    "train_freq": 8,
    "gradient_steps": 1,
    "policy_kwargs": "dict(net_arch=[16])",
    "learning_rate": "lin_1e-3",
    "env_wrapper": [{"sb3_isr.SocialRewardWrapper": {"caregiver": "sb3_isr.TaskRewardCaregiver"}}],
}
SAC = {key: value for key, value in SAC.items() if value is not None}


def in_one_training(entry: Entry, env_id: str, algo: str) -> tuple[dict[str, torch.Tensor], list[float]]:
    model, callback = build({**entry, "n_timesteps": STEPS}, env_id, algo, 3)
    episodes = EpisodeRecorder()
    model.learn(STEPS, callback=[callback, episodes])
    return copy.deepcopy(model.policy.state_dict()), episodes.columns["social_return"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("algo", "env_id", "steps"), [("ppo", "sb3_isr/CoinGame-v0", 256), ("sac", "Pendulum-v1", 320)]
)
def test_pieces_beside_another_seed_are_one_training(algo: str, env_id: str, steps: int) -> None:
    entry = ENTRY if algo == "ppo" else SAC
    weights, returns = in_one_training(entry, env_id, algo)
    learner, other = (PieceByPiece(entry, env_id, algo, STEPS, seed) for seed in (3, 4))
    for until in range(steps, STEPS + 1, steps):
        learner.advance(until)
        other.advance(until)
    assert learner.model.num_timesteps == STEPS
    assert learner.episodes.columns["social_return"] == returns != other.episodes.columns["social_return"]
    for name, weight in learner.model.policy.state_dict().items():
        assert torch.equal(weight, weights[name]), name


def test_the_process_s_own_generators_are_left_alone() -> None:
    torch.manual_seed(0)
    np.random.seed(0)
    learner = PieceByPiece(ENTRY, "sb3_isr/CoinGame-v0", "ppo", STEPS, 0)
    learner.advance(256)
    drawn = torch.rand(1).item(), np.random.rand()
    torch.manual_seed(0)
    np.random.seed(0)
    assert drawn == (torch.rand(1).item(), np.random.rand())


def test_the_caregiver_leaves_when_the_whole_training_says_so() -> None:
    learner = PieceByPiece(ENTRY, "sb3_isr/CoinGame-v0", "ppo", STEPS, 0)
    labels = []
    for until in range(128, STEPS + 1, 128):
        learner.advance(until)
        labels.append(learner.labels)
    # Nobody leaves in the midst of an episode; those of 20 steps in 4 environments end at 640.
    assert labels == [128, 256, 384, 512, 640, 640, 640, 640, 640, 640]


def test_true_social_returns_are_recorded_in_autonomy_too() -> None:
    learner = PieceByPiece(ENTRY, "sb3_isr/CoinGame-v0", "ppo", STEPS, 0)
    learner.advance(STEPS)
    in_autonomy = learner.episodes.between("social_return", 640)
    assert len(in_autonomy) == 32
    assert sum(in_autonomy) > 0
