import multiprocessing
import os

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
