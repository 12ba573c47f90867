"""
An ISR's file: safetensors, with a JSON header in their metadata.

Values are handed on, so a file may come from a stranger. Nothing in it is unpickled or imported, the header is checked
part by part before anything is made of it, and no memory is taken because a header asks for it.
"""

from __future__ import annotations

import json
import math
import os
import re
import reprlib
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import gymnasium as gym
import safetensors
import safetensors.torch
import torch
from stable_baselines3.common import torch_layers
from torch import nn

from sb3_isr.isr import extractors
from sb3_isr.isr.space_json import space_from_json, space_to_json
from sb3_isr.version import __version__

#: Raised by one whenever an older sb3-isr could not read what is written.
FORMAT = 2
#: What an ISR of format 1 did not have.
_SINCE_FORMAT_2: dict[str, Any] = {
    "n_members": 1,
    "pessimism": 0.0,
    "limit_to_labels": "no",
    "sparsity": 0.0,
    "contrast": False,
}


class ISRFileError(ValueError):
    """What is wrong with an ISR's file, and what can be done about it."""


class Header(NamedTuple):
    """
    What a file says of its ISR, besides the weights.

    :param observation_space: What it was made for.
    :param action_space: What it was made for.
    :param architecture: Further arguments of ``InternalSocialReward``.
    :param label_range: Smallest and greatest label it was trained on; None if that is not known.
    :param label_values: The different labels, ascending; None if they were many, or that is not known.
    """

    observation_space: gym.Space[Any]
    action_space: gym.Space[Any]
    architecture: dict[str, Any]
    label_range: tuple[float, float] | None
    label_values: tuple[float, ...] | None


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
    "action_encoding": str,
    "n_members": int,
    "pessimism": float,
    "limit_to_labels": str,
    "sparsity": float,
    "contrast": bool,
    "learning_rate": float,
    "optimizer_class": str,
    "optimizer_kwargs": dict,
}
#: The arguments that are classes: the modules whose classes a file may name, and what they must be classes of.
_CLASSES: dict[str, tuple[tuple[ModuleType, ...], type[Any]]] = {
    "features_extractor_class": ((extractors, torch_layers), torch_layers.BaseFeaturesExtractor),
    "activation_fn": ((nn,), nn.Module),
    "optimizer_class": ((torch.optim,), torch.optim.Optimizer),
}


def write(path: Path, header: Header, weights: dict[str, torch.Tensor]) -> None:
    """
    Write an ISR's file, whole or not at all.

    :param path: The file; one that is there is replaced only once the new one is complete.
    :param header: What the file says of the ISR.
    :param weights: Its state, on any device.
    :raises ValueError: If the header cannot be written as JSON.
    """
    text = _header_to_json(header)
    # Of their own and in order: safetensors refuses tied weights, and other orders of axes.
    weights = {name: weight.cpu().clone(memory_format=torch.contiguous_format) for name, weight in weights.items()}
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{path.name}.{os.getpid()}.partial")
    try:
        safetensors.torch.save_file(weights, partial, {"isr": text})
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def read(path: str | os.PathLike[str], classes: dict[str, type[Any] | None]) -> tuple[Header, dict[str, torch.Tensor]]:
    """
    :param path: The file.
    :param classes: Arguments that are classes, in place of those that the file names.
    :return: What it says of the ISR, and the weights, on the CPU. Memory is taken for what is in the file alone.
    :raises ISRFileError: If it is not a whole file of :func:`write`, or one of a later format.
    :raises OSError: If the file is not there, or may not be read.
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
    :param what: What is wrong with the file.
    :param remedy: What can be done.
    :return: The error to raise.
    """
    return ISRFileError(f"{what}; {remedy}")


def _name_of(argument: str, cls: type[Any]) -> str:
    """A class's full name, by its home if it has one: where in itself a library defines its classes may change."""
    homes, _ = _CLASSES[argument]
    for home in homes:
        if getattr(home, cls.__name__, None) is cls:
            return f"{home.__name__}.{cls.__name__}"
    return f"{cls.__module__}.{cls.__qualname__}"


def _class_of(argument: str, name: str) -> type[Any]:
    """The class that a file names. Nothing is imported for it."""
    homes, base = _CLASSES[argument]
    home_name, _, class_name = name.rpartition(".")
    for home in homes:
        known = getattr(home, class_name, None) if home.__name__ == home_name else None
        if isinstance(known, type) and issubclass(known, base):
            return known
    raise unfit(f"the ISR was built with {reprlib.repr(name)}", f"if you know that class, pass it as {argument}")


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
        "label_range": _floats(header.label_range),
        "label_values": _floats(header.label_values),
    }
    try:
        return json.dumps(value, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise ValueError(
            "Of an ISR's arguments only finite numbers, texts, and lists and dictionaries of them can be saved "
            f"({error}), got {architecture}; give its features extractor and optimizer no others."
        ) from error


def _header_from_json(text: str) -> Header:
    try:
        header = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise unfit(f"it has no header of ours ({error})") from error
    _check_format(header)
    _check_kinds("header", header, _HEADER)
    header["architecture"] = {**_SINCE_FORMAT_2, **header["architecture"]}
    _check_architecture(header["architecture"])
    try:
        spaces = space_from_json(header["observation_space"]), space_from_json(header["action_space"])
    except ValueError as error:
        raise unfit(f"its header is damaged ({error})") from error
    labels = _label_range(header.get("label_range")), _label_values(header.get("label_values"))
    return Header(*spaces, header["architecture"], *labels)


def _check_format(header: Any) -> None:
    written = header.get("format") if isinstance(header, dict) else header
    match = re.fullmatch("sb3-isr ([0-9]{1,9})", written) if isinstance(written, str) else None
    if match is None:
        raise unfit(f"its header is not of sb3-isr, but of {reprlib.repr(written)}")
    if int(match[1]) > FORMAT:
        maker = reprlib.repr(header.get("sb3_isr"))
        raise unfit(f"it was made by a newer sb3-isr, {maker}, this is {__version__}", "pip install -U sb3-isr")


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


def _label_range(value: Any) -> tuple[float, float] | None:
    if value is None:
        return None
    is_pair = isinstance(value, list) and len(value) == 2 and all(type(label) is float for label in value)
    if not is_pair or not all(map(math.isfinite, value)) or value[0] > value[1]:
        raise unfit(f"its header is damaged: label_range must be two ascending numbers, got {reprlib.repr(value)}")
    return value[0], value[1]


def _label_values(value: Any) -> tuple[float, ...] | None:
    if value is None:
        return None
    is_list = isinstance(value, list) and len(value) > 0 and all(type(label) is float for label in value)
    if not is_list or not all(map(math.isfinite, value)) or value != sorted(set(value)):
        raise unfit(f"its header is damaged: label_values must be ascending numbers, got {reprlib.repr(value)}")
    return tuple(value)


def _floats(labels: tuple[float, ...] | None) -> list[float] | None:
    return None if labels is None else [float(label) for label in labels]
