"""The actions that the ISR is given: the learner's own, or what the environment provides instead."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium import spaces
from stable_baselines3.common.vec_env import VecEnv

from sb3_isr.common.batches import Array
from sb3_isr.wrappers.venv_queries import attribute_of


def isr_action_space_of(venv: VecEnv) -> gym.Space[Any] | None:
    """
    Get the action space that environments declare for the ISR.

    :param venv: Vectorized environments.
    :return: The attribute ``isr_action_space`` of all of them together, or of each; None if there is none.
    """
    space = attribute_of(venv, "isr_action_space")
    return space if isinstance(space, gym.Space) else None


def as_told(action_space: gym.Space[Any]) -> gym.Space[Any]:
    """
    Get the space of what environments are told.

    Whatever a Box is declared to hold, integers for example, Stable-Baselines3 tells fractions, in float32 or float64.
    Wherever numbered actions are declared to start, it counts them from 0.

    :param action_space: The learner's action space.
    :return: The same; a Box of another dtype than float32 with float64, numbered actions from 0 on.
    """
    if isinstance(action_space, spaces.Discrete) and action_space.start:
        return spaces.Discrete(int(action_space.n))
    if isinstance(action_space, spaces.MultiDiscrete) and np.any(action_space.start):
        return spaces.MultiDiscrete(action_space.nvec, dtype=action_space.dtype)
    if not isinstance(action_space, spaces.Box) or action_space.dtype == np.float32:
        return action_space
    return spaces.Box(action_space.low.astype(float), action_space.high.astype(float), dtype=np.float64)


class ISRActions:
    """
    Selects the actions that the ISR is given.

    An environment may give the ISR more than the learner's own action, the actions of all agents for example. It then
    has an attribute ``isr_action_space`` and writes an element of it to ``info["isr_action"]`` at each step.

    :param action_space: The learner's action space.
    :param isr_action_space: The environment's attribute, None if it has none.
    """

    def __init__(self, action_space: gym.Space[Any], isr_action_space: gym.Space[Any] | None) -> None:
        self._is_own_action = isr_action_space is None
        #: The action space of the ISR.
        self.space = as_told(action_space) if isr_action_space is None else isr_action_space

    def __call__(self, actions: Array, infos: Sequence[dict[str, Any]]) -> Array:
        """
        Select the actions of one step.

        :param actions: The learner's own actions, ``[n_envs, *shape]``.
        :param infos: The infos of this step.
        :return: The actions for the ISR, ``[n_envs, *space.shape]``.
        :raises ValueError: If an environment provides only the space or only the actions, or other ones than the space
            can hold.
        """
        n_provided = sum("isr_action" in info for info in infos)
        if n_provided != (0 if self._is_own_action else len(infos)):
            raise ValueError(
                "An environment that gives the ISR other actions must write info['isr_action'] at each step and have "
                f"the attribute isr_action_space, got only {'that key' if self._is_own_action else 'that attribute'}; "
                "provide both, or neither."
            )
        if self._is_own_action:
            return actions
        provided = np.array([info["isr_action"] for info in infos])
        isr_actions = provided.astype(self.space.dtype)
        if np.issubdtype(isr_actions.dtype, np.integer) and not np.array_equal(isr_actions, provided):
            raise ValueError(
                f"info['isr_action'] must be an element of isr_action_space, {self.space}, got {provided.tolist()}; "
                "declare a Box of a floating dtype for fractions."
            )
        return isr_actions
