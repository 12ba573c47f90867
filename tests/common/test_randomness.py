import pickle
import random
from typing import Any

import numpy as np
import pytest
import torch

from sb3_isr.common.randomness import get_generators, private_torch_generator, set_generators


def draws() -> tuple[float, float, float]:
    return random.random(), float(np.random.random()), float(torch.rand(()))


@pytest.mark.parametrize("stored", [lambda states: states, lambda states: pickle.loads(pickle.dumps(states))])
def test_a_snapshot_restores_the_global_generators(stored: Any) -> None:
    states = stored(get_generators())
    expected = draws()
    assert draws() != expected
    set_generators(states)
    assert draws() == expected


def test_private_draws_depend_on_the_seed_alone_and_leave_the_global_generators_unchanged() -> None:
    states = get_generators()
    expected = draws()
    set_generators(states)
    private = []
    for seed in (0, 1, 0):
        with private_torch_generator(seed, torch.device("cpu")):
            private.append(float(torch.rand(())))
    assert draws() == expected
    assert private[0] == private[2] != private[1]


def test_the_generators_are_restored_after_an_error() -> None:
    def draw_and_fail() -> None:
        with private_torch_generator(0, torch.device("cpu")):
            torch.rand(())
            raise KeyError

    before = torch.get_rng_state()
    with pytest.raises(KeyError):
        draw_and_fail()
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize(("n_saved", "n_gpus"), [(4, 1), (1, 4), (0, 2), (2, 2)])
def test_a_snapshot_of_a_machine_with_other_gpus_is_restored_as_far_as_they_are_here(
    n_saved: int, n_gpus: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    restored: dict[int, int] = {}
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr("torch.cuda.device_count", lambda: n_gpus)
    monkeypatch.setattr("torch.cuda.set_rng_state", lambda state, gpu: restored.update({gpu: state}))
    monkeypatch.setattr("torch.cuda.get_rng_state_all", lambda: [])
    set_generators({**get_generators(), "cuda": [10 + gpu for gpu in range(n_saved)]})
    assert restored == {gpu: 10 + gpu for gpu in range(min(n_saved, n_gpus))}
