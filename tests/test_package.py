"""What a user gets by importing and installing."""

import subprocess
import sys
from typing import Any

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
    optional = [
        "matplotlib",
        "tqdm",
        "optuna",
        "rl_zoo3",
        "sb3_contrib",
        "sbx",
        "pettingzoo",
        "supersuit",
        "dask",
        "pytest",
    ]
    code = f"import sys, sb3_isr; print([name for name in {optional} if name in sys.modules])"
    # matplotlib and tqdm come along with SB3 where they are installed; sb3_isr itself must not need them.
    blocked = f"import sys; sys.modules.update(dict.fromkeys({optional})); import sb3_isr, sb3_isr.cli, sb3_isr.envs"
    subprocess.run([sys.executable, "-c", blocked], check=True)
    alone = "import sys, stable_baselines3, minigrid; before = set(sys.modules); import sb3_isr; "
    code = alone + f"print([name for name in {optional} if name in set(sys.modules) - before])"
    assert subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout == "[]\n"


@pytest.mark.parametrize(
    ("name", "kwargs", "shape"),
    [("CoinGame-v0", {"layout": "plus"}, (9, 9, 4)), ("Prosocial-v0", {"max_steps": 50}, (9, 9, 5))],
)
def test_the_environments_are_registered(name: str, kwargs: dict[str, Any], shape: tuple[int, ...]) -> None:
    observation, _ = gymnasium.make(f"sb3_isr/{name}", **kwargs).reset(seed=0)
    assert observation.shape == shape
