"""A folder of checkpoints survives kills at any moment, and other trainings."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from stable_baselines3 import PPO

from sb3_isr import ISRCallback, ISRCheckpoint
from sb3_isr.callbacks.checkpoint_folder import CheckpointFolder
from tests.callbacks.folders import names, resume, train
from tests.callbacks.learners import QUICK, ppo, scripted
from tests.callbacks.resumed import Interrupt


def write(folder: CheckpointFolder, step: int, text: str = "content") -> None:
    """Write a checkpoint of one file and one folder in it."""
    with folder.writing(step, {"text": text}) as partial:
        (partial / "file").write_text(text)


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
    with pytest.raises(ValueError, match="An ISRCallback is for one learner"):
        ppo().learn(128, callback=callback)
    assert names(tmp_path) == ["step_000000000064"]


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


@pytest.mark.slow
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
