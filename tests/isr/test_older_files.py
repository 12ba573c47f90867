"""Files of ISRs that earlier versions wrote."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from stable_baselines3.common.torch_layers import BaseFeaturesExtractor

from sb3_isr import (
    AnySpaceExtractor,
    GridOneHot,
    InternalSocialReward,
    ISRTrainer,
    LabelStore,
)
from sb3_isr.isr.paper import ActionPlaneCNN
from tests.isr.isr_file import header_of
from tests.labels.made_labels import labelled

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
    store.add(labelled(observations, actions, np.full(len(actions), 1.0)))
    ISRTrainer(isr, gradient_steps=10, learning_rate=0.1).train(store)
    isr.save(tmp_path / "isr")
    assert header_of(tmp_path / "isr")["format"] == "sb3-isr 4"
    assert not np.allclose(predict(isr), PREDICTED[name]["rewards"])
    np.testing.assert_array_equal(predict(InternalSocialReward.load(tmp_path / "isr", device="cpu")), predict(isr))


# Files of format 3. Bounded Boxes were scaled to [-1, 1], and GridOneHot's further channels were flags.

PREDICTED_3: dict[str, dict[str, Any]] = json.loads((FILES / "format_3.json").read_text())


@pytest.mark.parametrize("name", list(PREDICTED_3))
def test_a_file_of_format_3_predicts_as_then_and_keeps_its_encoding_when_it_is_saved(name: str, tmp_path: Path) -> None:
    isr = InternalSocialReward.load(FILES / f"format_3_{name}.safetensors", device="cpu")
    observations = np.array(PREDICTED_3[name]["observations"], isr.observation_space.dtype)
    actions = np.array(PREDICTED_3[name]["actions"], isr.action_space.dtype)
    assert isr.architecture["encoding"] == 1
    isr.save(tmp_path / "isr")
    for each in (isr, InternalSocialReward.load(tmp_path / "isr", device="cpu")):
        np.testing.assert_allclose(each.predict(observations, actions), PREDICTED_3[name]["rewards"], 1e-5, 1e-6)
