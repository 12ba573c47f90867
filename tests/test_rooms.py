"""Imports between the rooms of the package go one way, and never in a circle."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

ROOT = Path(__file__).parents[1]
#: Each room may import from those before it. CONTRIBUTING.md shows the same order.
ROOMS = [
    "version",
    "common",
    "labels",
    "isr",
    "caregivers",
    "respondents",
    "schedules",
    "wrappers",
    "callbacks",
    "envs",
    "console",
    "testing",
    "zoo",
    "evaluation",
    "tuning",
    "demo",
    "label_tools",
    "cli",
    "__main__",
]


def modules() -> dict[str, Path]:
    """The modules of the package by their dotted names."""
    paths = sorted((ROOT / "sb3_isr").rglob("*.py"))
    return {".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path for path in paths}


def imports(path: Path) -> Iterator[str]:
    """The dotted names that a file imports, but for those that only a type checker sees."""
    tree = ast.parse(path.read_text())
    hidden = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
        for inner in ast.walk(node)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module is not None and id(node) not in hidden:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Import) and id(node) not in hidden:
            yield from (alias.name for alias in node.names)


def edges() -> Iterator[tuple[str, str]]:
    """Pairs of a module and a module that it imports."""
    known = modules()
    for name, path in known.items():
        for imported in imports(path):
            target = imported if imported in known else imported.rpartition(".")[0]
            if target in known and target != name:
                yield name, target


def room(module: str) -> str:
    return module.split(".")[1]


def test_a_room_imports_only_rooms_before_it() -> None:
    inner = [(a, b) for a, b in edges() if "sb3_isr" not in (a, b)]
    assert {room(name) for pair in inner for name in pair} <= set(ROOMS)
    upwards = [(a, b) for a, b in inner if ROOMS.index(room(b)) > ROOMS.index(room(a))]
    assert not upwards


def test_no_files_import_one_another_in_a_circle() -> None:
    graph: dict[str, set[str]] = {}
    for name, target in edges():
        graph.setdefault(name, set()).add(target)
    assert list(TopologicalSorter(graph).static_order())  # raises CycleError, which names the circle


def test_the_package_does_not_import_what_is_only_in_a_clone() -> None:
    clone_only = ("reproduction", "benchmarks", "examples", "tests")
    assert not [(n, i) for n, path in modules().items() for i in imports(path) if i.split(".")[0] in clone_only]
