"""
Questions to vectorized environments that may have no answer.

Stable-Baselines3 trains on a ``VecEnv`` that has ``reset`` and ``step`` only. What else it has is asked here, and no
answer is none: the attribute is missing, there is no such wrapper.
"""

from __future__ import annotations

from typing import Any

from stable_baselines3.common.vec_env import VecEnv


def wrapped_in(venv: VecEnv, wrapper_class: type[Any]) -> list[bool]:
    """
    Ask in which environments there is a wrapper.

    :param venv: The environments, in whatever process.
    :param wrapper_class: The wrapper.
    :return: The answers, one for each environment; all False without an answer.
    """
    try:
        answers = [bool(answer) for answer in venv.env_is_wrapped(wrapper_class)]
    except Exception:  # NotImplementedError, AttributeError, TypeError for an argument that it does not know, ...
        answers = []
    return answers if len(answers) == venv.num_envs else [False] * venv.num_envs


def attribute_of(venv: VecEnv, name: str) -> Any:
    """
    Ask for an attribute of vectorized environments, of all of them together or of each.

    :param venv: The environments, in whatever process.
    :param name: The attribute.
    :return: Its value, that of the first environment if each has one; None without an answer.
    """
    try:
        together = getattr(venv, name, None)
        if together is None and venv.has_attr(name):  # to get one that is missing ends a SubprocVecEnv's process
            return venv.get_attr(name)[0]
        return together
    except Exception:  # as above
        return None
