"""What a checkpoint holds of training environments: the attributes of each of their layers."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from copyreg import _slotnames as slot_names  # type: ignore[attr-defined]
from types import FunctionType, MethodType
from typing import Any, NamedTuple

import gymnasium as gym
from stable_baselines3.common.vec_env import VecEnv, VecEnvWrapper

from sb3_isr.callbacks.state_pickle import dumps, loads


class EnvironmentState(NamedTuple):
    """
    The state of training environments.

    :param layers: The attributes of each layer, in the order of :func:`layers_of`; None where it is left as it is.
    :param obstacle: What prevents that running episodes are continued; None if they are.
    """

    layers: list[dict[str, Any] | None]
    obstacle: str | None


def layers_of(env: Any) -> list[Any]:
    """
    Get the objects of which training environments consist.

    :param env: The outermost ``VecEnv``.
    :return: Its wrappers, outermost first, and the ``VecEnv`` inside; then, if they are in this process, for each
        environment its wrappers, their caregivers, and the environment itself. Each object comes once.
    """
    layers = list(_vec_layers(env))
    inside = getattr(layers[-1], "envs", None)
    for single in inside if isinstance(inside, list | tuple) else []:
        layers += _single_layers(single)
    return list({id(layer): layer for layer in layers}.values())


def dumps_with_environments(state: dict[str, Any], env: VecEnv) -> tuple[bytes, str | None]:
    """
    Pickle a state together with that of the environments, so that what both hold is shared again afterwards.

    Either everything in the environments is in the pickle and their running episodes can be continued, or, if
    something cannot be pickled, only their outer layers are (the statistics of ``VecNormalize``).

    :param state: What else is pickled.
    :param env: The environments.
    :return: The pickle, and what prevents that running episodes are continued; None if nothing does.
    """
    layers = layers_of(env)
    obstacles = [_obstacle(layer, layers) for layer in layers]
    obstacle = next(filter(None, obstacles), None)
    n_outer = len(list(_vec_layers(env))) - 1
    is_held = [not met and (obstacle is None or number < n_outer) for number, met in enumerate(obstacles)]
    attributes = [_attributes(layer) if held else None for layer, held in zip(layers, is_held, strict=True)]
    return dumps({**state, "environments": EnvironmentState(attributes, obstacle)}, layers), obstacle


def loads_with_environments(data: bytes, env: VecEnv) -> tuple[dict[str, Any], str | None]:
    """
    Unpickle what :func:`dumps_with_environments` returned, and put the environments into that state.

    :param data: The pickle.
    :param env: Environments of the same layers.
    :return: The rest of the state, and what prevents that running episodes are continued; None if they are.
    """
    layers = layers_of(env)
    state: dict[str, Any] = loads(data, layers)
    restored: EnvironmentState = state.pop("environments")
    for layer, attributes in zip(layers, restored.layers, strict=True):
        if attributes is not None:
            _set_attributes(layer, attributes)
    return state, restored.obstacle


def _vec_layers(env: Any) -> Iterator[Any]:
    yield env
    while isinstance(env, VecEnvWrapper):
        env = env.venv
        yield env


def _single_layers(env: Any) -> Iterator[Any]:
    while True:
        yield env
        yield from _caregivers(env)
        if not isinstance(env, gym.Wrapper):
            return
        env = env.env


def _caregivers(layer: Any) -> Iterator[Any]:
    # A script that resumes may talk to its caregiver: it gets its state back, but remains that object.
    while (layer := getattr(layer, "__dict__", {}).get("caregiver")) is not None and not isinstance(
        layer, FunctionType
    ):
        yield layer


def _obstacle(layer: Any, layers: list[Any]) -> str | None:
    for name, value in _attributes(layer).items():
        try:
            dumps(value, layers)
        except Exception as error:  # an environment may hold anything: processes, sockets, windows
            return f"{type(layer).__name__}.{name} cannot be pickled ({error})"
    return None


def _attributes(layer: Any) -> dict[str, Any]:
    """Its attributes, but for functions, which are code and no state, and VecEnvWrapper's table of its own methods."""
    slots = {name: getattr(layer, name) for name in slot_names(type(layer)) if hasattr(layer, name)}
    return {
        name: value
        for name, value in {**getattr(layer, "__dict__", {}), **slots}.items()
        if not isinstance(value, FunctionType | MethodType) and name != "class_attributes"
    }


def _set_attributes(layer: Any, attributes: dict[str, Any]) -> None:
    slots = slot_names(type(layer))
    for name in _attributes(layer).keys() - attributes.keys():
        object.__delattr__(layer, name) if name in slots else vars(layer).pop(name)
    for name, value in attributes.items():
        object.__setattr__(layer, name, value) if name in slots else vars(layer).update({name: value})


def warn_of_new_episodes(when: str, obstacle: str) -> None:
    """
    Say what of the environments is not restored.

    :param when: The beginning of the sentence.
    :param obstacle: Why.
    """
    warnings.warn(
        f"{when}, all environments start new episodes, and they and what is inside them (wrappers, caregivers) are as "
        f"they were built, because {obstacle}. Only the VecEnvWrappers around them keep their state. Environments "
        "whose attributes can all be pickled, in a DummyVecEnv, continue in mid-episode.",
        stacklevel=3,
    )
