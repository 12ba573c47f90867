import multiprocessing
import os
from collections.abc import Iterator

import pytest
import torch
from hypothesis import settings

# HYPOTHESIS_EXAMPLES=1000 looks longer for what breaks a property.
settings.register_profile("sb3-isr", max_examples=int(os.environ.get("HYPOTHESIS_EXAMPLES", "24")), deadline=None)
settings.load_profile("sb3-isr")

# A process that imports torch and sb3-isr takes seconds; forked from one that has them it takes none.
multiprocessing.set_forkserver_preload(["tests.scripted_env"])


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    """Two test processes share two cores, and sums over threads are not reproducible."""
    torch.set_num_threads(1)


@pytest.fixture(autouse=True, scope="session")
def _jax_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """SBX compiles each learner anew; from a cache the second one of a kind takes a tenth of the time."""
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("JAX_COMPILATION_CACHE_DIR", str(tmp_path_factory.getbasetemp() / "jax"))
        environment.setenv("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")
        environment.setenv("JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES", "0")
        yield
