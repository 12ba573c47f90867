"""Files of ISRs that a stranger may have written: refused with an error of our own, and nothing is executed."""

import copy
import math
import pickle
import struct
import tracemalloc
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import safetensors.torch
import torch
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from stable_baselines3.common.torch_layers import BaseFeaturesExtractor

from sb3_isr import (
    InternalSocialReward,
)
from sb3_isr.common.batches import example_batch
from sb3_isr.isr.file_header import ISRFileError
from tests.isr.isr_file import (
    HEADER,
    RANGE,
    SINCE_FORMAT_4,
    WEIGHTS,
    WEIGHTS_BEFORE,
    before,
    built,
    built_before,
    changed,
    load,
    ranges,
)


class Bomb:
    """Creates a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return (Path.touch, (self.path,))


def test_a_file_that_is_no_isr_is_refused_and_not_executed(tmp_path: Path) -> None:
    path, bomb = tmp_path / "isr", pickle.dumps(Bomb(tmp_path / "went_off"))
    load(path, HEADER)
    whole = path.read_bytes()
    length = struct.pack("<Q", len(bomb))
    torch.save(Bomb(tmp_path / "went_off"), tmp_path / "torch")
    zipped = (tmp_path / "torch").read_bytes()
    for content in (b"", whole[:-10], whole[:40], whole[:3], bomb, zipped, length + bomb, whole + bomb, b"\xff" * 100):
        path.write_bytes(content)
        with pytest.raises(ISRFileError, match=r"isr' cannot be loaded as an ISR: it is not whole.*from a backup"):
            InternalSocialReward.load(path)
    with pytest.raises(ISRFileError, match="no header of ours"):
        load(path, bomb.hex())
    safetensors.torch.save_file(WEIGHTS, path)
    with pytest.raises(ISRFileError, match="no header of ours"):
        InternalSocialReward.load(path)
    with pytest.raises(ISRFileError, match="not whole"):
        InternalSocialReward.load(tmp_path)
    with pytest.raises(FileNotFoundError):
        InternalSocialReward.load(tmp_path / "nowhere")
    assert not (tmp_path / "went_off").exists()
    pickle.loads(bomb)  # it is a real one
    assert (tmp_path / "went_off").exists()


def test_training_arguments_of_format_2_are_ignored(tmp_path: Path) -> None:
    for arguments in ({}, {"optimizer_class": "os.system", "optimizer_kwargs": None}, {"learning_rate": -1.0}):
        load(tmp_path / "isr", {**built_before(), "architecture": {**built_before()["architecture"], **arguments}})


@pytest.mark.filterwarnings("ignore:enable_nested_tensor")
@pytest.mark.parametrize(
    ("header", "message"),
    [
        ("", "no header of ours"),
        ("[" * 100_000, "no header of ours.*recursion"),
        ("1" * 5000, "no header of ours"),
        ([], r"not of sb3-isr, but of \[\]"),
        (changed(format=None), "not of sb3-isr, but of None"),
        (changed(format="sb3-isr three"), "not of sb3-isr"),
        (changed(format="sb3-isr 5", sb3_isr="0.9"), r"newer sb3-isr, '0\.9', this is.*; pip install -U sb3-isr\.$"),
        ({"format": "sb3-isr 5"}, "newer sb3-isr, None"),
        ({"format": "sb3-isr 1"}, "'sb3_isr' must be a str, got None"),
        (changed(architecture=[]), "'architecture' must be a dict"),
        (changed(observation_space={"type": "Text"}), "got 'Text'"),
        (changed(action_space=HEADER["observation_space"]), "A space must be Box"),
        (ranges(continuing=RANGE | {"bounds": [1.0, 0.0]}), r"damaged \(label_range must be two ascending finite num"),
        (ranges(terminated=RANGE | {"bounds": {}}), "damaged .*list of numbers"),
        (ranges(terminated=RANGE | {"bounds": [0.0, math.inf]}), "damaged .*two ascending finite numbers"),
        (ranges(continuing=RANGE | {"values": [1.0, 0.0]}), r"damaged \(label_values must be ascending"),
        (ranges(continuing=[0.0, 1.0]), "damaged .*must have bounds and values"),
        (
            ranges(continuing=RANGE | {"values": [0.0, 1.0], "recognized": 1}),
            "damaged .*recognized must be True or False",
        ),
        (ranges(continuing=RANGE | {"more": 1}), "damaged .*must have bounds and values"),
        (ranges(truncated=None), "damaged .*label_ranges must be those of"),
        (changed(label_ranges=[0.0, 1.0]), "damaged .*label_ranges must be those of"),
        (changed(label_ranges={"continuing": None}), "damaged .*label_ranges must be those of"),
        ({**before(), "label_range": [1.0, 0.0]}, r"damaged \(label_range must be two ascending finite numbers"),
        ({**before(), "label_range": {}}, "damaged .*list of numbers"),
        ({**before(), "label_range": [0.0, 1.0], "label_values": [1.0, 0.0]}, r"damaged \(label_values must be ascend"),
        (built(normalize_images=1), "'normalize_images' must be a bool, got 1"),
        (built(use_next_observation=1), "'use_next_observation' must be a bool, got 1"),
        (built(use_terminated=None), "'use_terminated' must be a bool, got None"),
        (built(standardize="no"), "'standardize' must be a bool, got 'no'"),
        (built(use_next_observation=False), r"\[155\] as 'scales.input_mean', but it holds torch.float32 \[306\]"),
        (built(standardize=False), "describes nothing as 'scales.input_mean'"),
        (built(n_members="1"), "'n_members' must be a int, got '1'"),
        (built(n_members=0), "describes no ISR.*n_members must be a whole number, 1 or more, got 0"),
        (built(encoding=3), "describes no ISR.*encoding must be a whole number, 1 to 2, got 3"),
        (built(encoding=None), "'encoding' must be a int, got None"),
        (built(n_members=10**9), "as 'net.weights.0', but it holds nothing"),
        (built(pessimism=1.0), "describes no ISR.*pessimism"),
        (built(limit_to_labels="all"), "describes no ISR.*limit_to_labels"),
        (built(surprise=1), "no argument 'surprise'"),
        (built(learning_rate=1e-3), "no argument 'learning_rate'"),
        (built(net_arch=[0]), "1 or more, got 0"),
        (built(net_arch=[True]), "1 or more, got True"),
        (built(net_arch=[1] * 10**4), "more layers than the 8 weights"),
        (built(net_arch=[10**9]), r"\[1000000000, 306\] as 'net.0.weight', but it holds torch.float32 \[4, 306\]"),
        (built(net_arch=[10**18]), "describes no ISR"),
        (built(net_arch=[10**30]), "describes no ISR"),
        (built(net_arch=[]), r"\[1, 306\] as 'net.0.weight'"),
        (built(activation_fn="torch.nn.functional.relu"), "pass it as activation_fn"),
        (built(activation_fn="os.system"), "pass it as activation_fn"),
        (built(activation_fn="torch.nn.Linear"), "describes no ISR"),
        (built(activation_fn="torch.nn.Transformer"), "as 'net.1"),
        (built(activation_fn="torch.nn.GLU"), "describes no ISR"),
        (built(features_extractor_class="builtins.exec"), "pass it as features_extractor_class"),
        (built(features_extractor_class="sb3_isr.nn"), "pass it as features_extractor_class"),
        (built(features_extractor_class="sb3_isr.NatureCNN"), "pass it as features_extractor_class"),
        (built(features_extractor_class="sb3_isr.extractors.GridCNN"), "pass it as features_extractor_class"),
        (built(features_extractor_class="sb3_isr.GridCNN"), "describes no ISR"),
        (built(features_extractor_class="sb3_isr.ActionPlaneCNN"), "describes no ISR"),
        (built(features_extractor_kwargs={"cnn_output_dim": 2, "x": 1}), "describes no ISR"),
        (built(features_extractor_kwargs={"observation_space": 2}), "describes no ISR"),
        (built_before(surprise=1), "no argument 'surprise'"),
    ],
)
def test_a_hostile_header_is_refused_without_taking_memory(header: Any, message: str, tmp_path: Path) -> None:
    tracemalloc.start()
    try:
        with pytest.raises(ISRFileError, match=message):
            load(tmp_path / "isr", header)
        assert tracemalloc.get_traced_memory()[1] < 100e6
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("name", list(WEIGHTS))
def test_weights_other_than_those_described_are_refused(name: str, tmp_path: Path) -> None:
    path, weight = tmp_path / "isr", WEIGHTS[name]
    for other in (weight.double(), weight.half(), weight[None], torch.stack([weight, weight])):
        with pytest.raises(ISRFileError, match=f"'{name}', but it holds torch"):
            load(path, HEADER, {**WEIGHTS, name: other})
    with pytest.raises(ISRFileError, match=f"'{name}', but it holds nothing"):
        load(path, HEADER, {other: weight for other, weight in WEIGHTS.items() if other != name})
    with pytest.raises(ISRFileError, match="describes nothing as 'more', but it holds"):
        load(path, HEADER, {**WEIGHTS, "more": weight.clone()})
    with pytest.raises(ISRFileError, match="not with a finite number"):
        load(path, HEADER, {**WEIGHTS, name: torch.full_like(weight, math.nan)})


class Raising(BaseFeaturesExtractor):
    """Raises errors that no one expects of an extractor."""

    def __init__(self, observation_space: gym.Space[Any], on_forward: bool = False) -> None:
        super().__init__(observation_space, 1)
        if not on_forward:
            raise MemoryError

    def forward(self, observations: Any) -> torch.Tensor:
        raise KeyError("forward")


@pytest.mark.parametrize(("on_forward", "name"), [(False, "MemoryError"), (True, "KeyError")])
def test_any_error_of_an_extractor_is_reported_as_a_fault_of_the_file(
    on_forward: bool, name: str, tmp_path: Path
) -> None:
    weights = {**WEIGHTS_BEFORE, "net.0.weight": torch.zeros(4, 4)}
    header = built(**dict.fromkeys(SINCE_FORMAT_4, False), features_extractor_kwargs={"on_forward": on_forward})
    with pytest.raises(ISRFileError, match=f"describes no ISR \\({name}"):
        load(tmp_path / "isr", header, weights, features_extractor_class=Raising)


NASTY = st.sampled_from(
    [0, -1, 1, 10**9, 10**30, 2**63, 0.5, 1e308, math.nan, math.inf, "", "inf", "Box", "Dict", "float64", "one_hot"]
    + ["plane", "torch.nn.Module", "torch.nn.Transformer", "torch.nn.Softmax", "torch.optim.LBFGS", "values", "range"]
    + ["sb3_isr.GridCNN", "sb3_isr.GridOneHot", "sb3_isr.ActionPlaneCNN", "sb3_isr.nn", "sb3_isr.extractors.GridCNN"]
    + ["sb3-isr 1", "sb3-isr 2", "sb3-isr 3", "sb3-isr 4", "sb3-isr 5", None, True, [], {}]
    + [f"stable_baselines3.common.torch_layers.{name}" for name in ("NatureCNN", "CombinedExtractor", "nn")]
    + [{"type": "Discrete", "n": 3, "start": 0, "dtype": "int64"}, {"lr": 1.0}, {"channels_last": 1}, [[1]], [4, 4]]
)
JSON = st.recursive(
    NASTY | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text() | st.sampled_from(["n", "low"]), inner),
    max_leaves=10,
)


def places(value: Any) -> list[tuple[Any, Any]]:
    """All containers in a JSON value, with each of their keys."""
    keys = list(value) if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else []
    return [(value, key) for key in keys] + [place for key in keys for place in places(value[key])]


@st.composite
def mutants(draw: st.DrawFn) -> Any:
    """Draw a good header with a few of its parts replaced, removed, added, or moved."""
    header = copy.deepcopy(draw(st.sampled_from([HEADER, built_before()])))
    for _ in range(draw(st.integers(1, 3))):
        container, key = draw(st.sampled_from(places(header) or [({}, "")]))
        what = draw(st.sampled_from(["replace", "remove", "add", "move"]))
        if what == "replace":
            container[key] = copy.deepcopy(draw(JSON))
        elif what == "remove" and container:
            del container[key]
        elif what == "add" and isinstance(container, dict):
            container[draw(st.text())] = copy.deepcopy(draw(JSON))
        elif what == "move":
            container[key] = copy.deepcopy(draw(st.sampled_from([HEADER, *HEADER.values()])))
    return header


def check_finite(isr: InternalSocialReward) -> None:
    observation, action = (example_batch(space) for space in (isr.observation_space, isr.action_space))
    assert np.isfinite(isr.predict(observation, np.asarray(action), observation, np.zeros(1, bool))).all()


FUZZ = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])


@FUZZ
@given(JSON | mutants())
@example(HEADER)
@example(built_before())
def test_any_json_as_a_header_gives_a_good_isr_or_an_error_of_our_own(tmp_path: Path, header: Any) -> None:
    try:
        isr = load(tmp_path / "isr", header)
    except ISRFileError:
        return
    check_finite(isr)
    isr.save(tmp_path / "again")
    InternalSocialReward.load(tmp_path / "again")


@FUZZ
@given(
    st.lists(st.tuples(st.integers(0, 1500) | st.integers(0), st.integers(0, 255)), min_size=1, max_size=4), st.data()
)
def test_any_damage_to_a_file_gives_a_good_isr_or_an_error_of_our_own(
    tmp_path: Path, damage: list[tuple[int, int]], data: st.DataObject
) -> None:
    path = tmp_path / "isr"
    load(path, HEADER)
    content = bytearray(path.read_bytes())
    for place, byte in damage:
        content[place % len(content)] = byte
    path.write_bytes(content[: data.draw(st.integers(0, len(content)) | st.just(len(content)))])
    try:
        isr = InternalSocialReward.load(path)
    except ISRFileError:
        return
    check_finite(isr)
