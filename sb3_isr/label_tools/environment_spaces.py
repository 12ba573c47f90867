"""The spaces that an environment's labels have."""

from __future__ import annotations

from typing import Any

import gymnasium as gym

from sb3_isr.labels.attributed import Spaces
from sb3_isr.tuning.environment import find_environment
from sb3_isr.wrappers.isr_actions import ISRActions


def spaces_of_environment(env_id: str) -> Spaces:
    """
    Get the spaces of an environment's labels. The environment is made, but not run.

    :param env_id: A registered Gymnasium id, or ``package:id``.
    :return: Its observation space, and the action space of the ISR.
    :raises ValueError: If it is not registered, or cannot be made.
    """
    registration = find_environment(env_id)
    try:
        env: gym.Env[Any, Any] = gym.make(registration.spec)
    except ImportError as error:  # an extra is missing
        raise ValueError(f"The environment must be one that can be made here, got {env_id} ({error}).") from error
    try:
        isr_action_space = getattr(env.unwrapped, "isr_action_space", None)
        return Spaces(env.observation_space, ISRActions(env.action_space, isr_action_space).space)
    finally:
        env.close()
