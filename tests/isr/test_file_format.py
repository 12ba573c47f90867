"""
Files of ISRs. Values are handed on, so a file may be damaged, come from a stranger, or be older than this version.
"""

import copy
import json
import math
import os
import pickle
import struct
import tempfile
import tracemalloc
from collections import OrderedDict
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import safetensors.torch
import torch
from gymnasium import spaces
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from stable_baselines3.common.torch_layers import BaseFeaturesExtractor, CombinedExtractor, NatureCNN
from torch import nn

from sb3_isr import (
    PAPER_ISR,
    AnySpaceExtractor,
    GridCNN,
    GridOneHot,
    InternalSocialReward,
    ISRTrainer,
    LabelBatch,
    LabelStore,
)
from sb3_isr.common.batches import example_batch
from sb3_isr.isr.file_header import ISRFileError
from sb3_isr.isr.paper import ActionPlaneCNN
from sb3_isr.labels import LabelRange
from tests.isr.some_spaces import ACTIONS, BOX, DISCRETE, GRID, MINIGRID, batch

IMAGE = spaces.Box(0, 255, (3, 36, 36), np.uint8)
UNSORTED = spaces.Dict(OrderedDict(b=BOX, a=spaces.Discrete(3)))
ARCHITECTURES: list[tuple[gym.Space[Any], gym.Space[Any], dict[str, Any]]] = [
    (BOX, ACTIONS[-2], {"net_arch": [8], "activation_fn": nn.Tanh}),
    (BOX, ACTIONS[-1], {"net_arch": [], "limit_to_labels": "no"}),
    (BOX, ACTIONS[1], {"activation_fn": nn.Dropout, "limit_to_labels": "values"}),
    (BOX, DISCRETE, {"n_members": 3, "pessimism": 1}),
    (GRID, DISCRETE, PAPER_ISR),
    (GRID, DISCRETE, {"features_extractor_class": GridOneHot, "normalize_images": False}),
    (MINIGRID, ACTIONS[3], {"ortho_init": True}),
    (UNSORTED, ACTIONS[4], {}),
    (IMAGE, DISCRETE, {"features_extractor_kwargs": {"cnn_output_dim": 8}}),
    (IMAGE, DISCRETE, {"features_extractor_class": NatureCNN, "features_extractor_kwargs": {"features_dim": 8}}),
    (UNSORTED, DISCRETE, {"features_extractor_class": CombinedExtractor}),
]


def header_of(path: Path) -> dict[str, Any]:
    with safetensors.safe_open(path, "pt") as file:
        header: dict[str, Any] = json.loads(file.metadata()["isr"])
        return header


@pytest.mark.parametrize(("observation_space", "action_space", "kwargs"), ARCHITECTURES)
def test_a_saved_isr_predicts_as_before(
    observation_space: gym.Space[Any], action_space: gym.Space[Any], kwargs: dict[str, Any], tmp_path: Path
) -> None:
    path, again = tmp_path / "new folder" / "isr.safetensors", tmp_path / "again.safetensors"
    isr = InternalSocialReward(observation_space, action_space, **kwargs, seed=5)
    isr.label_range = LabelRange(-1.5, 2, (-1.5, 0, 2))
    isr.save(path)
    torch.manual_seed(3)
    loaded = InternalSocialReward.load(path)
    drawn = torch.rand(1)
    torch.manual_seed(3)
    assert torch.equal(torch.rand(1), drawn)  # the learner's randomness is unchanged
    observations, actions = batch(observation_space, 5), batch(action_space, 5)
    np.testing.assert_array_equal(loaded.predict(observations, actions), isr.predict(observations, actions))
    members = isr.predict_members(observations, actions)
    np.testing.assert_array_equal(loaded.predict_members(observations, actions), members)
    loaded.check_spaces(observation_space, action_space)
    assert loaded.label_range == isr.label_range
    assert loaded.n_members == isr.n_members
    assert loaded.limit_to_labels == isr.limit_to_labels
    loaded.save(again)
    assert again.read_bytes() == path.read_bytes()
    assert [file.name for file in path.parent.iterdir()] == ["isr.safetensors"]


@pytest.mark.parametrize(
    ("space", "cls", "name"),
    [
        (BOX, AnySpaceExtractor, "sb3_isr.AnySpaceExtractor"),
        (GRID, GridCNN, "sb3_isr.GridCNN"),
        (GRID, GridOneHot, "sb3_isr.GridOneHot"),
        (GRID, ActionPlaneCNN, "sb3_isr.ActionPlaneCNN"),
        (IMAGE, NatureCNN, "stable_baselines3.common.torch_layers.NatureCNN"),
    ],
)
def test_a_file_names_classes_by_their_package(
    space: gym.Space[Any], cls: type[BaseFeaturesExtractor], name: str, tmp_path: Path
) -> None:
    """Ours by sb3_isr alone, so that a file can still be loaded when a class moves to another module."""
    InternalSocialReward(space, DISCRETE, features_extractor_class=cls, normalize_images=cls is NatureCNN).save(
        tmp_path / "isr"
    )
    header = header_of(tmp_path / "isr")
    assert header["format"] == "sb3-isr 3"
    assert header["architecture"]["features_extractor_class"] == name
    assert header["architecture"]["activation_fn"] == "torch.nn.ReLU"


# Files of format 2, written by sb3-isr 0.1.0, and what that version predicted.

FILES = Path(__file__).parent / "files"
PREDICTED: dict[str, dict[str, Any]] = json.loads((FILES / "format_2.json").read_text())


@pytest.mark.parametrize(
    ("name", "extractor"),
    [("plane", ActionPlaneCNN), ("one_hot", GridOneHot), ("members", AnySpaceExtractor)],
)
def test_a_file_of_format_2_predicts_as_then_and_can_be_trained_and_saved(
    name: str, extractor: type[BaseFeaturesExtractor], tmp_path: Path
) -> None:
    def predict(isr: InternalSocialReward) -> Any:
        return isr.predict(observations, actions)

    isr = InternalSocialReward.load(FILES / f"format_2_{name}.safetensors", device="cpu")
    observations = np.array(PREDICTED[name]["observations"], isr.observation_space.dtype)
    actions = np.array(PREDICTED[name]["actions"], isr.action_space.dtype)
    np.testing.assert_allclose(predict(isr), PREDICTED[name]["rewards"], rtol=1e-5, atol=1e-6)
    members = isr.predict_members(observations, actions)
    np.testing.assert_allclose(members, PREDICTED[name]["members"], rtol=1e-5, atol=1e-6)
    assert members.std() > 0.001
    assert type(isr.features_extractor) is extractor
    assert isr.label_range is not None
    assert (isr.label_range.low, isr.label_range.high) == pytest.approx((0.0, 0.4))
    assert isr.label_range.values == pytest.approx((0.0, 0.4 / 3, 0.8 / 3, 0.4))
    store = LabelStore(isr.observation_space, isr.action_space, held_out=0.0)
    store.add(LabelBatch(observations, actions, np.full(len(actions), 1.0)))
    ISRTrainer(isr, gradient_steps=10, learning_rate=0.1).train(store)
    isr.save(tmp_path / "isr")
    assert header_of(tmp_path / "isr")["format"] == "sb3-isr 3"
    assert not np.allclose(predict(isr), PREDICTED[name]["rewards"])
    np.testing.assert_array_equal(predict(InternalSocialReward.load(tmp_path / "isr", device="cpu")), predict(isr))


# A user's own classes.


class Own(BaseFeaturesExtractor):
    """An extractor that sb3-isr does not know."""

    def __init__(self, observation_space: gym.Space[Any], factor: float = 1.0) -> None:
        super().__init__(observation_space, 3)
        self.factor = factor

    def forward(self, observations: torch.Tensor) -> torch.Tensor:
        return self.factor * observations


class ReLU(nn.Module):
    """Not torch's."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.clamp(min=0.0)


OWN: dict[str, Any] = {"features_extractor_class": Own, "activation_fn": ReLU}


def test_a_users_own_classes_must_be_given_and_are_not_imported(tmp_path: Path) -> None:
    path = tmp_path / "isr.safetensors"
    InternalSocialReward(BOX, DISCRETE, features_extractor_kwargs={"factor": 2.0}, **OWN).save(path)
    for argument in OWN:
        others = {other: cls for other, cls in OWN.items() if other != argument}
        with pytest.raises(ISRFileError, match=f"pass it as {argument}"):
            InternalSocialReward.load(path, **others)
    loaded = InternalSocialReward.load(path, **OWN)
    assert isinstance(loaded.features_extractor, Own)
    assert loaded.features_extractor.factor == 2.0
    assert isinstance(list(loaded.net.children())[1], ReLU)


class Tied(BaseFeaturesExtractor):
    """Has two names for one weight, and a weight in another order of memory."""

    def __init__(self, observation_space: gym.Space[Any]) -> None:
        super().__init__(observation_space, 3)
        self.one = nn.Linear(3, 3)
        self.one.weight = nn.Parameter(torch.rand(3, 3).T)
        self.other = self.one

    def forward(self, observations: torch.Tensor) -> torch.Tensor:
        features: torch.Tensor = self.other(self.one(observations))
        return features


def test_tied_and_transposed_weights_are_saved(tmp_path: Path) -> None:
    isr = InternalSocialReward(BOX, DISCRETE, features_extractor_class=Tied)
    isr.save(tmp_path / "isr")
    loaded = InternalSocialReward.load(tmp_path / "isr", features_extractor_class=Tied)
    observations, actions = batch(BOX, 3), batch(DISCRETE, 3)
    np.testing.assert_allclose(loaded.predict(observations, actions), isr.predict(observations, actions), rtol=1e-5)


# Devices, and saving that fails.


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_an_isr_of_a_gpu_loads_on_the_cpu_and_back(tmp_path: Path) -> None:
    isr = InternalSocialReward(BOX, DISCRETE, device="cuda")
    isr.save(tmp_path / "isr")
    observations, actions = batch(BOX, 3), batch(DISCRETE, 3)
    for device in ("cpu", "cuda"):
        loaded = InternalSocialReward.load(tmp_path / "isr", device=device)
        assert loaded.device.type == device
        np.testing.assert_allclose(loaded.predict(observations, actions), isr.predict(observations, actions), rtol=1e-4)


@pytest.mark.skipif(torch.xpu.is_available(), reason="needs a machine without an Intel GPU")
def test_a_missing_device_is_not_reported_as_a_fault_of_the_file(tmp_path: Path) -> None:
    InternalSocialReward(BOX, DISCRETE).save(tmp_path / "isr")
    with pytest.raises((AssertionError, RuntimeError), match="XPU"):
        InternalSocialReward.load(tmp_path / "isr", device="xpu")


def test_what_is_no_label_range_is_not_saved(tmp_path: Path) -> None:
    isr = InternalSocialReward(BOX, DISCRETE)
    isr.label_range = LabelRange(1.0, 0.0)
    with pytest.raises(ValueError, match="two ascending finite numbers"):
        isr.save(tmp_path / "isr")


def fill_disk(path: Path, content: bytes) -> None:
    with path.open("wb") as file:
        file.write(content[:10])
    raise OSError("No space left on device")


def test_when_saving_fails_the_old_file_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "isr"
    InternalSocialReward(BOX, DISCRETE).save(path)
    before = path.read_bytes()
    isr = InternalSocialReward(
        BOX, DISCRETE, features_extractor_class=Own, features_extractor_kwargs={"factor": torch.ones(1)}
    )
    with pytest.raises(ValueError, match=r"Tensor is not JSON serializable.*give its features extractor"):
        isr.save(path)
    monkeypatch.setattr(Path, "write_bytes", fill_disk)
    with pytest.raises(OSError, match="No space"):
        InternalSocialReward(BOX, DISCRETE, seed=9).save(path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(("umask", "mode"), [(0o022, 0o644), (0o027, 0o640), (0o077, 0o600)])
def test_a_file_can_be_read_by_whom_the_umask_lets_read_it(umask: int, mode: int, tmp_path: Path) -> None:
    """safetensors writes files that nobody but their owner can read, whatever the umask."""
    before = os.umask(umask)
    try:
        InternalSocialReward(BOX, DISCRETE).save(tmp_path / "isr")
    finally:
        os.umask(before)
    assert (tmp_path / "isr").stat().st_mode & 0o777 == mode


# Damaged and hostile files.


class Bomb:
    """Creates a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return (Path.touch, (self.path,))


def make_file() -> tuple[dict[str, Any], dict[str, torch.Tensor]]:
    """Make a good header and its weights."""
    isr = InternalSocialReward(MINIGRID, DISCRETE, net_arch=[4], device="cpu")
    isr.label_range = LabelRange(0.0, 1.0)
    with tempfile.TemporaryDirectory() as folder:
        isr.save(Path(folder) / "isr")
        return header_of(Path(folder) / "isr"), isr.state_dict()


HEADER, WEIGHTS = make_file()


def changed(**changes: Any) -> dict[str, Any]:
    """A header with other parts."""
    return {**HEADER, **changes}


def built(**changes: Any) -> dict[str, Any]:
    """A header with other arguments of the network."""
    return changed(architecture={**HEADER["architecture"], **changes})


def built_before(**changes: Any) -> dict[str, Any]:
    """The same of format 2."""
    since = {"features_extractor_class": "sb3_isr.extractors.AnySpaceExtractor", "action_encoding": "one_hot"}
    training = {"learning_rate": 1e-3, "optimizer_class": "torch.optim.Adam", "optimizer_kwargs": {}}
    return {**built(**since, **training, sparsity=0.0, contrast=False, **changes), "format": "sb3-isr 2"}


def load(path: Path, header: Any, weights: dict[str, torch.Tensor] = WEIGHTS, **kwargs: Any) -> InternalSocialReward:
    """Load a file of any header and weights."""
    text = header if isinstance(header, str) else json.dumps(header)
    path.write_bytes(safetensors.torch.save(weights, {"isr": text}))
    return InternalSocialReward.load(path, **kwargs)


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


@pytest.mark.parametrize(
    ("header", "message"),
    [
        ("", "no header of ours"),
        ("[" * 100_000, "no header of ours.*recursion"),
        ("1" * 5000, "no header of ours"),
        ([], r"not of sb3-isr, but of \[\]"),
        (changed(format=None), "not of sb3-isr, but of None"),
        (changed(format="sb3-isr three"), "not of sb3-isr"),
        (changed(format="sb3-isr 4", sb3_isr="0.9"), r"newer sb3-isr, '0\.9', this is.*; pip install -U sb3-isr\.$"),
        ({"format": "sb3-isr 4"}, "newer sb3-isr, None"),
        ({"format": "sb3-isr 1"}, "'sb3_isr' must be a str, got None"),
        (changed(architecture=[]), "'architecture' must be a dict"),
        (changed(observation_space={"type": "Text"}), "got 'Text'"),
        (changed(action_space=HEADER["observation_space"]), "A space must be Box"),
        (changed(label_range=[1.0, 0.0]), r"damaged \(label_range must be two ascending finite numbers"),
        (changed(label_range={}), "damaged .*list of numbers"),
        (changed(label_values=[1.0, 0.0]), r"damaged \(label_values must be ascending"),
        (built(normalize_images=1), "'normalize_images' must be a bool, got 1"),
        (built(n_members="1"), "'n_members' must be a int, got '1'"),
        (built(n_members=0), "describes no ISR.*n_members must be at least 1"),
        (built(n_members=10**9), "as 'net.weights.0', but it holds nothing"),
        (built(pessimism=1.0), "describes no ISR.*pessimism"),
        (built(limit_to_labels="all"), "describes no ISR.*limit_to_labels"),
        (built(surprise=1), "no argument 'surprise'"),
        (built(learning_rate=1e-3), "no argument 'learning_rate'"),
        (built(net_arch=[0]), "1 or more, got 0"),
        (built(net_arch=[True]), "1 or more, got True"),
        (built(net_arch=[1] * 10**4), "more layers than the 4 weights"),
        (built(net_arch=[10**9]), r"\[1000000000, 154\] as 'net.0.weight', but it holds torch.float32 \[4, 154\]"),
        (built(net_arch=[10**18]), "describes no ISR"),
        (built(net_arch=[10**30]), "describes no ISR"),
        (built(net_arch=[]), r"\[1, 154\] as 'net.0.weight'"),
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
    for other in (weight.double(), weight.half(), weight[None], weight.repeat_interleave(2, 0)):
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
    weights = {**WEIGHTS, "net.0.weight": torch.zeros(4, 4)}
    header = built(features_extractor_kwargs={"on_forward": on_forward})
    with pytest.raises(ISRFileError, match=f"describes no ISR \\({name}"):
        load(tmp_path / "isr", header, weights, features_extractor_class=Raising)


NASTY = st.sampled_from(
    [0, -1, 1, 10**9, 10**30, 2**63, 0.5, 1e308, math.nan, math.inf, "", "inf", "Box", "Dict", "float64", "one_hot"]
    + ["plane", "torch.nn.Module", "torch.nn.Transformer", "torch.nn.Softmax", "torch.optim.LBFGS", "values", "range"]
    + ["sb3_isr.GridCNN", "sb3_isr.GridOneHot", "sb3_isr.ActionPlaneCNN", "sb3_isr.nn", "sb3_isr.extractors.GridCNN"]
    + ["sb3-isr 1", "sb3-isr 2", "sb3-isr 3", "sb3-isr 4", None, True, [], {}]
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
    assert np.isfinite(isr.predict(observation, np.asarray(action))).all()


FUZZ = settings(deadline=None, max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])


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
