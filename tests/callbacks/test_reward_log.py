"""What is logged under `isr/`."""

import pytest

from sb3_isr import ISRCallback
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
    assert present["isr/held_out_mse"] > 0
    assert present["isr/train_loss"] > 0
    # The Monitor inside reports the true return, 3 * -0.5 + 1, and SB3 logs it as rollout/ep_rew_mean.
    assert {episode["r"] for episode in model.ep_info_buffer} == {-0.5}  # type: ignore[union-attr]
