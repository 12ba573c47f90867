"""The whole programs in README and guide run as printed, but for the numbers of steps and environments."""

import re
from functools import partialmethod
from pathlib import Path
from typing import Any

import pytest

from sb3_isr import ISRTrainer

ROOT = Path(__file__).parents[1]
README, GUIDE = ROOT / "README.md", ROOT / "docs" / "guide.md"
EXAMPLES = [
    example
    for path in (README, GUIDE)
    for example in re.findall(r"```python\n(.*?)```", path.read_text(), flags=re.DOTALL)
    if example.startswith("import gymnasium")
]


def test_the_examples_were_found() -> None:
    assert len(EXAMPLES) == 3


@pytest.mark.slow
@pytest.mark.parametrize("example", EXAMPLES)
def test_an_example_runs_as_printed(example: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(ISRTrainer, "__init__", partialmethod(ISRTrainer.__init__, gradient_steps=20))
    shortened, n_learns = re.subn(r"\.learn\([\d_]+", ".learn(100", example)
    assert n_learns == example.count(".learn(")
    shortened = re.sub(r"n_envs=\d+", "n_envs=1", shortened)
    exec(compile(shortened, str(README), "exec"), {"__name__": "__main__"})


@pytest.mark.slow
def test_the_drop_in_example_internalizes() -> None:
    names: dict[str, Any] = {}
    example, n_found = re.subn(r"model\.learn\([\d_]+, callback=", "callback = (", EXAMPLES[0])
    assert n_found == 1
    exec(example.replace("n_envs=8", "n_envs=1"), names)
    callback = names["callback"]
    names["model"].learn(4096, callback=callback)
    labels = callback.store.labels()
    assert len(labels.social_rewards) >= 2048
    assert abs(callback.isr.predict(*labels.select(slice(0, 1)).transitions) - 1.0) < 0.05
