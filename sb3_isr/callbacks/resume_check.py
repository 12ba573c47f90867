"""What must be the same when a training is resumed: the learner, the environments, and the callback's arguments."""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.vec_env import VecEnv

from sb3_isr.callbacks.environment_state import layers_of
from sb3_isr.common.descriptions import describe, differences

if TYPE_CHECKING:
    from sb3_isr.callbacks.isr_callback import ISRCallback


def describe_training(model: BaseAlgorithm, callback: ISRCallback) -> dict[str, Any]:
    """
    Describe what a training consists of.

    :param model: The learner, with its environments.
    :param callback: The callback, initialized.
    :return: Plain values that JSON holds.
    """
    assert model.env is not None
    return {
        **describe_setting(type(model), model.env),
        "model": {"seed": describe(model.seed)},
        "callback": _describe_callback(callback),
        "environment_arguments": [_describe_layer(layer) for layer in layers_of(model.env)],
    }


def describe_setting(algorithm: type[BaseAlgorithm], env: VecEnv) -> dict[str, Any]:
    """
    Describe what can be compared before anything is loaded.

    :param algorithm: The learner's class.
    :param env: Its environments.
    :return: Plain values that JSON holds.
    """
    return {
        "algorithm": describe(algorithm),
        "n_envs": env.num_envs,
        "observation_space": describe(env.observation_space),
        "action_space": describe(env.action_space),
        "environments": [type(layer).__name__ for layer in layers_of(env)],
    }


def check_same(here: Mapping[str, Any], there: Mapping[str, Any], path: Path) -> None:
    """
    Check that a training can be resumed: nothing may be taken from the checkpoint that was asked for otherwise.

    :param here: What the script makes.
    :param there: What the checkpoint says of the same.
    :param path: The checkpoint.
    :raises ValueError: If they differ.
    """
    met = differences(dict(here), {name: there.get(name) for name in here})
    if met:
        raise ValueError(
            f"To resume from {os.fspath(path)!r}, all must be made as it was when the checkpoint was written, got "
            f"{', '.join(met)}; make it the same, or start a new training with the learner and the ISR that are there "
            "(load model.zip, and ISRCallback(isr=...) with isr.safetensors) and another folder for its checkpoints."
        )


def warn_of_other_environments(here: Any, there: Any) -> None:
    """
    Say that arguments of environments are taken from the checkpoint, as part of what was restored.

    :param here: Description of the environments that the script makes.
    :param there: Description of those that were restored.
    """
    # No error: an environment may change what it was given when it is reset.
    met = differences(here, there)
    if met:
        warnings.warn(
            "The environments continue as they are in the checkpoint, although they seem to be made with other "
            f"arguments now: {', '.join(met)}. For other environments start a new training.",
            stacklevel=3,
        )


def _describe_callback(callback: ISRCallback) -> dict[str, Any]:
    trainer, store = callback.internalizer.trainer, callback.internalizer.store
    arguments = callback.arguments
    given = {
        "isr_kwargs": arguments.isr_kwargs,
        "trainer_kwargs": arguments.trainer_kwargs,
        "store_kwargs": arguments.store_kwargs,
    }
    description: dict[str, Any] = {name: {"seed": describe(kwargs.get("seed"))} for name, kwargs in given.items()}
    # As they are used, so that a default that is given is a default.
    description["trainer_kwargs"] |= {
        **{name: value for name, value in describe(trainer).items() if name not in ("isr", "seed", "class")},
        "optimizer_class": describe(type(trainer.optimizer)),
        "optimizer_kwargs": describe(trainer.optimizer.defaults),
    }
    description["store_kwargs"] |= {"capacity": describe(store.capacity), "held_out": describe(store.held_out)}
    return {
        **description,
        "presence": describe(arguments.presence),
        "queries": describe(arguments.queries),
        "coefficient": describe(callback.given_coefficient),
        "train_every": describe(arguments.train_every),
        "relabel": callback._relabel,
        "respondent": describe(type(arguments.respondent)),
        "seed": describe(callback.seed),
        "callback": [describe(type(child)) for child in callback.children],
    }


def _describe_layer(layer: Any) -> Any:
    attributes = vars(layer) if hasattr(layer, "__dict__") else {}
    others = ("env", "venv", "caregiver", "env_fns", "render_mode", "filename")  # layers, and what changes nothing
    spec = attributes.get("spec")
    return {
        **{name: value for name, value in describe(layer).items() if name not in others},
        "spec": None if spec is None else {"id": spec.id, "kwargs": describe({**spec.kwargs, "render_mode": None})},
        "arguments": describe([attributes.get("_ezpickle_args"), attributes.get("_ezpickle_kwargs")]),
    }
