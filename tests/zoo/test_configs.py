"""Every entry of zoo_configs runs in an RL Zoo process of its own, as it stands but for the numbers of steps."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from sb3_isr import InternalSocialReward
from tests.zoo.zoo_process import CONFIGS, train

ENTRIES = [(path.stem, env_id) for path in sorted(CONFIGS.glob("*.yml")) for env_id in yaml.safe_load(path.read_text())]

Entry = dict[str, Any]


def shortened(algo: str, env_id: str) -> Entry:
    """An entry with a rollout, a warm-up and an ISR training of a few steps."""
    entry: Entry = yaml.safe_load((CONFIGS / f"{algo}.yml").read_text())[env_id]
    for name, few in (("n_steps", 16), ("learning_starts", 50)):
        if name in entry:
            entry[name] = min(entry[name], few)
    ((callback,),) = (kwargs.values() for kwargs in entry["callback"])
    callback["gradient_steps"] = 5
    return entry


def run(algo: str, env_id: str, entry: Entry, folder: Path) -> Path:
    """Train for 300 steps; returns RL Zoo's folder of the run."""
    config = folder / f"{algo}.yml"
    config.write_text(yaml.safe_dump({env_id: entry}))
    train(config, env_id, "-n", "300", cwd=folder)
    return folder / "logs" / algo / f"{env_id.replace('/', '-')}_1"


def test_the_entries_were_found() -> None:
    algorithms = {"ppo", "a2c", "dqn", "qrdqn", "trpo", "ppo_lstm", "sac", "tqc", "sbx_ppo", "sbx_dqn", "sbx_sac"}
    assert {algo for algo, _ in ENTRIES} == algorithms


@pytest.mark.slow
@pytest.mark.parametrize(("algo", "env_id"), ENTRIES)
def test_an_entry_trains_and_its_caregiver_leaves(algo: str, env_id: str, tmp_path: Path) -> None:
    folder = run(algo, env_id, shortened(algo, env_id), tmp_path)
    beside = folder / f"{env_id.replace('/', '-')}.isr"
    clock = json.loads((beside / "progress.json").read_text())["clock"]
    assert clock["probability"] == 0.0
    assert clock["labels_at_training"] >= 100
    assert InternalSocialReward.load(beside / "isr.safetensors").label_range is not None


BROKEN: dict[str, Entry] = {
    "wrapper": {"vec_env_wrapper": "sb3_isr.VecISRRewards"},
    "caregiver": {"env_wrapper": [{"sb3_isr.SocialRewardWrapper": {"caregiver": "sb3_isr.TaskCaregiver"}}]},
    "callback's argument": {"callback": [{"sb3_isr.ZooISRCallback": {"presense": "leave_at_0.5"}}]},
    "isr_kwargs": {"callback": [{"sb3_isr.ZooISRCallback": {"isr_kwargs": {"activation_fn": "torch.nn.Tahn"}}}]},
}


@pytest.mark.slow
@pytest.mark.parametrize("broken", BROKEN)
def test_an_entry_with_a_wrong_name_or_argument_fails(broken: str, tmp_path: Path) -> None:
    wrong = {"wrapper": "VecISRRewards", "caregiver": "TaskCaregiver", "isr_kwargs": "Tahn"}.get(broken, "presense")
    with pytest.raises(RuntimeError, match=rf"Error: .*{wrong}"):
        run("ppo", "CartPole-v1", {**shortened("ppo", "CartPole-v1"), **BROKEN[broken]}, tmp_path)
