"""
The file of an ISR: safetensors, with a JSON header in their metadata.

Values are handed on, so a file may come from a stranger. Nothing in it is unpickled or imported, the header is checked
part by part before anything is made of it, and no memory is allocated because a header asks for it.
"""

from __future__ import annotations

import json
import os
import re
import reprlib
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple, TypeVar

import gymnasium as gym
import numpy as np
import safetensors
import safetensors.torch
import torch
from stable_baselines3.common import torch_layers
from torch import nn

from sb3_isr.common.batches import example_batch
from sb3_isr.common.files import replaced
from sb3_isr.isr import extractors, paper
from sb3_isr.isr.space_json import space_from_json, space_to_json
from sb3_isr.labels.label_range import LabelRange
from sb3_isr.version import __version__

#: Raised by one whenever an older sb3-isr could not read what is written.
FORMAT = 3
#: What an ISR of format 1 did not have.
_SINCE_FORMAT_2: dict[str, Any] = {"n_members": 1, "pessimism": 0.0, "limit_to_labels": "no"}
#: What only training needs; it was in the file up to format 2.
_UNTIL_FORMAT_2 = ("learning_rate", "optimizer_class", "optimizer_kwargs", "sparsity", "contrast")

ISR = TypeVar("ISR", bound=nn.Module)


class ISRFileError(ValueError):
    """Says what is wrong with an ISR's file, and what can be done about it."""


class Header(NamedTuple):
    """
    What a file says about its ISR, besides the weights.

    :param observation_space: The one that the ISR was made for.
    :param action_space: The one that the ISR was made for.
    :param architecture: Further arguments of ``InternalSocialReward``.
    :param label_range: Range of the labels that the ISR was trained on; None if it is not known.
    """

    observation_space: gym.Space[Any]
    action_space: gym.Space[Any]
    architecture: dict[str, Any]
    label_range: LabelRange | None


_HEADER: dict[str, type[Any]] = {
    "format": str,
    "sb3_isr": str,
    "torch": str,
    "observation_space": dict,
    "action_space": dict,
    "architecture": dict,
}
_ARCHITECTURE: dict[str, type[Any]] = {
    "features_extractor_class": str,
    "features_extractor_kwargs": dict,
    "net_arch": list,
    "activation_fn": str,
    "ortho_init": bool,
    "normalize_images": bool,
    "n_members": int,
    "pessimism": float,
    "limit_to_labels": str,
}
#: The arguments that are classes: names of the modules whose classes a file may name, and their base class. Ours are
#: named without the module in which they are defined, which may change.
_CLASSES: dict[str, tuple[dict[str, tuple[ModuleType, ...]], type[Any]]] = {
    "features_extractor_class": (
        {"sb3_isr": (extractors, paper), torch_layers.__name__: (torch_layers,)},
        torch_layers.BaseFeaturesExtractor,
    ),
    "activation_fn": ({nn.__name__: (nn,)}, nn.Module),
}


def write(path: Path, header: Header, weights: dict[str, torch.Tensor]) -> None:
    """
    Write an ISR's file, completely or not at all.

    :param path: The file; an existing one is replaced only once the new one is complete.
    :param header: What the file says about the ISR.
    :param weights: Its state, on any device.
    :raises ValueError: If the header cannot be written as JSON.
    """
    text = _header_to_json(header)
    # Copies in C order: safetensors refuses tied weights and other orders of axes.
    weights = {name: weight.cpu().clone(memory_format=torch.contiguous_format) for name, weight in weights.items()}
    with replaced(path) as partial:
        safetensors.torch.save_file(weights, partial, {"isr": text})


def load(
    cls: Callable[..., ISR], path: str | os.PathLike[str], classes: dict[str, type[Any] | None], device: torch.device
) -> ISR:
    """
    Build an ISR from its file.

    :param cls: ``InternalSocialReward``, or a subclass with the same arguments.
    :param path: The file.
    :param classes: Arguments that are classes, in place of those that the file names.
    :param device: Where to put the ISR.
    :return: The ISR.
    :raises ISRFileError: If the file is not an ISR, is damaged, or names a class that is not known here.
    :raises OSError: If the file does not exist or may not be read.
    """
    try:
        return _build(cls, *read(path, classes), device)
    except ISRFileError as error:
        raise ISRFileError(f"{os.fspath(path)!r} cannot be loaded as an ISR: {error}.") from error


def _build(cls: Callable[..., ISR], header: Header, weights: dict[str, torch.Tensor], device: torch.device) -> ISR:
    own_spaces = (header.observation_space, header.action_space)
    # A file names arguments of networks, whose own code may raise anything at them.
    try:
        # First without memory: whoever wrote the header need not have had the weights that it describes.
        with torch.device("meta"):
            blueprint = cls(*own_spaces, **{**header.architecture, "ortho_init": False, "device": "meta"})
        check_weights(weights, blueprint.state_dict())
        isr: Any = cls(*own_spaces, **header.architecture, device=device)
        isr.load_state_dict(weights)
        observation, action = map(example_batch, own_spaces)
        reward = isr.predict(observation, np.asarray(action))
    except ISRFileError:
        raise
    except Exception as error:
        raise unfit(f"its header describes no ISR ({type(error).__name__}: {error!s:.200})") from error
    if reward.shape != (1,) or not np.isfinite(reward).all():
        raise unfit(f"it rewards a transition with {reward}, not with a finite number")
    isr.label_range = header.label_range
    return isr  # type: ignore[no-any-return]


def read(path: str | os.PathLike[str], classes: dict[str, type[Any] | None]) -> tuple[Header, dict[str, torch.Tensor]]:
    """
    Read an ISR's file. Memory is allocated only for what is in the file.

    :param path: The file.
    :param classes: Arguments that are classes, in place of those that the file names.
    :return: What it says about the ISR, and the weights, on the CPU.
    :raises ISRFileError: If it is not a whole file of :func:`write`, or one of a later format.
    :raises OSError: If the file does not exist or may not be read.
    """
    try:
        # One opening for both: the file may be replaced at any time.
        with safetensors.safe_open(path, "pt") as file:
            text = (file.metadata() or {}).get("isr", "")
            weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (FileNotFoundError, PermissionError):
        raise
    except (safetensors.SafetensorError, OSError) as error:
        raise unfit(f"it is not whole, or not of safetensors ({error})") from error
    header = _header_from_json(text)
    for argument in _CLASSES:
        header.architecture[argument] = classes.get(argument) or _class_of(argument, header.architecture[argument])
    if len(header.architecture["net_arch"]) > len(weights):
        raise unfit(f"its header describes more layers than the {len(weights)} weights that it holds")
    return header, weights


def check_weights(weights: dict[str, torch.Tensor], described: dict[str, torch.Tensor]) -> None:
    """
    Check that a file holds the weights that its header describes.

    :param weights: What is in the file.
    :param described: The state of the network that its header describes, without memory (on the device "meta").
    :raises ISRFileError: If a name, shape or dtype of the one is not the other's.
    """
    met, expected = (
        {name: f"{tensor.dtype} {list(tensor.shape)}" for name, tensor in tensors.items()}
        for tensors in (weights, described)
    )
    for name in [*expected, *met]:
        held, wanted = met.get(name, "nothing"), expected.get(name, "nothing")
        if held != wanted:
            raise unfit(f"its header describes {wanted} as {reprlib.repr(name)}, but it holds {held}")


def unfit(what: str, remedy: str = "take it from a backup, or train the ISR again") -> ISRFileError:
    """
    Make the error for a file that cannot be used.

    :param what: What is wrong with the file.
    :param remedy: What can be done.
    :return: The error to raise.
    """
    return ISRFileError(f"{what}; {remedy}")


def _name_of(argument: str, cls: type[Any]) -> str:
    """A class's full name; by its home if it has one, since the module in which it is defined may change."""
    homes, _ = _CLASSES[argument]
    for home, modules in homes.items():
        if _is_of(cls, home) and any(getattr(module, cls.__name__, None) is cls for module in modules):
            return f"{home}.{cls.__name__}"
    return f"{cls.__module__}.{cls.__qualname__}"


def _class_of(argument: str, name: str) -> type[Any]:
    """The class that a file names. Nothing is imported for it."""
    homes, base = _CLASSES[argument]
    home, _, class_name = name.rpartition(".")
    for module in homes.get(home, ()):
        known = getattr(module, class_name, None)
        if isinstance(known, type) and issubclass(known, base) and _is_of(known, home):
            return known
    raise unfit(f"the ISR was built with {reprlib.repr(name)}", f"if you know that class, pass it as {argument}")


def _is_of(cls: type[Any], home: str) -> bool:
    """Whether a class is defined there: our modules also import Stable-Baselines3's."""
    return f"{cls.__module__}.".startswith(f"{home}.")


def _header_to_json(header: Header) -> str:
    architecture = {
        argument: _name_of(argument, value) if argument in _CLASSES else value
        for argument, value in header.architecture.items()
    }
    value = {
        "format": f"sb3-isr {FORMAT}",
        "sb3_isr": __version__,
        "torch": str(torch.__version__),
        "observation_space": space_to_json(header.observation_space),
        "action_space": space_to_json(header.action_space),
        "architecture": architecture,
        "label_range": None if header.label_range is None else [header.label_range.low, header.label_range.high],
        "label_values": header.label_range.values if header.label_range is not None else None,
    }
    try:
        return json.dumps(value, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise ValueError(
            "Of an ISR's arguments only finite numbers, texts, and lists and dictionaries of them can be saved "
            f"({error}), got {architecture}; give its features extractor no others."
        ) from error


def _header_from_json(text: str) -> Header:
    try:
        header = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise unfit(f"it has no header of ours ({error})") from error
    version = _format_of(header)
    _check_kinds("header", header, _HEADER)
    architecture = header["architecture"] if version == FORMAT else _updated(header["architecture"])
    _check_architecture(architecture)
    try:
        spaces = space_from_json(header["observation_space"]), space_from_json(header["action_space"])
        label_range = LabelRange.from_json(header.get("label_range"), header.get("label_values"))
    except ValueError as error:
        raise unfit(f"its header is damaged ({error})") from error
    return Header(*spaces, architecture, label_range)


def _updated(architecture: dict[str, Any]) -> dict[str, Any]:
    """The architecture of an older file in today's arguments."""
    updated = {**_SINCE_FORMAT_2, **architecture}
    for argument in _UNTIL_FORMAT_2:
        updated.pop(argument, None)
    home, _, name = str(updated.get("features_extractor_class")).rpartition(".")
    if home == "sb3_isr.extractors":
        plane = updated.pop("action_encoding", None) == "plane" and name == "GridCNN"
        updated["features_extractor_class"] = "sb3_isr.ActionPlaneCNN" if plane else f"sb3_isr.{name}"
    if updated.get("action_encoding") == "one_hot":
        del updated["action_encoding"]
    return updated


def _format_of(header: Any) -> int:
    written = header.get("format") if isinstance(header, dict) else header
    match = re.fullmatch("sb3-isr ([0-9]{1,9})", written) if isinstance(written, str) else None
    if match is None:
        raise unfit(f"its header is not of sb3-isr, but of {reprlib.repr(written)}")
    if int(match[1]) > FORMAT:
        maker = reprlib.repr(header.get("sb3_isr"))
        raise unfit(f"it was made by a newer sb3-isr, {maker}, this is {__version__}", "pip install -U sb3-isr")
    return int(match[1])


def _check_kinds(what: str, value: dict[str, Any], kinds: dict[str, type[Any]]) -> None:
    for key, kind in kinds.items():
        if not isinstance(value.get(key), kind):
            met = reprlib.repr(value.get(key))
            raise unfit(f"its {what} is damaged: {key!r} must be a {kind.__name__}, got {met}")


def _check_architecture(architecture: dict[str, Any]) -> None:
    _check_kinds("architecture", architecture, _ARCHITECTURE)
    if unknown := architecture.keys() - _ARCHITECTURE.keys():
        raise unfit(f"its architecture is damaged: there is no argument {reprlib.repr(min(unknown))}")
    for width in architecture["net_arch"]:
        if type(width) is not int or width < 1:
            raise unfit(f"its architecture is damaged: a layer's width must be 1 or more, got {reprlib.repr(width)}")
