"""A folder of checkpoints survives kills at any moment, full disks, and other trainings."""

from __future__ import annotations

import json
import os
import resource
import shutil
import signal
import stat
import subprocess
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from stable_baselines3 import PPO

from sb3_isr import ISRCallback, ISRCheckpoint
from sb3_isr.callbacks.checkpoint_folder import CheckpointFolder
from tests.callbacks.learners import QUICK, ppo, scripted
from tests.callbacks.resumed import Interrupt


def train(folder: Path, steps: int = 256, model: PPO | None = None, **kwargs: Any) -> ISRCallback:
    """Train with a checkpoint at the start of every second rollout."""
    callback = ISRCallback(callback=ISRCheckpoint(folder, every=64), **QUICK)
    (ppo() if model is None else model).learn(steps, callback=callback, **kwargs)
    return callback


def resume(folder: Path, steps: int) -> PPO:
    """Train on, up to a number of steps."""
    checkpoint = ISRCheckpoint(folder, every=64)
    callback = ISRCallback(callback=checkpoint, **QUICK)
    model = checkpoint.resume(PPO, scripted(), device="cpu")
    return model.learn(steps - model.num_timesteps, callback=callback, reset_num_timesteps=False)


def write(folder: CheckpointFolder, step: int, text: str = "content") -> None:
    """Write a checkpoint of one file and one folder in it."""
    with folder.writing(step, {"text": text}) as partial:
        (partial / "file").write_text(text)


def names(path: Path) -> list[str]:
    """What is in a folder."""
    return sorted(inside.name for inside in path.iterdir())


def in_child(function: Callable[[], None]) -> int:
    """Run a function in a forked process; returns its process id."""
    process = os.fork()
    if process:
        return process
    try:
        function()
    finally:
        os._exit(0)


# --- whose folder


def test_a_run_started_anew_in_the_folder_of_another_removes_nothing(tmp_path: Path) -> None:
    train(tmp_path, 512)
    before = names(tmp_path)
    with pytest.raises(ValueError, match=r"starts anew .* got '.*step_000000000448' .*checkpoint\.resume"):
        train(tmp_path)
    assert names(tmp_path) == before == ["step_000000000448"]
    assert resume(tmp_path, 576).num_timesteps == 576


def test_a_callback_that_goes_on_with_its_learner_keeps_its_folder(tmp_path: Path) -> None:
    model = ppo()
    callback = train(tmp_path, 256, model)
    model.learn(128, callback=callback)  # counts anew, but what it has learned is newer
    assert names(tmp_path) == ["step_000000000064"]
    with pytest.raises(ValueError, match="starts anew"):
        ppo().learn(128, callback=callback)


def test_two_checkpoints_of_one_training_in_one_folder_are_refused(tmp_path: Path) -> None:
    callback = ISRCallback(callback=[ISRCheckpoint(tmp_path), ISRCheckpoint(tmp_path / "." / "")], **QUICK)
    with pytest.raises(ValueError, match="There must be one ISRCheckpoint in a folder, got two"):
        ppo().learn(32, callback=callback)


def test_a_second_process_is_refused_until_the_first_is_killed(tmp_path: Path) -> None:
    folder = CheckpointFolder(tmp_path)
    ready, say = os.pipe()

    def first() -> None:
        write(folder, 1)
        os.write(say, b".")
        signal.pause()

    process = in_child(first)
    os.read(ready, 1)
    try:
        with pytest.raises(ValueError, match=f"in which process {process} on .* trains; give each training a folder"):
            train(tmp_path / ".." / tmp_path.name)
        with pytest.raises(ValueError, match=f"process {process} on "):
            folder.open()
    finally:
        os.kill(process, signal.SIGKILL)
        os.waitpid(process, 0)
    assert names(tmp_path) == ["lock", "step_000000000001"]
    write(folder, 2)
    folder.close()
    assert names(tmp_path) == ["step_000000000002"]


def test_a_second_training_in_another_thread_is_refused(tmp_path: Path) -> None:
    CheckpointFolder(tmp_path).open()
    errors: list[str] = []

    def second() -> None:
        try:
            CheckpointFolder(tmp_path).open()
        except ValueError as error:
            errors.append(str(error))

    thread = threading.Thread(target=second)
    thread.start()
    thread.join()
    assert "in which another thread of this process, MainThread trains" in errors[0]
    CheckpointFolder(tmp_path).open()  # the training that was here was interrupted
    CheckpointFolder(tmp_path).close()


def test_an_interrupted_training_can_be_resumed_in_the_same_process(tmp_path: Path) -> None:
    callback = ISRCallback(callback=ISRCheckpoint(tmp_path, every=64), **QUICK)
    with pytest.raises(KeyboardInterrupt):
        ppo().learn(256, callback=[callback, Interrupt(128)])
    assert resume(tmp_path, 192).num_timesteps == 192


def test_a_refused_resume_leaves_the_folder_to_others(tmp_path: Path) -> None:
    train(tmp_path)
    checkpoint = ISRCheckpoint(tmp_path)
    ISRCallback("never", callback=checkpoint, **QUICK)
    with pytest.raises(ValueError, match="presence"):
        checkpoint.resume(PPO, scripted(), device="cpu")
    assert names(tmp_path) == ["step_000000000192"]


# --- kills


def test_killed_at_any_operation_on_files_a_whole_checkpoint_is_left_and_nothing_else_stays(tmp_path: Path) -> None:
    """Each file opened, folder made, renamed or removed while a checkpoint is written and replaces older ones."""
    outcomes: set[str] = set()
    for n_operations in range(1, 200):
        path = tmp_path / str(n_operations)
        folder = CheckpointFolder(path)
        write(folder, 1, "old")
        folder.close()

        def killed(folder: CheckpointFolder = folder, left: int = n_operations) -> None:
            count = [left]

            def hook(event: str, arguments: Any) -> None:
                if event == "open" or event.startswith(("os.", "shutil.", "fcntl.")):
                    count[0] -= 1
                    if not count[0]:
                        os.kill(os.getpid(), signal.SIGKILL)

            sys.addaudithook(hook)
            write(folder, 2, "new")

        _, status = os.waitpid(in_child(killed), 0)
        newest = folder.newest()
        assert newest is not None, names(path)
        text = folder.contents(newest)["text"]
        assert (newest / "file").read_text() == text
        outcomes.add(text)
        folder.open()
        assert [name for name in names(path) if not name.startswith("step_")] == ["lock"]
        write(folder, 3, "newest")
        assert names(path) == ["lock", "step_000000000003"]
        folder.close()
        if os.WIFEXITED(status):
            break
    assert n_operations > 20
    assert outcomes == {"old", "new"}


def test_what_a_killed_process_left_half_written_is_removed_when_training_starts(tmp_path: Path) -> None:
    for name in ("partial", "removed.step_000000000001"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "model.zip").write_text("half")
    callback = ISRCallback(callback=ISRCheckpoint(tmp_path), **QUICK)
    ppo().learn(32, callback=callback)
    assert names(tmp_path) == []


@pytest.mark.parametrize("damage", ["missing", "shortened", "no contents", "half of the contents"])
def test_a_checkpoint_that_is_not_whole_is_skipped_for_an_older_one(damage: str, tmp_path: Path) -> None:
    train(tmp_path)
    (old,) = tmp_path.glob("step_*")
    new = shutil.copytree(old, tmp_path / "step_000000000256")
    contents = new / "checkpoint.json"
    contents.write_text(json.dumps({**json.loads(contents.read_text()), "number": 99}))
    assert CheckpointFolder(tmp_path).newest() == new
    if damage == "missing":
        (new / "labels.npz").unlink()
    elif damage == "shortened":
        os.truncate(new / "model.zip", 100)
    elif damage == "no contents":
        contents.unlink()
    else:
        contents.write_text(contents.read_text()[:50])
    assert CheckpointFolder(tmp_path).newest() == old
    assert resume(tmp_path, 256).num_timesteps == 256
    shutil.rmtree(old, ignore_errors=True)
    if not list(tmp_path.glob("step_000000000[01]*")):
        assert not ISRCheckpoint(tmp_path).can_resume()


# --- disks


@contextmanager
def files_limited(n_bytes: int) -> Iterator[None]:
    """No file can grow beyond a size, as on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (n_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


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
