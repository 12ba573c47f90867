"""What a user gets by importing and installing."""

import subprocess
import sys

import gymnasium
import pytest

import sb3_isr

CONTRACT = [
    "SocialRewardWrapper",
    "TaskRewardCaregiver",
    "VecISRReward",
    "ISRRewardWrapper",
    "ISRCallback",
    "InternalSocialReward",
    "LeaveAt",
    "Fade",
    "Visits",
    "Always",
    "Never",
]


@pytest.mark.parametrize("name", CONTRACT)
def test_the_names_that_users_rely_on(name: str) -> None:
    assert name in sb3_isr.__all__
    assert hasattr(sb3_isr, name)


def test_all_that_is_named_is_there() -> None:
    assert all(hasattr(sb3_isr, name) for name in sb3_isr.__all__)


def test_importing_it_imports_no_optional_dependency() -> None:
    optional = ["matplotlib", "tqdm", "optuna", "rl_zoo3", "sb3_contrib", "sbx", "pettingzoo", "dask", "pytest"]
    code = f"import sys, sb3_isr; print([name for name in {optional} if name in sys.modules])"
    # matplotlib and tqdm come along with SB3 where they are installed; sb3_isr itself must not need them.
    blocked = f"import sys; sys.modules.update(dict.fromkeys({optional})); import sb3_isr, sb3_isr.cli"
    subprocess.run([sys.executable, "-c", blocked], check=True)
    alone = "import sys, stable_baselines3, minigrid; before = set(sys.modules); import sb3_isr; "
    code = alone + f"print([name for name in {optional} if name in set(sys.modules) - before])"
    assert subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout == "[]\n"


def test_the_coin_game_is_registered() -> None:
    env = gymnasium.make("sb3_isr/CoinGame-v0", layout="plus")
    observation, _ = env.reset(seed=0)
    assert observation.shape == (9, 9, 4)
