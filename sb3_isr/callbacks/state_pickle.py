"""
Pickles of a process's state, in which objects have all their attributes.

Some classes leave attributes out of their pickles (``gymnasium.utils.EzPickle``: Box2D, MuJoCo, ALE, PettingZoo), so
that unpickled objects look whole and are new. Here whatever an object holds is in its pickle, or there is an error.
"""

from __future__ import annotations

import io
import pickle
import sys
from collections.abc import Sequence
from copyreg import __newobj__ as new_object  # type: ignore[attr-defined]
from multiprocessing.connection import Connection
from types import FunctionType
from typing import Any

import cloudpickle
import torch
from stable_baselines3.common.monitor import ResultsWriter


def dumps(state: Any, live: Sequence[Any] = ()) -> bytes:
    """
    Pickle objects with all their attributes.

    :param state: What to pickle.
    :param live: Objects that are not pickled wherever they occur, and whose place others take in :func:`loads`.
    :return: The pickle.
    :raises Exception: If something in it cannot be pickled; what is raised depends on its class.
    """
    file = io.BytesIO()
    _Pickler(file, live).dump(state)
    return file.getvalue()


def loads(data: bytes, live: Sequence[Any] = ()) -> Any:
    """
    Unpickle what :func:`dumps` returned, on a machine with or without a GPU.

    :param data: The pickle.
    :param live: The objects in place of those that were not pickled, in the same order.
    :return: The state; tensors are on the CPU.
    """
    return _Unpickler(io.BytesIO(data), live).load()


class _Pickler(cloudpickle.Pickler):  # type: ignore[misc]
    def __init__(self, file: io.BytesIO, live: Sequence[Any]) -> None:
        super().__init__(file)
        self._numbers = {id(obj): number for number, obj in enumerate(live)}

    def persistent_id(self, obj: Any) -> int | None:
        return self._numbers.get(id(obj))

    def reducer_override(self, obj: Any) -> Any:
        if isinstance(obj, Connection):
            raise pickle.PicklingError("cannot pickle a connection to another process")
        if isinstance(obj, ResultsWriter):
            return _open_again, (obj.file_handler.name, tuple(obj.logger.fieldnames)[3:])
        if isinstance(obj, type | FunctionType) and _is_importable(obj):
            return NotImplemented  # also of __main__: cloudpickle would take a script's old code along
        if type(obj) not in self.dispatch_table and _leaves_attributes_out(obj):
            return new_object, (type(obj),), vars(obj), None, None, _set_attributes
        return super().reducer_override(obj)


class _Unpickler(pickle.Unpickler):
    def __init__(self, file: io.BytesIO, live: Sequence[Any]) -> None:
        super().__init__(file)
        self._live = live

    def persistent_load(self, pid: int) -> Any:
        return self._live[pid]

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("torch.storage", "_load_from_bytes"):
            return _load_on_cpu
        return super().find_class(module, name)


def _leaves_attributes_out(obj: Any) -> bool:
    """Whether a plain Python object's class decides itself what is pickled, and that lacks some of its attributes."""
    cls = type(obj)
    methods = ("__reduce_ex__", "__reduce__", "__getstate__")
    is_custom = any(getattr(cls, name, None) is not getattr(object, name, None) for name in methods)
    if not is_custom or getattr(cls, "__new__", None) is not object.__new__ or not getattr(obj, "__dict__", None):
        return False
    reduced = obj.__reduce_ex__(pickle.DEFAULT_PROTOCOL)
    state = reduced[2] if not isinstance(reduced, str) and len(reduced) > 2 else None
    if isinstance(state, tuple):  # the second part holds slots
        state = state[0]
    return not vars(obj).keys() <= (state.keys() if isinstance(state, dict) else set())


def _set_attributes(obj: Any, attributes: dict[str, Any]) -> None:
    vars(obj).update(attributes)


def _is_importable(obj: Any) -> bool:
    met: Any = sys.modules.get(obj.__module__ or "")
    for name in obj.__qualname__.split("."):
        met = getattr(met, name, None)
    return met is obj


def _open_again(filename: str, extra_keys: tuple[str, ...]) -> ResultsWriter:
    """Monitor's file: rows are added to what it holds."""
    return ResultsWriter(filename, extra_keys=extra_keys, override_existing=False)


def _load_on_cpu(storage: bytes) -> Any:
    return torch.load(io.BytesIO(storage), "cpu", weights_only=False)
