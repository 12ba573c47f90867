"""What the Internalizer writes into a checkpoint, on other machines and for other users."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.callbacks.test_internalizer import attended, internalizer, labels


def test_what_a_gpu_machine_saved_is_loaded_on_a_machine_without(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """torch.save notes the device of each tensor, and torch.load wants it back."""
    saved, loaded = internalizer(), internalizer()
    saved.add([attended(labels(50))], 0.0)
    saved.train()
    with monkeypatch.context() as patch:
        patch.setattr("torch.serialization.location_tag", lambda storage: "cuda:0")
        saved.save(tmp_path)
    if not torch.cuda.is_available():
        with pytest.raises(RuntimeError, match="CUDA"):  # it is as if a GPU had written it
            torch.load(tmp_path / "trainer.pt", weights_only=True)
    loaded.load(tmp_path)
    states: list[Any] = [one.trainer.optimizer.state_dict()["state"][0]["exp_avg"] for one in (saved, loaded)]
    assert torch.equal(*states)
    assert states[1].device.type == "cpu"


@pytest.mark.parametrize(("umask", "mode"), [(0o022, 0o644), (0o027, 0o640), (0o077, 0o600)])
def test_all_files_can_be_read_by_whom_the_umask_lets_read_them(umask: int, mode: int, tmp_path: Path) -> None:
    before = os.umask(umask)
    try:
        internalizer().save(tmp_path)
    finally:
        os.umask(before)
    assert {path.name: path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {
        "isr.safetensors": mode,
        "trainer.pt": mode,
        "labels.npz": mode,
    }
