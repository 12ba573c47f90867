"""Training goes on when a checkpoint cannot be written, and says so."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import warnings
from pathlib import Path
from typing import Any

import pytest

from sb3_isr import ISRCallback, ISRCheckpoint
from tests.callbacks.folders import names, train
from tests.callbacks.learners import QUICK, ppo
from tests.callbacks.resumed import Interrupt
from tests.full_disk import files_limited


class Limited(Interrupt):
    """Files are limited from a step on, up to another one."""

    def __init__(self, start: int, end: int, n_bytes: int) -> None:
        super().__init__(start)
        self.end = end
        self.limit = files_limited(n_bytes)
        self.is_limited = False

    def _on_step(self) -> bool:
        must = self.step <= self.num_timesteps < self.end
        if must and not self.is_limited:
            self.limit.__enter__()
        if self.is_limited and not must:
            self.limit.__exit__(None, None, None)
        self.is_limited = must
        return True

    def _on_rollout_start(self) -> None:
        pass


@pytest.mark.parametrize("n_bytes", [0, 100, 2000, 5000, 10_000])
def test_training_goes_on_when_the_disk_is_full_and_the_checkpoint_before_is_kept(n_bytes: int, tmp_path: Path) -> None:
    callback = ISRCallback(callback=ISRCheckpoint(tmp_path, every=32), **QUICK)
    model = ppo()
    with warnings.catch_warnings(record=True) as met:
        warnings.simplefilter("default")
        model.learn(160, callback=[callback, Limited(40, 100, n_bytes)])
    told = [str(warning.message) for warning in met if "NO CHECKPOINT" in str(warning.message)]
    assert [text.split(" in ")[0] for text in told] == [
        "NO CHECKPOINT was written at step 64",
        "NO CHECKPOINT was written at step 96",
    ]
    assert all("The newest is step_000000000032. Training goes on; the next attempt is in 32 steps." in t for t in told)
    assert names(tmp_path) == ["step_000000000128"], "tried again, and with success"
    assert model.num_timesteps == 160


def test_a_full_disk_has_room_again_after_a_failure(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=400k", "tmpfs", str(disk)]
    if shutil.which("mount") is None or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("mounting a small disk needs root")
    try:
        callback = ISRCallback(callback=ISRCheckpoint(disk / "ck", every=32), **QUICK)
        model = ppo()
        model.learn(64, callback=callback)
        used = shutil.disk_usage(disk).used
        (disk / "others").write_bytes(bytes(shutil.disk_usage(disk).free - 8192))
        with pytest.warns(UserWarning, match=r"NO CHECKPOINT was written at step \d+ .*step_000000000032"):
            model.learn(64, callback=callback, reset_num_timesteps=False)
        (disk / "others").unlink()
        assert abs(shutil.disk_usage(disk).used - used) <= 8192, "nothing half written stays"
        model.learn(64, callback=callback, reset_num_timesteps=False)
        assert names(disk / "ck") == ["step_000000000160"]
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def test_a_folder_that_cannot_be_written_in_is_refused_when_training_starts(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    model = ppo()
    with pytest.raises(ValueError, match=r"able to write in its folder, got '.*file.ck' \(.*Not a directory"):
        train(tmp_path / "file" / "ck", model=model)
    assert model.num_timesteps == 0


def test_a_folder_that_is_removed_during_training_is_made_again(tmp_path: Path) -> None:
    class Remover(Interrupt):
        def _on_rollout_start(self) -> None:
            if self.model.num_timesteps == self.step:
                shutil.rmtree(tmp_path / "ck")

    callback = ISRCallback(callback=ISRCheckpoint(tmp_path / "ck", every=32), **QUICK)
    ppo().learn(160, callback=[callback, Remover(64)])
    assert names(tmp_path / "ck") == ["step_000000000128"]


def test_anything_that_goes_wrong_while_saving_is_said_and_training_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Memory may be used up by the pickle of a replay buffer, too."""

    def fail(self: Any, folder: Path) -> None:
        raise MemoryError("no more")

    monkeypatch.setattr("sb3_isr.callbacks.internalizer.Internalizer.save", fail)
    with pytest.warns(UserWarning, match=r"NO CHECKPOINT .*\(MemoryError: no more\)\. The newest is none"):
        train(tmp_path, 128)
    assert names(tmp_path) == []


def test_saved_files_have_the_users_umask(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        train(tmp_path / "ck")
    finally:
        os.umask(before)
    (path,) = (tmp_path / "ck").iterdir()
    modes = {inside.name: stat.S_IMODE(inside.stat().st_mode) for inside in [path, *path.iterdir()]}
    assert len(modes) > 5
    assert modes == {name: 0o750 if name == path.name else 0o640 for name in modes}
