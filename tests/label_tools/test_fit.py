"""An ISR from a file of labels, and a learner that lives on it, without any caregiver."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gymnasium import spaces
from stable_baselines3 import PPO
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.evaluation import evaluate_policy

from sb3_isr import AttributedLabels, InternalSocialReward, ISRCallback, LabelBatch, VecISRReward, write_labels
from sb3_isr.cli import main
from sb3_isr.label_tools.fit import fit, warning_of
from tests.label_tools.matching import FOUR, ID, LENGTH, matching_labels
from tests.labels.made_labels import make_transitions

FEW: dict[str, Any] = {"gradient_steps": 150, "max_cycles": 1, "batch_size": 64}
QUICK = ["--trainer-kwargs", json.dumps(FEW)]


def learn(isr: str, coefficient: float = 1.0) -> float:
    """Train PPO without a caregiver; returns the true return per episode."""
    venv = VecISRReward(make_vec_env(ID, n_envs=4, seed=0))
    model = PPO("MlpPolicy", venv, n_steps=32, batch_size=64, learning_rate=3e-3, gamma=0.0, seed=0, device="cpu")
    model.learn(2048, callback=ISRCallback("never", isr=isr, coefficient=coefficient))
    mean, _ = evaluate_policy(model, make_vec_env(ID, n_envs=1, seed=1), n_eval_episodes=10)
    return float(np.mean(mean))


@pytest.mark.slow
def test_a_learner_learns_from_a_colleagues_labels_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write_labels("labels.jsonl", matching_labels())
    assert main(["fit", "labels.jsonl", "--env", ID, "--out", "values.safetensors", *QUICK]) == 0
    printed = capsys.readouterr()
    assert printed.out.startswith(
        "ISR trained on 400 labels: it explains 100.0% of the held-out labels' variance, MSE "
    )
    assert printed.out.endswith("ISR: values.safetensors\n")
    assert printed.err == ""
    assert learn("values.safetensors") > 0.95 * LENGTH
    assert learn("values.safetensors", coefficient=0.0) < 0.5 * LENGTH  # chance is a quarter


def test_the_isr_is_that_of_a_callback_with_the_same_seed_and_labels(tmp_path: Path) -> None:
    labels = matching_labels(100)
    few = {"gradient_steps": 10, "max_cycles": 1}
    one, again, other = (fit(labels, seed, {"net_arch": [8]}, few)[0] for seed in (1, 1, 2))
    callback = ISRCallback("never", isr_kwargs={"net_arch": [8]}, trainer_kwargs=few, seed=1)
    internalizer = callback.arguments.make(labels.spaces, 1, one.device, {})
    internalizer.store.add(labels.labels)
    internalizer.train()
    batch = labels.labels.transitions
    np.testing.assert_array_equal(one.predict(*batch), again.predict(*batch))
    np.testing.assert_array_equal(one(*one.tensors(*batch)).tolist(), internalizer.isr(*one.tensors(*batch)).tolist())
    assert (one(*one.tensors(*batch)) != other(*other.tensors(*batch))).any()


def rewarded(social_rewards: Any, n: int = 400) -> AttributedLabels:
    labels = matching_labels(n)
    return AttributedLabels(labels.spaces, labels.labels._replace(social_rewards=np.asarray(social_rewards)))


@pytest.mark.parametrize(
    ("social_rewards", "message"),
    [
        (np.random.default_rng(0).normal(size=400), r"explains -?\d+% of .* less than 90%.*--trainer-kwargs"),
        (np.zeros(400), "all labels are 0, so that the ISR predicts the same"),
        (np.eye(1, 400)[0], "not known how well the ISR fits.*all held-out ones are alike"),
    ],
)
def test_it_warns_of_an_isr_that_is_not_to_be_left_alone(
    social_rewards: Any, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_labels(tmp_path / "labels.safetensors", rewarded(social_rewards))
    out = tmp_path / "values.safetensors"
    assert main(["fit", str(tmp_path / "labels.safetensors"), "--out", str(out), "--seed", "1", *QUICK]) == 0
    assert InternalSocialReward.load(out).observation_space == FOUR
    printed, error = capsys.readouterr()
    assert "nan" not in printed
    assert error.startswith("Warning: ")
    assert re.search(message, error), error


def test_a_poor_fit_of_the_steps_that_go_on_is_warned_of_too() -> None:
    """All that is explained is that an episode's end is praised."""
    n = 400
    rng = np.random.default_rng(0)
    terminated = np.arange(n) % 4 == 0
    rewards = np.where(terminated, 100.0, rng.normal(size=n))
    transitions = make_transitions(rng.integers(4, size=n), rng.integers(4, size=n), terminated=terminated)
    labels = AttributedLabels((FOUR, FOUR), LabelBatch(transitions, rewards))
    _, metrics = fit(labels, 0, None, FEW)
    assert metrics.held_out.explained > 0.99
    assert "on steps that do not terminate" in str(warning_of(labels, metrics))


def test_arguments_in_a_file_and_wrong_ones(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    labels, out = tmp_path / "labels.jsonl", tmp_path / "values.safetensors"
    write_labels(labels, matching_labels(40))
    (tmp_path / "isr.json").write_text(json.dumps({"net_arch": [3], "activation_fn": "torch.nn.Tanh"}))
    command = ["fit", str(labels), "--out", str(out), *QUICK]
    assert main([*command, "--isr-kwargs", str(tmp_path / "isr.json")]) == 0
    assert InternalSocialReward.load(out).architecture["net_arch"] == [3]
    out.unlink()
    capsys.readouterr()
    for wrong, message in (
        (["--isr-kwargs", "[1]"], "--isr-kwargs must be a JSON object or a file"),
        (["--isr-kwargs", '{"net_arch": '], "--isr-kwargs must be a JSON object or a file"),
        (["--isr-kwargs", '{"net": [3]}'], "isr_kwargs has no argument 'net'"),
        (["--trainer-kwargs", '{"gradient_steps": 0}'], "gradient_steps must be a whole number"),
        (["--env", "CartPole-v1"], "must be of the same spaces"),
        (["--env", "Nowhere-v1"], "must be registered"),
    ):
        assert main([*command, *wrong]) == 2
        assert message in capsys.readouterr().err
    assert not out.exists()


def test_without_labels_there_is_no_isr() -> None:
    with pytest.raises(ValueError, match="trained on labels, got none"):
        fit(AttributedLabels.none((spaces.Discrete(2), spaces.Discrete(2))))
