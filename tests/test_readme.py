"""The README's examples run as printed, but for the number of steps."""

import re
from pathlib import Path

import pytest

README = Path(__file__).parents[1] / "README.md"
EXAMPLES = re.findall(r"```python\n(.*?)```", README.read_text(), flags=re.DOTALL)


def test_the_examples_were_found() -> None:
    assert len(EXAMPLES) == 3


@pytest.mark.parametrize("example", EXAMPLES)
def test_an_example_runs_as_printed(example: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    shortened, n_learns = re.subn(r"\.learn\([\d_]+", ".learn(100", example)
    assert n_learns == example.count(".learn(")
    shortened = re.sub(r"n_envs=\d+", "n_envs=1", shortened)
    exec(compile(shortened, str(README), "exec"), {"__name__": "__main__"})


def test_the_drop_in_example_internalizes(tmp_path: Path) -> None:
    names: dict[str, object] = {}
    exec(EXAMPLES[0].replace("model.learn(200_000, callback=", "callback = ("), names)
    callback, model = names["callback"], names["model"]
    model.learn(32_768, callback=callback)  # type: ignore[attr-defined]
    assert callback.store.n_added >= 16_384  # type: ignore[attr-defined]
    assert abs(callback.isr.predict(*_somewhere(callback)) - 1.0) < 0.05  # type: ignore[attr-defined]


def _somewhere(callback: object) -> tuple[object, object]:
    batch = callback.store.sample(1)  # type: ignore[attr-defined]
    return batch.observations, batch.actions
