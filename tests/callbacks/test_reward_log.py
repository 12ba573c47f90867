"""What is logged under `isr/`."""

import pytest
from stable_baselines3.common.logger import Logger

from sb3_isr import ISRCallback
from sb3_isr.callbacks.reward_log import RewardLog
from sb3_isr.wrappers.reward_statistics import RewardStatistics
from tests.callbacks.learners import QUICK, Watch, ppo


def test_means_of_rewards_are_logged_for_each_rollout() -> None:
    watch, callback = Watch(), ISRCallback("leave_at_0.5", **QUICK)
    model = ppo()
    model.learn(64, callback=[callback, watch])
    present, absent = watch.logged
    assert present["isr/presence"] == 1.0
    assert present["isr/utility"] == present["isr/environment_reward"] + present["isr/social_reward"] == -0.125
    assert "isr/internal_reward" not in present
    assert absent["isr/presence"] == 0.0
    assert absent["isr/environment_reward"] == -0.375
    assert absent["isr/utility"] == pytest.approx(-0.375 + absent["isr/internal_reward"], abs=1e-6)
    assert present["isr/social_return"] == absent["isr/social_return"] == 1.0  # the truth, also in autonomy
    assert present["isr/labels"] == absent["isr/labels"] == 32
    for name in ("mse", "explained", "explained_continuing", "explained_terminated"):
        assert f"isr/held_out_{name}" in present
    assert present["isr/train_loss"] > 0
    # The Monitor inside reports the true return, 3 * -0.5 + 1, and SB3 logs it as rollout/ep_rew_mean.
    assert {episode["r"] for episode in model.ep_info_buffer} == {-0.5}  # type: ignore[union-attr]


def silent(transitions: int, episodes: int = 0) -> RewardStatistics:
    return RewardStatistics(transitions=transitions, presence=transitions, episodes=episodes)


@pytest.mark.parametrize(("rollouts", "steps"), [([silent(8, episodes=1)], "8"), ([silent(600), silent(600)], "1200")])
def test_a_caregiver_who_never_labels_is_warned_of_also_where_no_episode_ends(
    rollouts: list[RewardStatistics], steps: str
) -> None:
    def write() -> None:
        log = RewardLog()
        for statistics in rollouts:
            log.add(statistics, has_labels=False)
            log.write(Logger(None, []), {"labels": 0})

    with pytest.warns(UserWarning, match=f"attended {steps} steps and gave no label"):
        write()
