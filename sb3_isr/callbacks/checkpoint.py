"""
Checkpoints from which training continues as if it had not been interrupted.

A checkpoint is a folder ``step_...`` with the learner (SB3's zip, and the replay buffer), the ISR and its trainer, the
labels, the state of the callbacks, and that of environments and random generators.

The learner's zip, its replay buffer and the state of the process are pickles, as SB3's own files are: resume only from
your own checkpoints. What is handed on to others is ``isr.safetensors``.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeVar

from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.callbacks import BaseCallback, CallbackList, ConvertCallback, ProgressBarCallback
from stable_baselines3.common.vec_env import VecEnv

from sb3_isr.callbacks.checkpoint_folder import CheckpointFolder
from sb3_isr.callbacks.child import ISRChildCallback
from sb3_isr.callbacks.environment_state import (
    dumps_with_environments,
    loads_with_environments,
    warn_of_new_episodes,
)
from sb3_isr.callbacks.learner_state import end_episodes, get_state, load_learner, save_learner, set_state
from sb3_isr.callbacks.resume_check import (
    check_same,
    describe_setting,
    describe_training,
    warn_of_other_environments,
)
from sb3_isr.callbacks.step_announcer import StepAnnouncer
from sb3_isr.common.arguments import whole_number

Algorithm = TypeVar("Algorithm", bound=BaseAlgorithm)


class ISRCheckpoint(ISRChildCallback):
    """
    Writes checkpoints of learner, ISR, labels, callbacks and environments, and resumes from them.

    If one cannot be written, training goes on with a warning, and the one before it is kept.

    :param folder: Where the checkpoints are kept; the newest replaces the one before it. Each training needs a folder
        of its own.
    :param every: Write one every so many environment steps, at the next start of a rollout.
    :raises ValueError: If ``every`` is not positive; and when training starts, if the folder cannot be written in, is
        used by another training, or has checkpoints from which this one was not resumed.
    """

    def __init__(self, folder: str | os.PathLike[str], every: int = 10_000) -> None:
        super().__init__()
        self.every = whole_number("every", every)
        self.folder = Path(folder)
        self._folder = CheckpointFolder(folder)
        self._steps = 0
        self._learner: BaseAlgorithm | None = None  # the one whose checkpoints are in the folder
        self._description: dict[str, Any] = {}
        self._learner_state: dict[str, Any] | None = None
        self._has_warned = False

    def can_resume(self) -> bool:
        """
        Look for a checkpoint.

        :return: Whether there is one.
        """
        return self._folder.newest() is not None

    def resume(self, algorithm: type[Algorithm], env: VecEnv, **kwargs: Any) -> Algorithm:
        """
        Restore the newest checkpoint.

        Then call ``learn`` with ``reset_num_timesteps=False`` and the remaining steps,
        ``total - model.num_timesteps``.

        :param algorithm: The learner's class.
        :param env: Training environments, built as they were. Those that can be pickled continue in mid-episode.
        :param kwargs: Passed to the learner's ``load``.
        :return: The learner.
        :raises FileNotFoundError: If there is no checkpoint.
        :raises ValueError: If learner, environments or arguments of the callback are not as they were, or if another
            training writes in the folder.
        """
        path = self._folder.newest()
        if path is None:
            raise FileNotFoundError(
                f"There must be a checkpoint to resume from, got none in {os.fspath(self.folder)!r}; "
                "check can_resume() first, and start anew if there is none."
            )
        _ = self.isr_callback
        self._folder.open()
        try:
            return self._resume(path, algorithm, env, **kwargs)
        except BaseException:
            self._folder.close()
            raise

    def _resume(self, path: Path, algorithm: type[Algorithm], env: VecEnv, **kwargs: Any) -> Algorithm:
        callback = self.isr_callback
        there = self._folder.contents(path)
        check_same(describe_setting(algorithm, algorithm._wrap_env(env)), there, path)
        model = load_learner(path, algorithm, env, **kwargs)
        callback.init_callback(model)
        here = self._describe(model)
        check_same({name: here[name] for name in ("model", "callback")}, there, path)
        callback.internalizer.load(path)
        assert model.env is not None
        state, obstacle = loads_with_environments((path / "process.pkl").read_bytes(), model.env)
        callback.load_state_dict(state["callback"])
        model.action_space = state["action_space"]
        self._learner_state = state["learner"]
        if obstacle is None:
            warn_of_other_environments(here["environment_arguments"], there["environment_arguments"])
        else:
            end_episodes(model)
            warn_of_new_episodes(f"Resumed at step {model.num_timesteps}", obstacle)
        self._learner, self._description = model, there
        return model

    def _init_callback(self) -> None:
        super()._init_callback()
        others = [child for child in self.isr_callback.children if child is not self]
        if any(isinstance(child, ISRCheckpoint) and child.folder == self.folder for child in others):
            raise ValueError(
                f"There must be one ISRCheckpoint in a folder, got two in {os.fspath(self.folder)!r}; leave one out."
            )

    def _on_training_start(self) -> None:
        self._folder.open()
        try:
            self._check_start()
        except ValueError:
            self._folder.close()
            raise
        if self._learner is not self.model:
            self._learner, self._description = self.model, self._describe(self.model)

    def _check_start(self) -> None:
        newest = self._folder.newest()
        if self._learner is not self.model and newest is not None:
            raise ValueError(
                "A training that starts anew must write its checkpoints in a folder without any, got "
                f"{os.fspath(newest)!r} of another training; resume from it (checkpoint.resume(...) instead of a new "
                "model), choose another folder, or delete that one."
            )
        if self._learner_state is not None and not self.model.num_timesteps:
            raise ValueError(
                "A resumed training must continue with its count of steps, got learn(...) that starts at step 0; "
                "write model.learn(total - model.num_timesteps, callback=callback, reset_num_timesteps=False)."
            )

    def _on_rollout_start(self) -> None:
        # The only moment at which SB3 holds no half-stored transition and no half-filled rollout.
        if self._learner_state is not None:
            set_state(self.model, self._learner_state)
            self._learner_state = None
        if self._steps >= self.every:
            self._steps = 0
            self._save()

    def _on_step(self) -> bool:
        self._steps += self.training_env.num_envs
        return True

    def _on_rollout_end(self) -> None:
        # Not at the next start: labels may raise an alarm, and what other children then do at a start must not depend
        # on whether they come before this one.
        if self._steps >= self.every:
            self.isr_callback.collect()

    def _on_training_end(self) -> None:
        self._folder.close()

    def _describe(self, model: BaseAlgorithm) -> dict[str, Any]:
        return describe_training(model, self.isr_callback)

    def _save(self) -> None:
        try:
            with self._folder.writing(self.model.num_timesteps, self._description) as partial:
                self._write(partial)
        except Exception as error:  # full disks raise OSError, and others in torch; days of training do not end for it
            newest = self._folder.newest()
            warnings.warn(
                f"NO CHECKPOINT was written at step {self.model.num_timesteps} in {os.fspath(self.folder)!r} "
                f"({type(error).__name__}: {error}). The newest is {newest.name if newest else 'none'}. Training goes "
                f"on; the next attempt is in {self.every} steps.",
                stacklevel=2,
            )

    def _write(self, partial: Path) -> None:
        model = self.model
        save_learner(model, partial)
        self.isr_callback.internalizer.save(partial)
        state = {
            "callback": self.isr_callback.state_dict(),
            "learner": get_state(model),
            "action_space": model.action_space,  # draws the first actions of off-policy algorithms
        }
        # One pickle, so that generators which callback, learner and environments share are shared again.
        data, obstacle = dumps_with_environments(state, self.training_env)
        (partial / "process.pkl").write_bytes(data)
        if not self._has_warned:
            self._has_warned = True
            self._warn_of_what_is_not_held(obstacle)

    def _warn_of_what_is_not_held(self, obstacle: str | None) -> None:
        if obstacle is not None:
            warn_of_new_episodes("After a resume", obstacle)
        others = [type(other).__name__ for other in _callbacks(self.locals.get("callback"))]
        others = [name for name in dict.fromkeys(others) if name != type(self.isr_callback).__name__]
        if others:
            warnings.warn(
                f"After a resume, {', '.join(others)} will start anew: checkpoints hold the state of ISRCallback and "
                "of its children, not of the callbacks beside it.",
                stacklevel=2,
            )


def _callbacks(callback: BaseCallback | None) -> Iterator[BaseCallback]:
    if isinstance(callback, CallbackList):
        for inner in callback.callbacks:
            yield from _callbacks(inner)
    elif callback is not None and not isinstance(callback, ConvertCallback | ProgressBarCallback | StepAnnouncer):
        yield callback
