"""Bad input of an ISRCallback: rule, value met, remedy, before time is lost."""

from __future__ import annotations

from typing import Any

import pytest
from gymnasium import spaces

from sb3_isr import (
    InternalSocialReward,
    ISRCallback,
    VecISRReward,
)
from tests.callbacks.learners import SCRIPTS, Watch, ppo
from tests.scripted_env import Script, scripted_vec_env

UNLABELLED: list[Script] = [[(-0.5, None)] * 4] * 2


@pytest.mark.parametrize("name", ["isr", "store", "internalizer"])
def test_before_training_there_is_no_isr(name: str) -> None:
    with pytest.raises(ValueError, match="when training starts, got no training; call learn"):
        getattr(ISRCallback(), name)


@pytest.mark.parametrize("presence", ["never", "leave_at_0.0"])
def test_departure_before_any_label_is_refused_at_once(presence: str) -> None:
    watch = Watch()
    with pytest.raises(ValueError, match=r"must give labels before it leaves.*step 0.*ISRCallback\(isr=\.\.\.\)"):
        ppo().learn(64, callback=[ISRCallback(presence), watch])
    assert watch.rewards == []


def test_a_caregiver_who_gives_no_label_is_warned_of_early_and_refused_at_departure() -> None:
    model = ppo(VecISRReward(scripted_vec_env(UNLABELLED)))
    with (
        pytest.warns(UserWarning, match='gave no label: no info had "social_reward"') as seen,
        pytest.raises(ValueError, match="there is none and it leaves at step 64"),
    ):
        model.learn(128, callback=ISRCallback())
    assert len([w for w in seen if "social_reward" in str(w.message)]) == 1


def test_an_isr_of_other_spaces_is_refused() -> None:
    env = scripted_vec_env(SCRIPTS)
    isr = InternalSocialReward(env.observation_space, spaces.Discrete(7))
    with pytest.raises(ValueError, match=r"Discrete\(7\), got"):
        ppo().learn(64, callback=ISRCallback("never", isr=isr))


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"presence": "leave_at_2"}, r"\[0, 1\], got 2\.0"),
        ({"presence": "on_sundays"}, "got 'on_sundays'"),
        ({"queries": "on_sundays"}, "got 'on_sundays'"),
        ({"train_every": 0}, "1 or more, got 0"),
        ({"coefficient": float("nan")}, "finite number.*got nan"),
        ({"isr": "isr.safetensors", "isr_kwargs": {"net_arch": [4]}}, "leave one of them out"),
        ({"trainer_kwargs": {"optimizer_class": "torch.optim.Adams"}}, "got 'torch.optim.Adams'"),
    ],
)
def test_bad_arguments_are_refused_when_the_callback_is_made(kwargs: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ISRCallback(**kwargs)


def test_a_schedule_that_returns_no_probability_is_refused_at_once() -> None:
    with pytest.raises(ValueError, match=r"in \[0, 1\].*returned 2\.0"):
        ppo().learn(64, callback=ISRCallback(lambda progress_remaining: 2.0))
