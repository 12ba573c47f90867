import pytest
import torch


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    """Two test processes share two cores, and sums over threads are not reproducible."""
    torch.set_num_threads(1)
