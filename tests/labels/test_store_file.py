"""Files of labels: whole or refused, whoever wrote them."""

from __future__ import annotations

import io
import json
import re
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gymnasium import spaces
from hypothesis import example, given, settings
from hypothesis import strategies as st

from sb3_isr import LabelStore
from sb3_isr.labels.file_errors import LabelFileError
from tests.labels.made_labels import BOX, DISCRETE, make_labels, make_store, numbers_in

N = 30


def good_arrays(tmp_path: Path) -> dict[str, Any]:
    make_store(*[0.0, 1.0] * (N // 2), capacity=50, held_out=0.3).save(tmp_path / "good.npz")
    with np.load(tmp_path / "good.npz") as file:
        return dict(file)


def refused(path: Path) -> str:
    """Try to load a file; check that it is refused by name, and that the store is as it was. Returns the message."""
    store = make_store(1.0, -1.0, capacity=50)
    before = store.labels()
    with pytest.raises(LabelFileError) as caught:
        store.load(path)
    message = str(caught.value)
    assert message.startswith(f"'{path}' cannot be loaded as labels: ")
    assert ";" in message
    assert message.endswith(".")
    np.testing.assert_array_equal(store.labels().transitions.observations, before.transitions.observations)
    assert store.labels().social_rewards.tolist() == [1.0, -1.0]
    assert (store.n_added, len(store)) == (2, 2)
    return message


def changed_state(arrays: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return {"state": np.array(json.dumps({**json.loads(str(arrays["state"])), **changes}))}


def changed_generator(arrays: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return changed_state(arrays, generator={**json.loads(str(arrays["state"]))["generator"], **changes})


CHANGES: list[tuple[str, Callable[[dict[str, Any]], dict[str, Any]], str]] = [
    ("NaN labels", lambda a: {"social_rewards": np.full(N, np.nan, np.float32)}, "Labels must be finite"),
    ("infinite labels", lambda a: {"social_rewards": np.full(N, np.inf, np.float32)}, "Labels must be finite"),
    ("labels of float64", lambda a: {"social_rewards": np.zeros(N)}, "dtype float64.*not float32"),
    ("labels of objects", lambda a: {"social_rewards": np.array([0.0] * N, object)}, "dtype object"),
    ("big-endian labels", lambda a: {"social_rewards": np.zeros(N, ">f4")}, "dtype >f4"),
    ("NaN observed", lambda a: {"observations/": np.full((N, 2), np.nan, np.float32)}, "observations must be finite"),
    ("other observations", lambda a: {"observations/": np.zeros((N, 3), np.float32)}, r"not float32 and \[n, 2\]"),
    ("no action of the space", lambda a: {"actions": np.full(N, 99)}, r"elements of Discrete\(3\), got 99"),
    ("negative actions", lambda a: {"actions": np.full(N, -1)}, r"elements of Discrete\(3\), got -1"),
    ("actions in float64", lambda a: {"actions": np.full(N, 0.9)}, "dtype float64.*not int64"),
    ("actions in uint8", lambda a: {"actions": np.zeros(N, np.uint8)}, "dtype uint8.*not int64"),
    ("too few actions", lambda a: {"actions": np.zeros(N - 1, int)}, "holds 29 actions for 30 labels"),
    ("too many actions", lambda a: {"actions": np.zeros(N + 1, int)}, "holds 31 actions for 30 labels"),
    ("one action", lambda a: {"actions": np.zeros((), int)}, r"shape \[\]"),
    ("held out in parts", lambda a: {"is_held_out": np.full(N, 0.5)}, "dtype float64.*not bool"),
    ("missing", lambda a: {"is_held_out": None}, "is_held_out.npy"),
    ("one too many", lambda a: {"extra": np.zeros(1)}, "extra.npy"),
    ("Fortran's order", lambda a: {"observations/": np.asfortranarray(np.zeros((N, 2), np.float32))}, "as this store"),
    ("n_added infinite", lambda a: changed_state(a, n_added=float("inf")), "number of labels, got inf"),
    ("n_added NaN", lambda a: changed_state(a, n_added=float("nan")), "number of labels, got nan"),
    ("n_added a float", lambda a: changed_state(a, n_added=30.0), "number of labels, got 30.0"),
    ("n_added a bool", lambda a: changed_state(a, n_added=True), "number of labels, got True"),
    ("n_added negative", lambda a: changed_state(a, n_added=-30), "number of labels, got -30"),
    ("n_added huge", lambda a: changed_state(a, n_added=10**30), "number of labels, got 1000"),
    ("n_added too small", lambda a: changed_state(a, n_added=29), "30 observations/ for 29 labels"),
    ("n_added too large", lambda a: changed_state(a, n_added=70), "for 70 labels.*with the capacity it had"),
    ("no generator", lambda a: changed_state(a, generator=None), "."),
    ("another generator", lambda a: changed_generator(a, bit_generator="MT19937"), "."),
    ("a generator's fraction", lambda a: changed_generator(a, uinteger=0.5), "."),
    ("a generator's huge number", lambda a: changed_generator(a, state={"state": 2**200, "inc": 1}), "."),
    ("no state", lambda a: {"state": np.array("null")}, "."),
    ("state nested", lambda a: {"state": np.array("[" * 10_000)}, "recursion"),
    ("state a number", lambda a: {"state": np.array(1.0)}, "dtype float64"),
    ("state too long", lambda a: {"state": np.array("1" * 100_000)}, "more than the store has memory for"),
]


@pytest.mark.parametrize(("change", "message"), [c[1:] for c in CHANGES], ids=[c[0] for c in CHANGES])
def test_a_file_with_one_wrong_part_is_refused_and_the_store_is_unchanged(
    change: Callable[[dict[str, Any]], dict[str, Any]], message: str, tmp_path: Path
) -> None:
    arrays = good_arrays(tmp_path)
    changed = {key: value for key, value in {**arrays, **change(arrays)}.items() if value is not None}
    np.savez(tmp_path / "bad.npz", **changed)
    met = refused(tmp_path / "bad.npz")
    assert re.search(message, met), met


def test_a_file_of_other_spaces_or_of_a_larger_store_is_refused_with_the_remedy(tmp_path: Path) -> None:
    path = tmp_path / "labels.npz"
    make_store(*[0.0] * 10).save(path)
    for other, message in (
        (LabelStore(BOX, DISCRETE, capacity=5), "holds 10 observations/ for 10 labels.*with the capacity it had"),
        (LabelStore(spaces.Box(0, 1, (3,)), DISCRETE), r"'observations/' have.*\[10, 2\].*with the spaces it had"),
        (LabelStore(BOX, spaces.MultiBinary(2)), "'actions' have.*with the spaces it had"),
        (LabelStore(spaces.Dict({"a": BOX}), DISCRETE), "observations/a.npy"),
        (LabelStore(BOX, spaces.Discrete(2)), r"actions must be elements of Discrete\(2\)"),
    ):
        with pytest.raises(LabelFileError, match=message):
            other.load(path)
        assert len(other) == 0


def test_a_file_that_is_missing_is_an_error_of_the_system(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        make_store().load(tmp_path / "nowhere.npz")


def test_a_file_keeps_the_name_that_it_was_given_and_an_old_one_survives_a_full_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """np.savez appends .npz to other names, and writes over the old file."""
    path = tmp_path / "labels"
    make_store(1.0).save(path)
    before = path.read_bytes()
    store = make_store()
    store.load(path)
    assert len(store) == 1

    def fill_disk(file: Any, **arrays: Any) -> None:
        file.write(b"half")
        raise OSError("No space left on device")

    monkeypatch.setattr(np, "savez", fill_disk)
    with pytest.raises(OSError, match="No space"):
        store.save(path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def member(shape: str, dtype: str = "<f4", content: bytes = b"") -> bytes:
    """An array's file with any header."""
    header = f"{{'descr': '{dtype}', 'fortran_order': False, 'shape': {shape}, }}".ljust(117) + "\n"
    return b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header.encode() + content


@pytest.mark.parametrize("kind", ["compressed", "claims", "many"])
def test_a_bomb_is_refused_without_taking_memory(kind: str, tmp_path: Path) -> None:
    arrays, path = good_arrays(tmp_path), tmp_path / "bomb.npz"
    n_bytes = 300 * 2**20
    if kind == "compressed":  # 294 KB on the disk
        np.savez_compressed(path, **{**arrays, "social_rewards": np.zeros(n_bytes // 4, np.float32)})
    elif kind == "claims":  # nothing on the disk
        with zipfile.ZipFile(tmp_path / "good.npz") as good, zipfile.ZipFile(path, "w") as bomb:
            for name in good.namelist():
                claimed = member(f"({n_bytes // 4},)") if name == "social_rewards.npy" else good.read(name)
                bomb.writestr(name, claimed)
    else:
        with zipfile.ZipFile(path, "w") as bomb:
            for i in range(5000):
                bomb.writestr(f"{i}.npy", b"")
    assert path.stat().st_size < 600_000
    tracemalloc.start()
    try:
        refused(path)
        assert tracemalloc.get_traced_memory()[1] < 20 * 2**20
    finally:
        tracemalloc.stop()


# Any bytes.

Mutation = tuple[str, int, int, bytes]


def mutated(content: bytes, mutations: list[Mutation]) -> bytes:
    for kind, start, length, new in mutations:
        start %= len(content) + 1
        end = len(content) if kind == "cut" else start + (len(new) if kind == "overwrite" else length)
        content = content[:start] + (b"" if kind == "cut" else new) + content[end:]
    return content


MUTATIONS = st.lists(
    st.tuples(
        st.sampled_from(["overwrite", "replace", "cut"]),
        st.integers(0, 10_000),
        st.integers(0, 100),
        st.binary(min_size=1, max_size=8) | st.sampled_from([b"\xff" * 8, b"\0" * 8, b"Infinity", b"nan", b"PK\1\2"]),
    ),
    min_size=1,
    max_size=4,
)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("whole") / "labels.npz"
    make_store(*[0.0, 1.0] * (N // 2), capacity=50, held_out=0.3).save(path)
    return path.read_bytes()


def check_loaded_or_refused(path: Path, content: bytes) -> bool:
    """Load a file of any content into a store; returns whether it was accepted."""
    path.write_bytes(content)
    store = make_store(1.0, -1.0, capacity=50)
    try:
        store.load(path)
    except LabelFileError:
        assert store.labels().social_rewards.tolist() == [1.0, -1.0]
        assert numbers_in(store.labels()) == [0, 1]
        return False
    labels = store.labels()
    assert len(labels.social_rewards) == min(store.n_added, 50)
    assert np.isfinite(labels.social_rewards).all()
    transitions = labels.transitions
    assert np.isfinite(transitions.observations).all()  # type: ignore[arg-type]
    assert np.isfinite(transitions.next_observations).all()  # type: ignore[arg-type]
    assert np.isin(transitions.actions, [0, 1, 2]).all()
    store.add(make_labels([0.0]))
    return True


@given(MUTATIONS)
@example([])
def test_any_damage_is_found_or_leaves_good_labels(
    tmp_path_factory: pytest.TempPathFactory, whole: bytes, mutations: list[Mutation]
) -> None:
    accepted = check_loaded_or_refused(tmp_path_factory.getbasetemp() / "damaged.npz", mutated(whole, mutations))
    assert accepted or mutations


def random_bytes_in(content: bytes, rng: np.random.Generator) -> bytes:
    """The same with a few random bytes, often those that mean most in a zip and in NumPy's headers."""
    damaged = bytearray(content)
    for _ in range(rng.integers(1, 5)):
        at = int(rng.integers(len(damaged)))
        damaged[at] = rng.choice([0, 255, damaged[at] ^ (1 << int(rng.integers(8))), int(rng.integers(256))])
    return bytes(damaged[: rng.integers(len(damaged))]) if rng.random() < 0.1 else bytes(damaged)


def with_valid_sums(content: bytes, rng: np.random.Generator) -> bytes:
    """Damage inside the members, under checksums that are right: what a stranger would write."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as good, zipfile.ZipFile(out, "w") as bad:
        for info in good.infolist():
            inner = good.read(info)
            bad.writestr(info.filename, random_bytes_in(inner, rng) if rng.random() < 0.4 else inner)
    return out.getvalue()


@pytest.mark.slow
@pytest.mark.parametrize("damage", [random_bytes_in, with_valid_sums])
def test_many_damaged_files(damage: Any, whole: bytes, tmp_path: Path) -> None:
    rng, n = np.random.default_rng(0), 10 * settings().max_examples
    accepted = sum(check_loaded_or_refused(tmp_path / "damaged.npz", damage(whole, rng)) for _ in range(n))
    assert accepted < n
