"""Files of ISRs: good ones, and ones of any header and weights."""

import json
import tempfile
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
import torch

from sb3_isr import InternalSocialReward
from sb3_isr.labels import LabelRange
from sb3_isr.labels.label_range import LabelRanges
from tests.isr.some_spaces import DISCRETE, MINIGRID


def header_of(path: Path) -> dict[str, Any]:
    with safetensors.safe_open(path, "pt") as file:
        header: dict[str, Any] = json.loads(file.metadata()["isr"])
        return header


def make_file(**kwargs: Any) -> tuple[dict[str, Any], dict[str, torch.Tensor]]:
    """Make a good header and its weights."""
    isr = InternalSocialReward(MINIGRID, DISCRETE, net_arch=[4], device="cpu", **kwargs)
    isr.label_ranges = LabelRanges.both(LabelRange(0.0, 1.0))
    with tempfile.TemporaryDirectory() as folder:
        isr.save(Path(folder) / "isr")
        return header_of(Path(folder) / "isr"), isr.state_dict()


SINCE_FORMAT_4 = ("use_next_observation", "use_terminated", "standardize")
HEADER, WEIGHTS = make_file()
_, WEIGHTS_BEFORE = make_file(**dict.fromkeys(SINCE_FORMAT_4, False))


def changed(**changes: Any) -> dict[str, Any]:
    """A header with other parts."""
    return {**HEADER, **changes}


def built(**changes: Any) -> dict[str, Any]:
    """A header with other arguments of the network."""
    return changed(architecture={**HEADER["architecture"], **changes})


RANGE = {"bounds": [0.0, 1.0], "values": None}


def ranges(**changes: Any) -> dict[str, Any]:
    """A header with other ranges of labels."""
    return changed(label_ranges={**HEADER["label_ranges"], **changes})


def before() -> dict[str, Any]:
    """The same of format 3."""
    return {**HEADER, "format": "sb3-isr 3"}


def built_before(**changes: Any) -> dict[str, Any]:
    """The same of format 2."""
    since = {"features_extractor_class": "sb3_isr.extractors.AnySpaceExtractor", "action_encoding": "one_hot"}
    training = {"learning_rate": 1e-3, "optimizer_class": "torch.optim.Adam", "optimizer_kwargs": {}}
    return {**built(**since, **training, sparsity=0.0, contrast=False, **changes), "format": "sb3-isr 2"}


def load(
    path: Path, header: Any, weights: dict[str, torch.Tensor] | None = None, **kwargs: Any
) -> InternalSocialReward:
    """Load a file of any header and weights."""
    if weights is None:
        is_before = isinstance(header, dict) and header.get("format") in ("sb3-isr 1", "sb3-isr 2", "sb3-isr 3")
        weights = WEIGHTS_BEFORE if is_before else WEIGHTS
    text = header if isinstance(header, str) else json.dumps(header)
    path.write_bytes(safetensors.torch.save(weights, {"isr": text}))
    return InternalSocialReward.load(path, **kwargs)
