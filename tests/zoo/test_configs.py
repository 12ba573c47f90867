"""
Every entry of zoo_configs runs in RL Zoo's own script, as it stands except for the numbers of steps.

In this process, since most of a short training's time would be imports; test_command_line.py has real processes.
"""

import json
import sys
from collections.abc import Callable, Iterator
from copy import deepcopy
from pathlib import Path

import gymnasium as gym
import pytest
import rl_zoo3
import rl_zoo3.enjoy
import rl_zoo3.exp_manager
import rl_zoo3.train
import rl_zoo3.utils
import yaml
from rl_zoo3.utils import get_wrapper_class

from sb3_isr import InternalSocialReward
from sb3_isr.zoo.__main__ import main
from tests.zoo.zoo_process import CONFIGS, Entry, options, shortened, write_config

#: Entries by file and environment.
ENTRIES: dict[str, dict[str, Entry]] = {
    path.stem: yaml.safe_load(path.read_text()) for path in sorted(CONFIGS.glob("*.yml"))
}
#: Environments that differ only in their map: an entry is written once for all of them. The first of them is run.
FAMILIES = [
    [f"sb3_isr/CoinGame-{name}v0" for name in ("", "plus-", "x-", "U-", "T-", "four_rooms-")],
    ["MiniGrid-DoorKey-5x5-v0", "MiniGrid-Empty-5x5-v0"],
]
NOT_RUN = {env_id for family in FAMILIES for env_id in family[1:]}
RUN = [(algo, env_id) for algo, entries in ENTRIES.items() for env_id in entries if env_id not in NOT_RUN]


@pytest.fixture
def train(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Callable[..., None]]:
    """RL Zoo's training script, for a file of entries and a command line; it runs in ``tmp_path``."""
    namespaces = [rl_zoo3.ALGOS, *map(vars, (rl_zoo3.train, rl_zoo3.utils, rl_zoo3.enjoy, rl_zoo3.exp_manager))]
    before = [dict(namespace) for namespace in namespaces]
    monkeypatch.chdir(tmp_path)

    def train_here(config: Path, env_id: str, *arguments: str) -> None:
        is_own = config.stem.startswith("sbx_")  # only sb3_isr.zoo knows SBX
        command_line = ["train.py", *(["train"] if is_own else []), *options(config, env_id), *arguments]
        monkeypatch.setattr(sys, "argv", command_line)
        (main if is_own else rl_zoo3.train.train)()

    yield train_here
    for namespace, content in zip(namespaces, before, strict=True):
        for name in namespace.keys() - content.keys():
            del namespace[name]
        namespace.update(content)


def test_the_entries_were_found() -> None:
    algorithms = {"ppo", "a2c", "dqn", "qrdqn", "trpo", "ppo_lstm", "sac", "tqc", "sbx_ppo", "sbx_dqn", "sbx_sac"}
    assert ENTRIES.keys() == algorithms
    assert len(RUN) >= 35


@pytest.mark.slow
@pytest.mark.parametrize(("algo", "env_id"), RUN)
def test_an_entry_trains_and_its_caregiver_leaves(
    algo: str, env_id: str, train: Callable[..., None], tmp_path: Path
) -> None:
    config = write_config(tmp_path, algo, env_id, shortened(algo, env_id))
    train(config, env_id, "-n", "240")
    name = env_id.replace("/", "-")
    beside = tmp_path / "logs" / algo / f"{name}_1" / f"{name}.isr"
    internalization = json.loads((beside / "progress.json").read_text())["internalization"]
    assert internalization["is_trained"]
    assert internalization["probability"] == 0.0
    assert internalization["labels_at_training"] >= 100
    assert InternalSocialReward.load(beside / "isr.safetensors").label_range is not None


@pytest.mark.parametrize("algo", [algo for algo, entries in ENTRIES.items() if NOT_RUN & entries.keys()])
@pytest.mark.parametrize("family", FAMILIES, ids=["coin game", "minigrid"])
def test_an_entry_that_is_not_run_is_that_of_an_environment_with_the_same_spaces(algo: str, family: list[str]) -> None:
    first, *others = (ENTRIES[algo][env_id] for env_id in family)
    assert all(other == first for other in others)
    wrap = get_wrapper_class(deepcopy(first)) or (lambda env: env)
    envs = [wrap(gym.make(env_id)) for env_id in family]
    assert len({str((env.observation_space, env.action_space)) for env in envs}) == 1


BROKEN: dict[str, tuple[Entry, str]] = {
    "wrapper": ({"vec_env_wrapper": "sb3_isr.VecISRRewards"}, "VecISRRewards"),
    "caregiver": (
        {"env_wrapper": [{"sb3_isr.SocialRewardWrapper": {"caregiver": "sb3_isr.TaskCaregiver"}}]},
        "TaskCaregiver",
    ),
    "callback's argument": ({"callback": [{"sb3_isr.ZooISRCallback": {"presense": "leave_at_0.5"}}]}, "presense"),
    "isr_kwargs": (
        {"callback": [{"sb3_isr.ZooISRCallback": {"isr_kwargs": {"activation_fn": "Tahn"}}}]},
        "Tahn",
    ),
    "child": ({"callback": [{"sb3_isr.ZooISRCallback": {"callback": "sb3_isr.HackingWatches"}}]}, "HackingWatches"),
}


@pytest.mark.parametrize("broken", BROKEN)
def test_an_entry_with_a_wrong_name_or_argument_fails(broken: str, train: Callable[..., None], tmp_path: Path) -> None:
    change, wrong = BROKEN[broken]
    config = write_config(tmp_path, "ppo", "CartPole-v1", {**shortened("ppo", "CartPole-v1"), **change})
    with pytest.raises((AttributeError, ImportError, TypeError, ValueError), match=wrong):
        train(config, "CartPole-v1", "-n", "300")


def test_a_child_callback_is_made_from_yaml(train: Callable[..., None], tmp_path: Path) -> None:
    entry = shortened("ppo", "Pendulum-v1")
    watch = {"sb3_isr.HackingWatch": {"remedy": "stop", "window": 64, "max_uncertainty": 1e-9}}
    ((arguments,),) = (kwargs.values() for kwargs in entry["callback"])
    arguments |= {"isr_kwargs": {"n_members": 2}, "callback": [watch]}
    config = write_config(tmp_path, "ppo", "Pendulum-v1", entry)
    train(config, "Pendulum-v1", "-n", "1024")
    progress = json.loads((tmp_path / "logs/ppo/Pendulum-v1_1/Pendulum-v1.isr/progress.json").read_text())
    assert 512 < progress["steps"] < 1024  # it stopped the training after the departure
