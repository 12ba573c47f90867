"""The search space, and what a command line adds to it."""

from typing import Any

import optuna
import pytest
from gymnasium.spaces import Box, Discrete
from optuna.trial import FixedTrial
from torch import nn

from sb3_isr import InternalSocialReward, ISRCallback, ISRTrainer
from sb3_isr.common.dotted_names import import_classes
from sb3_isr.tuning import space
from sb3_isr.tuning.entry import changed, merged
from sb3_isr.tuning.objective import Objective, Settings
from sb3_isr.tuning.space import PARTS, fixed, searched
from tests.tuning.small import ENTRY


def trials(n: int) -> list[optuna.Trial]:
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    asked = [study.ask() for _ in range(n)]
    for trial in asked:
        trial.set_user_attr("timesteps", 100_000)
    return asked


@pytest.mark.parametrize("part", PARTS)
def test_a_part_samples_arguments_of_the_callback(part: str) -> None:
    sampled = [PARTS[part](trial) for trial in trials(30)]
    for arguments in sampled:
        ISRCallback(**arguments)
    assert len({str(arguments) for arguments in sampled}) >= 5


def test_the_training_part_samples_arguments_of_the_trainer() -> None:
    isr = InternalSocialReward(Box(0, 1, (2,)), Discrete(2), device="cpu")
    for trial in trials(10):
        ISRTrainer(isr, **import_classes(space.isr_training(trial)["trainer_kwargs"]))


def test_uncertainty_queries_need_several_members() -> None:
    for trial in trials(30):
        both = merged(space.labels(trial), space.isr_caution(trial))
        if trial.params["queries"] == "uncertainty":
            assert both["isr_kwargs"]["n_members"] == 5
        InternalSocialReward(Box(0, 1, (2,)), Discrete(2), **both.get("isr_kwargs", {}))


def test_the_caregiver_has_left_before_returns_are_measured() -> None:
    for trial in trials(200):
        presence = ISRCallback(**space.presence(trial)).arguments.presence
        if trial.params["presence"] != "visits":
            assert presence(0.09) == 0.0


def test_a_part_is_a_plain_function_of_a_trial() -> None:
    trial = FixedTrial({"presence": "fade", "departure": 0.1, "fade": 0.5})
    assert space.presence(trial) == {"presence": "fade_0.1_0.5"}


@pytest.mark.parametrize(
    ("text", "low", "high", "kind"),
    [
        ("n_steps=8:64", 8, 64, int),
        ("gamma=0.9:0.999", 0.9, 0.999, float),
        ("ent_coef=1e-5:1e-2:log", 1e-5, 1e-2, float),
    ],
)
def test_a_range_on_the_command_line(text: str, low: float, high: float, kind: type) -> None:
    name, suggest = searched(text)
    values: list[Any] = [suggest(trial) for trial in trials(20)]
    assert all(type(value) is kind for value in values)
    assert low <= min(values) <= max(values) <= high
    assert name == text.split("=")[0]
    assert (sum(value < 0.005 for value in values) > 15) == ("log" in text)


def test_choices_on_the_command_line() -> None:
    _, suggest = searched("isr.train_every=none,1000,0.5,yes")
    assert {suggest(trial) for trial in trials(40)} == {None, 1000, 0.5, "yes"}


@pytest.mark.parametrize(
    "text", ["gamma", "gamma=", "gamma=0.9", "gamma=2:1", "gamma=0.1:0.2:lin", "=1:2", "gamma=a:b"]
)
def test_other_forms_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="--search takes NAME=LOW:HIGH"):
        searched(text)


def test_fixing() -> None:
    assert fixed("presence=leave_at") == ("presence", "leave_at")
    assert fixed("departure=0.25") == ("departure", 0.25)
    with pytest.raises(ValueError, match="--fix takes NAME=VALUE"):
        fixed("departure")


def test_all_that_is_searched_comes_together(tmp_path: Any) -> None:
    file = tmp_path / "mine.py"
    file.write_text(
        "def callback(trial):\n    return {'train_every': trial.suggest_int('train_every', 100, 200)}\n"
        "def algorithm(trial):\n    return {'vf_coef': 0.25}\n"
    )
    entry = changed(ENTRY, {}, {"policy_kwargs": "dict(ortho_init=False)"})
    settings = Settings(
        "sb3_isr/CoinGame-v0",
        "ppo",
        entry,
        timesteps=1000,
        seeds=1,
        parts=("presence", "isr_network"),
        sample_algo=True,
        search=("gae_lambda=0.5:0.6", "isr.coefficient=0.5:0.6", "isr.trainer_kwargs.batch_size=8:9"),
        space_file=str(file),
    )
    (trial,) = trials(1)
    found = Objective(settings).entry(trial)
    ((kwargs,),) = (callback.values() for callback in found["callback"])
    assert 100 <= kwargs["train_every"] <= 200
    assert 0.5 <= kwargs["coefficient"] <= 0.6
    assert len(set(kwargs["isr_kwargs"]["net_arch"])) == 1
    assert 8 <= kwargs["trainer_kwargs"]["batch_size"] <= 9
    assert kwargs["trainer_kwargs"]["gradient_steps"] == 5  # as in the entry
    assert 0.5 <= found["gae_lambda"] <= 0.6  # named parameters take precedence over RL Zoo's sampler
    assert found["vf_coef"] == 0.25
    policy_kwargs = eval(found["policy_kwargs"], {"nn": nn})  # a name that RL Zoo knows there
    assert policy_kwargs["ortho_init"] is False
    assert policy_kwargs["activation_fn"] in (nn.Tanh, nn.ReLU)
    assert "gae_lambda" not in entry  # it is left as it is


def test_algorithms_without_a_sampler_are_named() -> None:
    with pytest.raises(ValueError, match="RL Zoo has a sampler for"):
        space.algorithm("crossq", 1, 0)
