"""
Checkpoints from which training continues as if it had not been interrupted.

A checkpoint is a folder ``step_...`` with the learner (SB3's zip, and the replay buffer), the ISR and its trainer, the
labels, the state of the callbacks, and that of environments and random generators. It is written beside the last one
and renamed when it is complete, so that a process killed at any moment leaves a complete one.

The learner's zip, its replay buffer and the state of the process are pickles, as SB3's own files are: resume only from
your own checkpoints. What is handed on to others is ``isr.safetensors``.
"""

from __future__ import annotations

import os
import shutil
import warnings
from pathlib import Path
from typing import Any, TypeVar

import cloudpickle
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.off_policy_algorithm import OffPolicyAlgorithm
from stable_baselines3.common.vec_env import VecEnv, VecEnvWrapper

from sb3_isr.callbacks.child import ISRChildCallback
from sb3_isr.common.randomness import get_generators, set_generators

Algorithm = TypeVar("Algorithm", bound=BaseAlgorithm)


class ISRCheckpoint(ISRChildCallback):
    """
    Writes checkpoints of learner, ISR, labels, callbacks and environments, and resumes from them.

    :param folder: Where the checkpoints are kept; the newest replaces the one before it.
    :param every: Write one every so many environment steps, at the next start of a rollout.
    :raises ValueError: If ``every`` is not positive.
    """

    def __init__(self, folder: str | os.PathLike[str], every: int = 10_000) -> None:
        super().__init__()
        if every < 1:
            raise ValueError(f"every must be a number of steps, 1 or more, got {every!r}.")
        self.folder = Path(folder)
        self.every = every
        self._steps = 0
        self._generators: dict[str, Any] | None = None

    def can_resume(self) -> bool:
        """
        Look for a checkpoint.

        :return: Whether there is one.
        """
        return self._newest() is not None

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
        """
        path = self._newest()
        if path is None:
            raise FileNotFoundError(
                f"There must be a checkpoint to resume from, got none in {os.fspath(self.folder)!r}; "
                "check can_resume() first, and start anew if there is none."
            )
        model, state = _load_learner(path, algorithm, env, **kwargs)
        self.isr_callback.init_callback(model)
        self.isr_callback.internalizer.load(path)
        self.isr_callback.load_state_dict(state["callback"])
        self._generators = state["generators"]
        return model

    def _on_rollout_start(self) -> None:
        # The only moment at which SB3 holds no half-stored transition and no half-filled rollout.
        if self._generators is not None:
            _set_generators(self.model, self._generators)
            self._generators = None
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

    def _newest(self) -> Path | None:
        return max(self.folder.glob("step_*"), default=None)

    def _save(self) -> None:
        model = self.model
        self.folder.mkdir(parents=True, exist_ok=True)
        partial = self.folder / f"partial.{os.getpid()}"
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir()
        model.save(partial / "model.zip")
        if isinstance(model, OffPolicyAlgorithm):
            model.save_replay_buffer(partial / "replay_buffer.pkl")
        self.isr_callback.internalizer.save(partial)
        state = {"callback": self.isr_callback.state_dict(), "generators": _get_generators(model)}
        # One pickle, so that generators which callback and environments share are shared again.
        (partial / "process.pkl").write_bytes(_dumps_with_environments(state, self.training_env))
        complete = self.folder / f"step_{model.num_timesteps:012d}"
        shutil.rmtree(complete, ignore_errors=True)
        partial.rename(complete)
        for other in self.folder.iterdir():
            if other != complete and other.name.startswith(("step_", "partial.")):
                shutil.rmtree(other, ignore_errors=True)


def _load_learner(
    path: Path, algorithm: type[Algorithm], env: VecEnv, **kwargs: Any
) -> tuple[Algorithm, dict[str, Any]]:
    """Returns the learner, and what else is in the pickle."""
    state: dict[str, Any] = cloudpickle.loads((path / "process.pkl").read_bytes())
    layers = state.pop("environments")
    model = algorithm.load(path / "model.zip", env=env, force_reset=layers is None, **kwargs)
    if isinstance(model, OffPolicyAlgorithm):
        model.load_replay_buffer(path / "replay_buffer.pkl")
    if layers is not None:
        assert model.env is not None
        for layer, attributes in zip(_layers(model.env), layers, strict=True):
            vars(layer).update(attributes)
    return model, state


def _get_generators(model: BaseAlgorithm) -> dict[str, Any]:
    # The action space draws the first actions of off-policy algorithms.
    return {**get_generators(), "action_space": model.action_space.np_random.bit_generator.state}


def _set_generators(model: BaseAlgorithm, states: dict[str, Any]) -> None:
    set_generators(states)
    model.action_space.np_random.bit_generator.state = states["action_space"]


def _dumps_with_environments(state: dict[str, Any], env: VecEnv) -> bytes:
    left_out = ("venv", "class_attributes")  # the next layer, and VecEnvWrapper's table of its own methods
    layers = [{key: value for key, value in vars(layer).items() if key not in left_out} for layer in _layers(env)]
    try:
        return bytes(cloudpickle.dumps({**state, "environments": layers}))
    except Exception as error:  # an environment may hold anything: processes, sockets, windows
        warnings.warn(
            f"The environments' state is not in the checkpoints, because it cannot be pickled ({error}); after a "
            "resume their episodes start anew. DummyVecEnv can be pickled, SubprocVecEnv cannot.",
            stacklevel=2,
        )
        return bytes(cloudpickle.dumps({**state, "environments": None}))


def _layers(env: VecEnv) -> list[VecEnv]:
    """The environment's wrappers, outermost first, and the environment itself."""
    layers = [env]
    while isinstance(env, VecEnvWrapper):
        env = env.venv
        layers.append(env)
    return layers
