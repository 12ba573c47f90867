"""
The file of an ISR: safetensors, with a JSON header in their metadata.

ISRs are handed on, so a file may come from a stranger. Nothing in it is unpickled or imported, and no memory is
allocated because a header asks for it.
"""

from __future__ import annotations

import os
import reprlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import gymnasium as gym
import numpy as np
import safetensors
import safetensors.torch
import torch
from torch import nn

from sb3_isr.common.batches import example_batch
from sb3_isr.common.files import replaced
from sb3_isr.isr.file_header import CLASSES, Header, ISRFileError, class_of, header_from_json, header_to_json, unfit

ISR = TypeVar("ISR", bound=nn.Module)


def write(path: Path, header: Header, weights: dict[str, torch.Tensor]) -> None:
    """
    Write an ISR's file, completely or not at all.

    :param path: The file; an existing one is replaced only once the new one is complete.
    :param header: What the file says about the ISR.
    :param weights: Its state, on any device.
    :raises ValueError: If the header cannot be written as JSON.
    """
    text = header_to_json(header)
    # Copies in C order: safetensors refuses tied weights and other orders of axes.
    weights = {name: weight.cpu().clone(memory_format=torch.contiguous_format) for name, weight in weights.items()}
    with replaced(path) as partial:
        # Not safetensors' own save_file, whose files nobody but their owner can read.
        partial.write_bytes(safetensors.torch.save(weights, {"isr": text}))


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
    with _naming(path):
        return _build(cls, *read(path, classes), device)


@contextmanager
def _naming(path: str | os.PathLike[str]) -> Iterator[None]:
    try:
        yield
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
        with torch.no_grad():
            reward = isr(*isr.tensors(observation, np.asarray(action), observation, np.zeros(1, bool)))
    except ISRFileError:
        raise
    except Exception as error:
        raise unfit(f"its header describes no ISR ({type(error).__name__}: {error!s:.200})") from error
    if reward.shape != (1,) or not reward.isfinite().all():
        raise unfit(f"it rewards a transition with {reward}, not with a finite number")
    isr.label_ranges = header.label_ranges
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
    header, weights = _read(path)
    for argument in CLASSES:
        header.architecture[argument] = classes.get(argument) or class_of(argument, header.architecture[argument])
    if len(header.architecture["net_arch"]) > len(weights):
        raise unfit(f"its header describes more layers than the {len(weights)} weights that it holds")
    return header, weights


def read_spaces(path: str | os.PathLike[str]) -> tuple[gym.Space[Any], gym.Space[Any]]:
    """
    Read which spaces an ISR's file is for.

    :param path: The file.
    :return: Observation space and action space.
    :raises ISRFileError: If the file is not whole.
    :raises OSError: If the file does not exist or may not be read.
    """
    with _naming(path):
        header, _ = _read(path)
    return header.observation_space, header.action_space


def check_architecture(path: str | os.PathLike[str], header: Header) -> None:
    """
    Check that a file's ISR was built with the same arguments as another ISR.

    :param path: The file.
    :param header: The header that the other ISR would have.
    :raises ISRFileError: If the file is not whole.
    :raises ValueError: If an argument is not the same.
    """
    expected = header_from_json(header_to_json(header)).architecture  # as the file has it: names and lists
    met = _read(path)[0].architecture
    others = [f"{name}={expected[name]!r} here and {met[name]!r} there" for name in met if met[name] != expected[name]]
    if others:
        raise ValueError(
            f"To continue with the ISR in {os.fspath(path)!r}, isr_kwargs must be those with which it was trained, "
            f"got {', '.join(others)}; use the same isr_kwargs."
        )


def _read(path: str | os.PathLike[str]) -> tuple[Header, dict[str, torch.Tensor]]:
    try:
        # One opening for both: the file may be replaced at any time.
        with safetensors.safe_open(path, "pt") as file:
            text = (file.metadata() or {}).get("isr", "")
            weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (FileNotFoundError, PermissionError):
        raise
    except (safetensors.SafetensorError, OSError) as error:
        raise unfit(f"it is not whole, or not of safetensors ({error})") from error
    return header_from_json(text), weights


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
