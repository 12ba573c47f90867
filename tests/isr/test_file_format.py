import copy
import json
import math
import pickle
import struct
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
from tests.test_model import ACTIONS, BOX, GRID, MINIGRID, batch
from torch import nn

from sb3_isr import PAPER_ISR, GridOneHot, InternalSocialReward
from sb3_isr.common.spaces import least_element
from sb3_isr.isr.file_header import ISRFileError

IMAGE = spaces.Box(0, 255, (3, 36, 36), np.uint8)
UNSORTED = spaces.Dict(OrderedDict(b=BOX, a=spaces.Discrete(3)))
ARCHITECTURES: list[tuple[gym.Space[Any], gym.Space[Any], dict[str, Any]]] = [
    (BOX, ACTIONS[-2], {"net_arch": [8], "activation_fn": nn.Tanh, "optimizer_class": torch.optim.AdamW}),
    (BOX, ACTIONS[-1], {"net_arch": [], "optimizer_kwargs": {"betas": (0.8, 0.9)}, "learning_rate": 1}),
    (BOX, ACTIONS[1], {"activation_fn": nn.Dropout, "optimizer_kwargs": {"fused": True}}),
    (GRID, ACTIONS[0], PAPER_ISR),
    (GRID, ACTIONS[0], {"features_extractor_class": GridOneHot, "normalize_images": False}),
    (MINIGRID, ACTIONS[3], {"ortho_init": True}),
    (UNSORTED, ACTIONS[4], {}),
    (IMAGE, ACTIONS[0], {"features_extractor_kwargs": {"cnn_output_dim": 8}}),
    (IMAGE, ACTIONS[0], {"features_extractor_class": NatureCNN, "features_extractor_kwargs": {"features_dim": 8}}),
    (UNSORTED, ACTIONS[0], {"features_extractor_class": CombinedExtractor}),
]


@pytest.mark.parametrize(("observation_space", "action_space", "kwargs"), ARCHITECTURES)
def test_a_saved_isr_rewards_as_before(
    observation_space: gym.Space[Any], action_space: gym.Space[Any], kwargs: dict[str, Any], tmp_path: Path
) -> None:
    path, again = tmp_path / "new folder" / "isr.safetensors", tmp_path / "again.safetensors"
    isr = InternalSocialReward(observation_space, action_space, **kwargs, seed=5)
    isr.label_range = (-1.5, 2)
    isr.save(path)
    torch.manual_seed(3)
    loaded = InternalSocialReward.load(path)
    drawn = torch.rand(1)
    torch.manual_seed(3)
    assert torch.equal(torch.rand(1), drawn)  # the learner's randomness is left alone
    observations, actions = batch(observation_space, 5), batch(action_space, 5)
    np.testing.assert_array_equal(loaded.predict(observations, actions), isr.predict(observations, actions))
    loaded.check_spaces(observation_space, action_space)
    assert type(loaded.optimizer) is type(isr.optimizer)
    assert loaded.optimizer.param_groups[0].keys() == isr.optimizer.param_groups[0].keys()
    assert loaded.label_range == (-1.5, 2.0)
    loaded.save(again)
    assert again.read_bytes() == path.read_bytes()
    assert [file.name for file in path.parent.iterdir()] == ["isr.safetensors"]


class Own(BaseFeaturesExtractor):
    """An extractor that sb3-isr does not know."""

    def __init__(self, observation_space: gym.Space[Any], factor: float = 1.0) -> None:
        super().__init__(observation_space, 3)
        self.factor = factor

    def forward(self, observations: torch.Tensor) -> torch.Tensor:
        return self.factor * observations


class ReLU(nn.Module):
    """Another than torch's."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.clamp(min=0.0)


class Adam(torch.optim.Adam):
    """Another than torch's."""


OWN: dict[str, Any] = {"features_extractor_class": Own, "activation_fn": ReLU, "optimizer_class": Adam}


def test_classes_of_ones_own_are_given_not_imported(tmp_path: Path) -> None:
    path = tmp_path / "isr.safetensors"
    InternalSocialReward(BOX, ACTIONS[0], features_extractor_kwargs={"factor": 2.0}, **OWN).save(path)
    for argument in OWN:
        others = {other: cls for other, cls in OWN.items() if other != argument}
        with pytest.raises(ISRFileError, match=f"pass it as {argument}"):
            InternalSocialReward.load(path, **others)
    loaded = InternalSocialReward.load(path, **OWN)
    assert isinstance(loaded.features_extractor, Own)
    assert loaded.features_extractor.factor == 2.0
    assert isinstance(list(loaded.net.children())[1], ReLU)
    assert isinstance(loaded.optimizer, Adam)


class Tied(BaseFeaturesExtractor):
    """Two names for one weight, and the axes of another in another order."""

    def __init__(self, observation_space: gym.Space[Any]) -> None:
        super().__init__(observation_space, 3)
        self.one = nn.Linear(3, 3)
        self.one.weight = nn.Parameter(torch.rand(3, 3).T)
        self.other = self.one

    def forward(self, observations: torch.Tensor) -> torch.Tensor:
        features: torch.Tensor = self.other(self.one(observations))
        return features


def test_tied_and_transposed_weights_are_saved(tmp_path: Path) -> None:
    isr = InternalSocialReward(BOX, ACTIONS[0], features_extractor_class=Tied)
    isr.save(tmp_path / "isr")
    loaded = InternalSocialReward.load(tmp_path / "isr", features_extractor_class=Tied)
    observations, actions = batch(BOX, 3), batch(ACTIONS[0], 3)
    np.testing.assert_allclose(loaded.predict(observations, actions), isr.predict(observations, actions), rtol=1e-5)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_an_isr_of_a_gpu_loads_on_the_cpu_and_back(tmp_path: Path) -> None:
    isr = InternalSocialReward(BOX, ACTIONS[0], device="cuda")
    isr.save(tmp_path / "isr")
    observations, actions = batch(BOX, 3), batch(ACTIONS[0], 3)
    for device in ("cpu", "cuda"):
        loaded = InternalSocialReward.load(tmp_path / "isr", device=device)
        assert loaded.device.type == device
        np.testing.assert_allclose(loaded.predict(observations, actions), isr.predict(observations, actions), rtol=1e-4)


@pytest.mark.skipif(torch.xpu.is_available(), reason="needs a machine without an Intel GPU")
def test_a_device_that_is_not_there_is_no_fault_of_the_file(tmp_path: Path) -> None:
    InternalSocialReward(BOX, ACTIONS[0]).save(tmp_path / "isr")
    with pytest.raises((AssertionError, RuntimeError), match="XPU"):
        InternalSocialReward.load(tmp_path / "isr", device="xpu")


@pytest.mark.parametrize("label_range", [(1.0, 0.0), (0.0, math.inf), (math.nan, 1.0)])
def test_a_label_range_that_is_none_is_not_saved(label_range: tuple[float, float], tmp_path: Path) -> None:
    isr = InternalSocialReward(BOX, ACTIONS[0])
    isr.label_range = label_range
    with pytest.raises(ValueError, match="two finite numbers"):
        isr.save(tmp_path / "isr")


def disk_full(*args: Any) -> None:
    Path(args[1]).write_bytes(b"half")
    raise OSError("No space left on device")


def test_when_saving_fails_the_old_file_is_still_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "isr"
    InternalSocialReward(BOX, ACTIONS[0]).save(path)
    before = path.read_bytes()
    isr = InternalSocialReward(
        BOX, ACTIONS[0], features_extractor_class=Own, features_extractor_kwargs={"factor": torch.ones(1)}
    )
    with pytest.raises(ValueError, match=r"Tensor is not JSON serializable.*give its features extractor"):
        isr.save(path)
    monkeypatch.setattr("safetensors.torch.save_file", disk_full)
    with pytest.raises(OSError, match="No space"):
        InternalSocialReward(BOX, ACTIONS[0], seed=9).save(path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


class Bomb:
    """Unpickling it would create a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return (Path.touch, (self.path,))


def whole_file() -> tuple[dict[str, Any], dict[str, torch.Tensor]]:
    """A good header and its weights."""
    isr = InternalSocialReward(MINIGRID, ACTIONS[0], net_arch=[4])
    isr.label_range = (0.0, 1.0)
    with pytest.MonkeyPatch.context() as patch:
        written: list[Any] = []
        patch.setattr("safetensors.torch.save_file", lambda weights, path, metadata: written.append(metadata["isr"]))
        patch.setattr("os.replace", lambda *args: None)
        isr.save("nowhere")
    return json.loads(written[0]), isr.state_dict()


HEADER, WEIGHTS = whole_file()


def load(path: Path, header: Any, weights: dict[str, torch.Tensor] = WEIGHTS, **kwargs: Any) -> InternalSocialReward:
    """Load a file of any header and weights."""
    text = header if isinstance(header, str) else json.dumps(header)
    path.write_bytes(safetensors.torch.save(weights, {"isr": text}))
    return InternalSocialReward.load(path, **kwargs)


def test_a_file_that_is_no_isr_is_refused_and_run_by_nobody(tmp_path: Path) -> None:
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


def changed(**changes: Any) -> dict[str, Any]:
    return {**HEADER, **changes}


def built(**changes: Any) -> dict[str, Any]:
    return changed(architecture={**HEADER["architecture"], **changes})


TRANSFORMER = {"activation_fn": "torch.nn.Transformer"}


@pytest.mark.parametrize(
    ("header", "message"),
    [
        ("", "no header of ours"),
        ("[" * 100_000, "no header of ours.*recursion"),
        ("1" * 5000, "no header of ours"),
        ([], r"not of sb3-isr, but of \[\]"),
        (changed(format=None), "not of sb3-isr, but of None"),
        (changed(format="sb3-isr one"), "not of sb3-isr"),
        (changed(format="sb3-isr 3", sb3_isr="0.9"), r"newer sb3-isr, '0\.9', this is.*; pip install -U sb3-isr\.$"),
        ({"format": "sb3-isr 3"}, "newer sb3-isr, None"),
        ({"format": "sb3-isr 1"}, "'sb3_isr' must be a str, got None"),
        (changed(architecture=[]), "'architecture' must be a dict"),
        (changed(observation_space={"type": "Text"}), "got 'Text'"),
        (changed(action_space=HEADER["observation_space"]), "A space must be Box"),
        (changed(label_range=[1.0, 0.0]), r"label_range must be two ascending numbers, got \[1\.0, 0\.0\]"),
        (changed(label_range=[0.0]), "two ascending"),
        (changed(label_range=[0.0, math.nan]), "two ascending"),
        (changed(label_range={}), "two ascending"),
        (built(normalize_images=1), "'normalize_images' must be a bool, got 1"),
        (built(surprise=1), "no argument 'surprise'"),
        (built(net_arch=[0]), "1 or more, got 0"),
        (built(net_arch=[True]), "1 or more, got True"),
        (built(net_arch=[1] * 10**5), "more layers than the 4 weights"),
        (built(net_arch=[10**9]), r"\[1000000000, 154\] as 'net.0.weight', but it holds torch.float32 \[4, 154\]"),
        (built(net_arch=[10**18]), "describes no ISR"),
        (built(net_arch=[10**30]), "describes no ISR"),
        (built(net_arch=[]), r"\[1, 154\] as 'net.0.weight'"),
        (built(action_encoding="plane"), "describes no ISR"),
        (built(learning_rate=-1.0), "describes no ISR"),
        (built(optimizer_kwargs={"lr": 1}), "describes no ISR"),
        (built(optimizer_kwargs={"betas": 1}), "describes no ISR"),
        (built(optimizer_class="torch.optim.Optimizer"), "describes no ISR"),
        (built(optimizer_class="torch.optim.lr_scheduler"), "pass it as optimizer_class"),
        (built(activation_fn="torch.nn.functional.relu"), "pass it as activation_fn"),
        (built(activation_fn="os.system"), "pass it as activation_fn"),
        (built(activation_fn="torch.nn.Linear"), "describes no ISR"),
        (built(activation_fn="torch.nn.Transformer"), "as 'net.1"),
        (built(activation_fn="torch.nn.GLU"), "describes no ISR"),
        (built(features_extractor_class="builtins.exec"), "pass it as features_extractor_class"),
        (built(features_extractor_class="sb3_isr.extractors.nn"), "pass it as features_extractor_class"),
        (built(features_extractor_class="sb3_isr.extractors.GridCNN"), "describes no ISR"),
        (built(features_extractor_kwargs={"cnn_output_dim": 2, "x": 1}), "describes no ISR"),
        (built(features_extractor_kwargs={"observation_space": 2}), "describes no ISR"),
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
def test_weights_that_are_not_those_described_are_refused(name: str, tmp_path: Path) -> None:
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


class Rude(BaseFeaturesExtractor):
    """Raises what it likes."""

    def __init__(self, observation_space: gym.Space[Any], on_forward: bool = False) -> None:
        super().__init__(observation_space, 1)
        if not on_forward:
            raise MemoryError

    def forward(self, observations: Any) -> torch.Tensor:
        raise KeyError("forward")


@pytest.mark.parametrize(("on_forward", "name"), [(False, "MemoryError"), (True, "KeyError")])
def test_whatever_an_extractor_raises_at_arguments_from_a_file(on_forward: bool, name: str, tmp_path: Path) -> None:
    weights = {**WEIGHTS, "net.0.weight": torch.zeros(4, 4)}
    header = built(features_extractor_kwargs={"on_forward": on_forward})
    with pytest.raises(ISRFileError, match=f"describes no ISR \\({name}"):
        load(tmp_path / "isr", header, weights, features_extractor_class=Rude)


NASTY = st.sampled_from(
    [0, -1, 1, 10**9, 10**30, 2**63, 0.5, 1e308, math.nan, math.inf, "", "inf", "Box", "Dict", "float64", "one_hot"]
    + ["plane", "torch.nn.Module", "torch.nn.Transformer", "torch.nn.Softmax", "torch.optim.LBFGS", "torch.optim.Muon"]
    + ["sb3_isr.extractors.GridCNN", "sb3_isr.extractors.GridOneHot", "sb3_isr 2", None, True, [], {}]
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
    """A good header with a few of its parts replaced, removed, added, or put into each other's places."""
    header = copy.deepcopy(HEADER)
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


@settings(deadline=None, max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(JSON | mutants())
@example(HEADER)
def test_any_json_for_a_header_is_a_good_isr_or_an_error_of_our_own(tmp_path: Path, header: Any) -> None:
    try:
        isr = load(tmp_path / "isr", header)
    except ISRFileError:
        return
    reward = isr.predict(least_element(isr.observation_space), np.asarray(least_element(isr.action_space)))
    assert np.isfinite(reward).all()
    isr.save(tmp_path / "again")
    InternalSocialReward.load(tmp_path / "again")


@settings(deadline=None, max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.tuples(st.integers(0, 1500) | st.integers(0), st.integers(0, 255)), min_size=1, max_size=4), st.data()
)
def test_any_damage_to_a_file_is_a_good_isr_or_an_error_of_our_own(
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
    reward = isr.predict(least_element(isr.observation_space), np.asarray(least_element(isr.action_space)))
    assert np.isfinite(reward).all()
