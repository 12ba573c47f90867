"""
Files of ISRs. Values are handed on, so a file may be damaged, come from a stranger, or be older than this version.
"""

import functools
import math
import os
from collections import OrderedDict
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch
from gymnasium import spaces
from stable_baselines3.common.torch_layers import BaseFeaturesExtractor, CombinedExtractor, NatureCNN
from torch import nn

from sb3_isr import (
    PAPER_ISR,
    AnySpaceExtractor,
    GridCNN,
    GridOneHot,
    InternalSocialReward,
)
from sb3_isr.isr.file_header import ISRFileError
from sb3_isr.isr.paper import ActionPlaneCNN
from sb3_isr.labels import LabelRange
from sb3_isr.labels.label_range import LabelRanges
from tests.isr.isr_file import header_of
from tests.isr.some_spaces import ACTIONS, BOX, DISCRETE, GRID, MINIGRID, transitions_of

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


@pytest.mark.parametrize(("observation_space", "action_space", "kwargs"), ARCHITECTURES)
def test_a_saved_isr_predicts_as_before(
    observation_space: gym.Space[Any], action_space: gym.Space[Any], kwargs: dict[str, Any], tmp_path: Path
) -> None:
    path, again = tmp_path / "new folder" / "isr.safetensors", tmp_path / "again.safetensors"
    isr = InternalSocialReward(observation_space, action_space, **kwargs, seed=5)
    isr.label_ranges = LabelRanges(LabelRange(-1.5, 2, (-1.5, 0, 2)), LabelRange(3, 4))
    isr.save(path)
    torch.manual_seed(3)
    loaded = InternalSocialReward.load(path)
    drawn = torch.rand(1)
    torch.manual_seed(3)
    assert torch.equal(torch.rand(1), drawn)  # the learner's randomness is unchanged
    transitions = transitions_of(observation_space, action_space, 5)
    if observation_space is GRID:
        for grids in (transitions.observations, transitions.next_observations):
            assert isinstance(grids, np.ndarray)
            grids %= 2  # codes that GridOneHot knows
            grids[:, 4, 4, 0] = 10  # the agent
    np.testing.assert_array_equal(loaded.predict(*transitions), isr.predict(*transitions))
    members = isr.predict_members(*transitions)
    np.testing.assert_array_equal(loaded.predict_members(*transitions), members)
    loaded.check_spaces(observation_space, action_space)
    assert loaded.label_ranges == isr.label_ranges
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
    assert header["format"] == "sb3-isr 4"
    assert header["architecture"]["features_extractor_class"] == name
    assert header["architecture"]["activation_fn"] == "torch.nn.ReLU"


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


def test_an_isr_that_cannot_be_saved_says_so_when_it_is_made() -> None:
    """Not when hours of training are to be saved."""
    for kwargs in (
        {"activation_fn": functools.partial(nn.LeakyReLU, 0.1)},
        {"features_extractor_class": Own, "features_extractor_kwargs": {"factor": math.inf}},
    ):
        with pytest.warns(UserWarning, match="can be trained, but neither saved nor resumed"):
            InternalSocialReward(BOX, DISCRETE, **kwargs)


def test_an_isr_of_numpy_numbers_is_saved(tmp_path: Path) -> None:
    """They trained, but could be neither saved nor resumed."""
    isr = InternalSocialReward(
        BOX,
        DISCRETE,
        features_extractor_class=Own,
        features_extractor_kwargs={"factor": np.float32(2.0)},
        net_arch=np.array([8.0, 4.0]),  # type: ignore[arg-type]
        n_members=np.int64(2),  # type: ignore[arg-type]
        pessimism=np.float64(0.5),
        ortho_init=np.bool_(False),  # type: ignore[arg-type]
        normalize_images=np.bool_(True),  # type: ignore[arg-type]
        seed=np.uint8(3),  # type: ignore[arg-type]
    )
    isr.save(tmp_path / "isr")
    loaded = InternalSocialReward.load(tmp_path / "isr", features_extractor_class=Own)
    assert loaded.architecture == isr.architecture
    assert isr.architecture["net_arch"] == [8, 4]


def test_tied_and_transposed_weights_are_saved(tmp_path: Path) -> None:
    isr = InternalSocialReward(BOX, DISCRETE, features_extractor_class=Tied)
    isr.save(tmp_path / "isr")
    loaded = InternalSocialReward.load(tmp_path / "isr", features_extractor_class=Tied)
    transitions = transitions_of(BOX, DISCRETE, 3)
    np.testing.assert_allclose(loaded.predict(*transitions), isr.predict(*transitions), rtol=1e-5)


# Devices, and saving that fails.


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_an_isr_of_a_gpu_loads_on_the_cpu_and_back(tmp_path: Path) -> None:
    isr = InternalSocialReward(BOX, DISCRETE, device="cuda")
    isr.save(tmp_path / "isr")
    transitions = transitions_of(BOX, DISCRETE, 3)
    for device in ("cpu", "cuda"):
        loaded = InternalSocialReward.load(tmp_path / "isr", device=device)
        assert loaded.device.type == device
        np.testing.assert_allclose(loaded.predict(*transitions), isr.predict(*transitions), rtol=1e-4)


@pytest.mark.skipif(torch.xpu.is_available(), reason="needs a machine without an Intel GPU")
def test_a_missing_device_is_not_reported_as_a_fault_of_the_file(tmp_path: Path) -> None:
    InternalSocialReward(BOX, DISCRETE).save(tmp_path / "isr")
    with pytest.raises((AssertionError, RuntimeError), match="XPU"):
        InternalSocialReward.load(tmp_path / "isr", device="xpu")


def test_what_is_no_label_range_is_not_saved(tmp_path: Path) -> None:
    isr = InternalSocialReward(BOX, DISCRETE)
    isr.label_ranges = LabelRanges(None, LabelRange(1.0, 0.0))
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
    with pytest.warns(UserWarning, match=r"neither saved nor resumed.*Tensor is not JSON.*give its features extractor"):
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
