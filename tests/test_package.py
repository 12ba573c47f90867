"""What a user gets by importing and installing."""

import ast
import itertools
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gymnasium
import pytest

import sb3_isr
import sb3_isr.envs

ROOT = Path(__file__).parents[1]

CONTRACT = [
    "SocialRewardWrapper",
    "TaskRewardCaregiver",
    "VecISRReward",
    "ISRRewardWrapper",
    "ISRCallback",
    "InternalSocialReward",
    "LeaveAt",
    "Fade",
    "Visits",
    "Always",
    "Never",
]

OPTIONAL = [
    "matplotlib",
    "tqdm",
    "PIL",
    "minigrid",
    "pygame",
    "optuna",
    "rl_zoo3",
    "sb3_contrib",
    "sbx",
    "sqlalchemy",
    "pettingzoo",
    "supersuit",
    "dask",
    "pytest",
]

#: Distributions whose names are not those of the modules in them.
DISTRIBUTIONS = {"PIL": "pillow", "sbx": "sbx-rl", "yaml": "pyyaml"}


def run(code: str) -> str:
    """Run code in a process of its own, and return what it prints."""
    return subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, cwd=ROOT).stdout


@pytest.mark.parametrize("name", CONTRACT)
def test_the_names_that_users_rely_on(name: str) -> None:
    assert name in sb3_isr.__all__
    assert hasattr(sb3_isr, name)


@pytest.mark.parametrize("package", [sb3_isr, sb3_isr.envs])
def test_all_exported_names_exist(package: Any) -> None:
    assert all(hasattr(package, name) for name in package.__all__)
    assert not hasattr(package, "Missing")


@pytest.mark.slow
def test_importing_it_imports_no_optional_dependency() -> None:
    # SB3 imports some of them where they are installed, but neither MiniGrid nor pygame; sb3_isr must import none.
    code = "import sys, stable_baselines3; before = set(sys.modules); import sb3_isr, sb3_isr.envs, sb3_isr.testing; "
    code += f"print([name for name in {OPTIONAL} if name in set(sys.modules) - before], "
    code += "'minigrid' in sys.modules, 'pygame' in sys.modules)"
    assert run(code) == "[] False False\n"


@pytest.mark.slow
def test_without_the_optional_dependencies_it_works_and_an_environment_names_the_extra() -> None:
    code = f"""
import sys
sys.modules.update(dict.fromkeys({OPTIONAL}))  # an import of any of these fails now
import gymnasium, sb3_isr, sb3_isr.cli, sb3_isr.label_tools.commands, sb3_isr.testing
for name in ("CoinGame-v0", "CoinGame-plus-v0", "Prosocial-v0"):
    try:
        gymnasium.make(f"sb3_isr/{{name}}")
    except ImportError as error:
        print(error)
"""
    lines = run(code).splitlines()
    assert len(lines) == 3
    assert all(re.fullmatch(r"\w+Env needs MiniGrid, got .*; pip install 'sb3-isr\[envs\]'\.", line) for line in lines)


@pytest.mark.parametrize(
    ("name", "kwargs", "shape"),
    [("CoinGame-v0", {"layout": "plus"}, (9, 9, 4)), ("Prosocial-v0", {"max_steps": 50}, (9, 9, 5))],
)
def test_the_environments_are_registered(name: str, kwargs: dict[str, Any], shape: tuple[int, ...]) -> None:
    observation, _ = gymnasium.make(f"sb3_isr/{name}", **kwargs).reset(seed=0)
    assert observation.shape == shape


def imported_modules(path: Path) -> Iterator[str]:
    """The top-level modules that a file imports, anywhere in it."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module is not None and node.level == 0:
            yield node.module.partition(".")[0]


def test_everything_imported_is_a_declared_dependency_or_in_an_extra() -> None:
    tomllib = pytest.importorskip("tomllib")  # new in Python 3.11
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    requirements = itertools.chain(project["dependencies"], *project["optional-dependencies"].values())
    declared = {normalized(re.split(r"[\[<>=]", requirement)[0]) for requirement in requirements}
    external = {
        (module, path.relative_to(ROOT))
        for path in (ROOT / "sb3_isr").rglob("*.py")
        for module in set(imported_modules(path)) - sys.stdlib_module_names - {"sb3_isr", "reproduction"}
    }
    assert {"numpy", "minigrid", "PIL"} <= {module for module, _ in external}
    undeclared = {each for each in external if normalized(DISTRIBUTIONS.get(each[0], each[0])) not in declared}
    assert not undeclared, "declare it in pyproject.toml, or give the distribution's name in DISTRIBUTIONS"


def normalized(name: str) -> str:
    """The form in which package indexes compare names."""
    return name.lower().replace("_", "-")


def test_the_package_is_a_command_that_knows_its_version() -> None:
    command = [sys.executable, "-m", "sb3_isr", "--version"]
    assert (
        subprocess.run(command, capture_output=True, text=True, check=True).stdout == f"sb3-isr {sb3_isr.__version__}\n"
    )
