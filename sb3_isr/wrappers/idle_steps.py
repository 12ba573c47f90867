"""
Idle steps: those in which the learner did nothing, so that there is nothing to reward or to label.

After an episode's end Gymnasium's ``Autoreset`` and its vectorized environments reset in the next ``step``, whatever
the action is; the latter say so in ``metadata["autoreset_mode"]``. SuperSuit goes on stepping agents that have died
("black death") until the others end, too.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from gymnasium import spaces
from gymnasium.vector import AutoresetMode
from stable_baselines3.common.vec_env import VecEnv

from sb3_isr.common.batches import Array
from sb3_isr.common.reward_parts import SOCIAL_REWARD


class IdleSteps:
    """
    Finds idle steps.

    :param venv: The environments.
    """

    def __init__(self, venv: VecEnv) -> None:
        base = venv.unwrapped
        declared = getattr(base, "metadata", None) or {}
        self._resets_in_next_step = declared.get("autoreset_mode") == AutoresetMode.NEXT_STEP
        of_supersuit = type(base).__module__.startswith("supersuit.")
        self._has_black_death = of_supersuit and isinstance(venv.observation_space, spaces.Box)
        self._ended: Array | None = None

    def reset(self) -> None:
        """Start an episode in every environment."""
        self._ended = None

    def find(self, next_observations: Any, dones: Any, infos: Sequence[dict[str, Any]]) -> Array | None:
        """
        Find the environments in which this step was idle. Called at each step.

        :param next_observations: What the learner sees after the step, ``[n_envs, *shape]``.
        :param dones: Whether an episode ended, ``[n_envs]``.
        :param infos: The infos of this step.
        :return: bool ``[n_envs]``; None for nowhere.
        """
        if self._has_black_death:
            return np.array([_is_dead(next_observations[i], info) for i, info in enumerate(infos)])
        ended = self._ended
        if self._resets_in_next_step:
            self._ended = np.array(dones, bool)
        return ended


def _is_dead(next_observation: Array, info: dict[str, Any]) -> bool:
    """SuperSuit shows zeros to an agent that has died, and says nothing of it."""
    return SOCIAL_REWARD not in info and not np.any(info.get("terminal_observation", next_observation))
