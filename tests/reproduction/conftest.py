from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True, scope="session")
def _short_evaluations() -> Iterator[None]:
    """Most of a tiny socialization's time would be its evaluation on nine tasks."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("reproduction.evaluate.EVALUATION_EPISODES", 5)
        yield
