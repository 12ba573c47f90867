"""
Checkpoints from which training goes on as if nothing had happened.

A checkpoint is a folder ``step_...`` with the learner (SB3's zip, and the replay buffer), the ISR and its optimizer,
the labels, the callback's clock, and the state of environments and random generators. It is written beside the last
one and renamed when it is whole, so that a process killed at any moment leaves a whole one.

The learner's zip, its replay buffer and the state of the process are pickles, as SB3's own files are: resume only from
checkpoints of your own. What is handed on to others is ``isr.safetensors``.
"""

from __future__ import annotations

import os
import random
import shutil
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import cloudpickle
import numpy as np
import torch
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.off_policy_algorithm import OffPolicyAlgorithm
from stable_baselines3.common.vec_env import VecEnv, VecEnvWrapper

Algorithm = TypeVar("Algorithm", bound=BaseAlgorithm)


def save_checkpoint(folder: Path, model: BaseAlgorithm, write_more: Callable[[Path], dict[str, Any]]) -> None:
    """
    Write a checkpoint, and remove the ones before it.

    :param folder: Where the checkpoints are.
    :param model: The learner, between two rollouts.
    :param write_more: Writes further files into the folder that it is given, and returns what goes into the pickle
        beside the generators' states.
    """
    folder.mkdir(parents=True, exist_ok=True)
    partial = folder / f"partial.{os.getpid()}"
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir()
    model.save(partial / "model.zip")
    if isinstance(model, OffPolicyAlgorithm):
        model.save_replay_buffer(partial / "replay_buffer.pkl")
    state = {**write_more(partial), "generators": _generators(model)}
    assert model.env is not None
    # One pickle, so that generators which callback and environments share are shared again.
    (partial / "process.pkl").write_bytes(_dumps_with_environments(state, model.env))
    whole = folder / f"step_{model.num_timesteps:012d}"
    shutil.rmtree(whole, ignore_errors=True)
    partial.rename(whole)
    for other in folder.iterdir():
        if other != whole and other.name.startswith(("step_", "partial.")):
            shutil.rmtree(other, ignore_errors=True)


def newest_checkpoint(folder: str | os.PathLike[str]) -> Path | None:
    """
    :param folder: Where the checkpoints are.
    :return: The newest whole one, None if there is none.
    """
    return max(Path(folder).glob("step_*"), default=None)


def load_model(path: Path, algorithm: type[Algorithm], env: VecEnv, **kwargs: Any) -> tuple[Algorithm, dict[str, Any]]:
    """
    :param path: A checkpoint.
    :param algorithm: The learner's class.
    :param env: Training environments, built as before; they are put into the state they were in.
    :param kwargs: Passed to the learner's ``load``.
    :return: The learner, and what else was in the pickle.
    """
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


def restore_generators(model: BaseAlgorithm, generators: dict[str, Any]) -> None:
    """
    Put the process's generators into the state they were in.

    :param model: The learner, whose action space draws its first actions.
    :param generators: What :func:`save_checkpoint` kept.
    """
    random.setstate(generators["python"])
    np.random.set_state(generators["numpy"])
    torch.set_rng_state(generators["torch"])
    if torch.cuda.is_available():
        torch.cuda.set_rng_state_all(generators["cuda"])
    model.action_space.np_random.bit_generator.state = generators["action_space"]


def _generators(model: BaseAlgorithm) -> dict[str, Any]:
    return {
        "python": random.getstate(),
        "numpy": np.random.get_state(),
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
        "action_space": model.action_space.np_random.bit_generator.state,
    }


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
