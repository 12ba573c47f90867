"""
The file of a label store: an npz without pickles, read as if a stranger had written it.

What NumPy's own reader would do at a file's word is not done: arrays are neither unpacked nor allocated before their
sizes are compared with the file's own and with the store's.
"""

from __future__ import annotations

import json
import os
import reprlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from zipfile import ZIP_STORED, ZipFile, ZipInfo

import numpy as np
from numpy.lib import format as npy_format

from sb3_isr.common.batches import MAX_INTEGER, Array
from sb3_isr.common.files import replaced
from sb3_isr.labels.file_errors import reading

#: The most bytes of an array's header, and of the state.
MAX_HEADER = 2**16
_REMEDY = "get it from a backup, or collect labels anew"


def write(path: str | os.PathLike[str], arrays: Mapping[str, Array], n_added: int, rng: np.random.Generator) -> None:
    """
    Write a store's file, completely or not at all.

    :param path: The file.
    :param arrays: Arrays ``[n, ...]`` by their names.
    :param n_added: Number of labels ever added.
    :param rng: The store's generator.
    """
    state = json.dumps({"n_added": n_added, "generator": rng.bit_generator.state})
    with replaced(Path(path)) as partial, partial.open("wb") as file:
        np.savez(file, **arrays, state=np.array(state))  # type: ignore[arg-type]


def n_labels(path: str | os.PathLike[str]) -> int:
    """
    Count the labels in a store's file, of which nothing else is read.

    :param path: The file.
    :return: How many it holds; a damaged file may hold none of them.
    :raises LabelFileError: If it is no store's file.
    :raises OSError: If the file does not exist or may not be read.
    """
    with reading(path, _REMEDY), ZipFile(path) as archive:
        member = archive.getinfo("social_rewards.npy")
        with archive.open(member) as file:
            npy_format.read_magic(file)
            shape, _, dtype = npy_format.read_array_header_1_0(file)
        if (
            len(shape) != 1
            or not 0 <= shape[0] * max(1, dtype.itemsize) <= member.file_size <= Path(path).stat().st_size
        ):
            raise ValueError("its 'social_rewards' are not as np.savez writes them")
        return int(shape[0])


class LabelFile:
    """
    An opened file, of which nothing is believed.

    :param path: The file.
    :param archive: The same, opened.
    :param arrays: The store's arrays ``[capacity, ...]`` by their names.
    """

    def __init__(self, path: Path, archive: ZipFile, arrays: Mapping[str, Array]) -> None:
        self._archive = archive
        self._arrays = arrays
        self._size = path.stat().st_size
        self._members = {info.filename: info for info in archive.infolist()}
        names = {f"{name}.npy" for name in (*arrays, "state")}
        if self._members.keys() != names or len(archive.infolist()) != len(names):
            raise ValueError(f"it holds {reprlib.repr(sorted(self._members))}, not {reprlib.repr(sorted(names))}")
        state = json.loads(str(self._read("state", np.zeros((), "U1"))))
        #: Number of labels ever added.
        self.n_added: int = state["n_added"]
        if type(self.n_added) is not int or not 0 <= self.n_added <= MAX_INTEGER:
            raise ValueError(f"n_added must be a number of labels, got {reprlib.repr(self.n_added)}")
        #: The store's generator.
        self.rng = np.random.default_rng()
        self.rng.bit_generator.state = state["generator"]
        if self.rng.bit_generator.state != state["generator"]:
            raise ValueError(f"its generator's state is none: {reprlib.repr(state['generator'])}")

    def read(self, name: str, n: int) -> Array:
        """
        Read an array.

        :param name: Its name.
        :param n: How many elements it must have.
        :return: The array ``[n, ...]``, of the dtype and shape that the store has.
        """
        array = self._read(name, self._arrays[name])
        if len(array) != n:
            capacity = len(self._arrays[name])
            raise ValueError(
                f"it holds {len(array)} {name} for {self.n_added} labels, which does not fit a store of capacity "
                f"{capacity}; create the store with the capacity it had"
            )
        return array

    def _read(self, name: str, expected: Array) -> Array:
        file = BytesIO(self._content(self._members[f"{name}.npy"], expected.nbytes))
        if npy_format.read_magic(file) != (1, 0):
            raise ValueError(f"its {name!r} are not as np.savez writes them")
        shape, is_fortran, dtype = npy_format.read_array_header_1_0(file)
        is_text = dtype.kind == expected.dtype.kind == "U"
        fits = len(shape) == expected.ndim and shape[1:] == expected.shape[1:] and not is_fortran
        if not fits or (dtype != expected.dtype and not is_text):
            wanted = ", ".join(["n", *map(str, expected.shape[1:])])
            raise ValueError(
                f"its {name!r} have the dtype {dtype} and the shape {list(shape)}, not {expected.dtype} and [{wanted}] "
                "as this store's spaces say; create the store with the spaces it had"
            )
        array = np.frombuffer(file.getbuffer()[file.tell() :], dtype).reshape(shape)
        if dtype.kind == "b" and array.view(np.uint8).max(initial=0) > 1:
            raise ValueError(f"its {name!r} are neither true nor false")
        return array

    def _content(self, member: ZipInfo, max_bytes: int) -> bytes:
        if member.compress_type != ZIP_STORED or not member.file_size == member.compress_size <= self._size:
            raise ValueError(f"its {member.filename!r} are compressed, which stores' files are not")
        if member.file_size > max_bytes + MAX_HEADER:
            raise ValueError(
                f"its {member.filename!r} have {member.file_size} bytes, more than the store has memory for; "
                "create the store with the capacity it had"
            )
        return self._archive.read(member)


@contextmanager
def opened(path: str | os.PathLike[str], arrays: Mapping[str, Array]) -> Iterator[LabelFile]:
    """
    Open a store's file, and turn whatever goes wrong with it into an error that names it.

    :param path: The file.
    :param arrays: The store's arrays ``[capacity, ...]`` by their names.
    :return: The file, of which the body reads and checks arrays.
    :raises LabelFileError: If the file is damaged, not a store's, or does not fit this store.
    :raises OSError: If the file does not exist or may not be read.
    """
    with reading(path, _REMEDY), ZipFile(path) as archive:
        yield LabelFile(Path(path), archive, arrays)
