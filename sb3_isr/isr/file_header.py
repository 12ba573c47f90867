"""
The header of an ISR's file: what a file says about its ISR, as JSON.

It is read as if a stranger had written it: checked part by part before anything is made of it, and nothing is imported.
"""

from __future__ import annotations

import json
import re
import reprlib
import warnings
from types import ModuleType
from typing import Any, NamedTuple

import gymnasium as gym
import torch
from stable_baselines3.common import torch_layers
from torch import nn

from sb3_isr.common.space_json import space_from_json, space_to_json
from sb3_isr.isr import extractors, paper
from sb3_isr.labels.label_range import LabelRange, LabelRanges
from sb3_isr.version import __version__

#: Raised by one whenever an older sb3-isr could not read what is written.
FORMAT = 4
#: What an ISR of format 1 did not have.
_SINCE_FORMAT_2: dict[str, Any] = {"n_members": 1, "pessimism": 0.0, "limit_to_labels": "no"}
#: What an ISR of format 3 did not have.
_SINCE_FORMAT_4: dict[str, Any] = {
    "encoding": 1,
    "use_next_observation": False,
    "use_terminated": False,
    "standardize": False,
}
#: What only training needs; it was in the file up to format 2.
_UNTIL_FORMAT_2 = ("learning_rate", "optimizer_class", "optimizer_kwargs", "sparsity", "contrast")


class ISRFileError(ValueError):
    """Says what is wrong with an ISR's file, and what can be done about it."""


class Header(NamedTuple):
    """
    What a file says about its ISR, besides the weights.

    :param observation_space: The one that the ISR was made for.
    :param action_space: The one that the ISR was made for.
    :param architecture: Further arguments of ``InternalSocialReward``.
    :param label_ranges: Ranges of the labels that the ISR was trained on; None if they are not known.
    """

    observation_space: gym.Space[Any]
    action_space: gym.Space[Any]
    architecture: dict[str, Any]
    label_ranges: LabelRanges | None


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
    "use_next_observation": bool,
    "use_terminated": bool,
    "standardize": bool,
    "n_members": int,
    "pessimism": float,
    "limit_to_labels": str,
    "encoding": int,
}
#: The arguments that are classes: names of the modules whose classes a file may name, and their base class. Ours are
#: named without the module in which they are defined, which may change.
CLASSES: dict[str, tuple[dict[str, tuple[ModuleType, ...]], type[Any]]] = {
    "features_extractor_class": (
        {"sb3_isr": (extractors, paper), torch_layers.__name__: (torch_layers,)},
        torch_layers.BaseFeaturesExtractor,
    ),
    "activation_fn": ({nn.__name__: (nn,)}, nn.Module),
}


def _name_of(argument: str, cls: type[Any]) -> str:
    """A class's full name; by its home if it has one, since the module in which it is defined may change."""
    homes, _ = CLASSES[argument]
    for home, modules in homes.items():
        if _is_of(cls, home) and any(getattr(module, cls.__name__, None) is cls for module in modules):
            return f"{home}.{cls.__name__}"
    return f"{cls.__module__}.{cls.__qualname__}"


def class_of(argument: str, name: str) -> type[Any]:
    """
    Get the class that a header names. Nothing is imported for it.

    :param argument: The argument that is a class.
    :param name: Its full name.
    :return: The class.
    :raises ISRFileError: If it is none of ours, Stable-Baselines3's or torch's.
    """
    homes, base = CLASSES[argument]
    home, _, class_name = name.rpartition(".")
    for module in homes.get(home, ()):
        known = getattr(module, class_name, None)
        if isinstance(known, type) and issubclass(known, base) and _is_of(known, home):
            return known
    raise unfit(f"the ISR was built with {reprlib.repr(name)}", f"if you know that class, pass it as {argument}")


def _is_of(cls: type[Any], home: str) -> bool:
    """Whether a class is defined there: our modules also import Stable-Baselines3's."""
    return f"{cls.__module__}.".startswith(f"{home}.")


def header_to_json(header: Header) -> str:
    """
    Write a header as JSON.

    :param header: The header.
    :return: The text.
    :raises ValueError: If an argument cannot be written as JSON.
    """
    value = {
        "format": f"sb3-isr {FORMAT}",
        "sb3_isr": __version__,
        "torch": str(torch.__version__),
        "observation_space": space_to_json(header.observation_space),
        "action_space": space_to_json(header.action_space),
        "architecture": architecture_to_json(header.architecture),
        "label_ranges": None if header.label_ranges is None else header.label_ranges.to_json(),
    }
    return json.dumps(value, allow_nan=False)


def architecture_to_json(architecture: dict[str, Any]) -> dict[str, Any]:
    """
    Name the classes of an architecture.

    :param architecture: Arguments of ``InternalSocialReward``.
    :return: The same in JSON's types.
    :raises ValueError: If an argument cannot be written as JSON.
    """
    try:
        named = {
            argument: _name_of(argument, value) if argument in CLASSES else value
            for argument, value in architecture.items()
        }
        json.dumps(named, allow_nan=False)
    except (TypeError, ValueError, AttributeError) as error:
        raise ValueError(
            "Of an ISR's arguments only classes, finite numbers, texts, and lists and dictionaries of them can be "
            f"saved ({error}), got {architecture}; give its features extractor no others."
        ) from error
    return named


def warn_if_unsaveable(architecture: dict[str, Any]) -> None:
    """
    Warn when an ISR is made, and not only when hours of training are to be saved.

    :param architecture: Arguments of ``InternalSocialReward``.
    """
    try:
        architecture_to_json(architecture)
    except ValueError as error:
        warnings.warn(f"This ISR can be trained, but neither saved nor resumed. {error}", stacklevel=3)


def header_from_json(text: str) -> Header:
    """
    Read a header; the classes of its architecture are still names.

    :param text: What :func:`header_to_json` returned, or anything else.
    :return: The header.
    :raises ISRFileError: If it is damaged, or of a later format.
    """
    try:
        header = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise unfit(f"it has no header of ours ({error})") from error
    version = _format_of(header)
    _check_kinds("header", header, _HEADER)
    architecture = header["architecture"]
    if version < 3:
        architecture = _updated(architecture)
    if version < 4:
        architecture = {**architecture, **_SINCE_FORMAT_4}
    _check_architecture(architecture)
    try:
        spaces = space_from_json(header["observation_space"]), space_from_json(header["action_space"])
        if version < 4 and architecture["features_extractor_class"] == "sb3_isr.GridOneHot":
            kwargs = architecture["features_extractor_kwargs"]
            architecture["features_extractor_kwargs"] = extractors.kwargs_until_format_3(spaces[0], kwargs)
        label_ranges = _label_ranges(header, version)
    except ValueError as error:
        raise unfit(f"its header is damaged ({error})") from error
    return Header(*spaces, architecture, label_ranges)


def _label_ranges(header: dict[str, Any], version: int) -> LabelRanges | None:
    if version > 3:
        return LabelRanges.from_json(header.get("label_ranges"))
    label_range = LabelRange.from_json(header.get("label_range"), header.get("label_values"))
    return None if label_range is None else LabelRanges.both(label_range)


def _updated(architecture: dict[str, Any]) -> dict[str, Any]:
    """The architecture of a file of format 1 or 2 in the arguments of format 3."""
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


def unfit(what: str, remedy: str = "take it from a backup, or train the ISR again") -> ISRFileError:
    """
    Make the error for a file that cannot be used.

    :param what: What is wrong with the file.
    :param remedy: What can be done.
    :return: The error to raise.
    """
    return ISRFileError(f"{what}; {remedy}")
