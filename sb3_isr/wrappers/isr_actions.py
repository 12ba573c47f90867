"""What the ISR hears as the action: the learner's own, or what the environment says in its stead."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import gymnasium as gym
import numpy as np
from stable_baselines3.common.vec_env import VecEnv

from sb3_isr.common.spaces import Array


def declared_by(venv: VecEnv) -> gym.Space[Any] | None:
    """
    :param venv: Vectorized environments.
    :return: ``isr_action_space`` of them as a whole, or of each; None if there is none.
    """
    space: gym.Space[Any] | None = getattr(venv, "isr_action_space", None)
    if space is not None:
        return space
    try:
        is_declared = venv.has_attr("isr_action_space")
    except AttributeError:  # SuperSuit's do not know the attributes of what is in them
        return None
    return venv.get_attr("isr_action_space")[0] if is_declared else None


class Hearing:
    """
    An environment may give the ISR more than the learner's own action, the actions of all agents for example. It has an
    attribute ``isr_action_space`` and writes an element of it to ``info["isr_action"]`` at each step.

    :param action_space: The learner's action space
    :param isr_action_space: The environment's attribute, None if it has none
    """

    def __init__(self, action_space: gym.Space[Any], isr_action_space: gym.Space[Any] | None) -> None:
        self._is_own_action = isr_action_space is None
        #: The action space of the ISR.
        self.space = action_space if isr_action_space is None else isr_action_space

    def __call__(self, actions: Array, infos: Sequence[dict[str, Any]]) -> Array:
        """
        :param actions: The learner's own actions, ``[n_envs, *shape]``.
        :param infos: What the environments said about this step.
        :return: The actions as the ISR hears them, ``[n_envs, *space.shape]``.
        :raises ValueError: If an environment does only half of what it takes.
        """
        n_heard = sum("isr_action" in info for info in infos)
        if n_heard != (0 if self._is_own_action else len(infos)):
            raise ValueError(
                "What the ISR hears as the action must be in info['isr_action'] at each step, and its space in the "
                f"environment's attribute isr_action_space, got {'that key' if self._is_own_action else 'that space'} "
                "alone; give both, or neither."
            )
        if self._is_own_action:
            return actions
        return np.array([info["isr_action"] for info in infos], self.space.dtype)
