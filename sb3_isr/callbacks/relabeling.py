"""Keeps the internal rewards in a replay buffer as the ISR would give them now."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium import spaces
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.buffers import ReplayBuffer
from stable_baselines3.common.vec_env import VecTransposeImage

from sb3_isr.common.spaces import Array, Observations
from sb3_isr.isr.model import InternalSocialReward


class ReplayRelabeler:
    """
    Remembers which ``R_i`` each stored reward was composed with, and exchanges it when the ISR has learned more.

    What was stored while the caregiver was present is never touched. Only the buffer's rewards are written, each at
    its place, so dictionaries, n-step returns, ``optimize_memory_usage`` and a buffer that has wrapped around are all
    alike.

    :param model: An off-policy algorithm.
    :param isr: The ISR.
    :raises ValueError: If there is no replay buffer, or what the ISR saw cannot be read from it.
    """

    def __init__(self, model: BaseAlgorithm, isr: InternalSocialReward) -> None:
        buffer = getattr(model, "replay_buffer", None)
        if not isinstance(buffer, ReplayBuffer):
            raise ValueError(
                f"relabel=True exchanges rewards in a replay buffer, and {type(model).__name__} has none; "
                "leave it out for on-policy algorithms."
            )
        if isr.action_space != model.action_space:
            raise ValueError(
                f"relabel=True reads from the replay buffer what the ISR heard, {isr.action_space}, but there are only "
                f"the learner's own actions, {model.action_space}; leave it out where the environment has an "
                "isr_action_space."
            )
        self._policy = model.policy
        self._is_transposed = isr.observation_space != model.observation_space
        if self._is_transposed and _transposed(isr.observation_space) != model.observation_space:
            raise ValueError(
                f"relabel=True reads from the replay buffer what the ISR saw, {isr.observation_space}, but there is "
                f"{model.observation_space}; put wrappers that change observations (VecFrameStack, say) inside "
                "VecISRReward."
            )
        #: ``R_i`` in each stored reward, float64 ``[buffer_size, n_envs]``; NaN where there is none.
        self.stored = np.full((buffer.buffer_size, buffer.n_envs), np.nan)

    def note(self, buffer: ReplayBuffer, internal_rewards: Array) -> None:
        """
        Called at each step, before the algorithm stores the transition.

        :param buffer: The replay buffer.
        :param internal_rewards: ``R_i`` in the rewards of this step, ``[n_envs]``; NaN where there is none.
        """
        self.stored[buffer.pos] = internal_rewards

    def relabel(self, buffer: ReplayBuffer, isr: InternalSocialReward, coefficient: float) -> None:
        """
        Exchange all internal rewards.

        :param buffer: The replay buffer; its rewards are written in place.
        :param isr: The ISR as it is now.
        :param coefficient: ``R_i`` is multiplied by it.
        """
        rows, envs = np.nonzero(~np.isnan(self.stored))
        for start in range(0, len(rows), 4096):
            index = rows[start : start + 4096], envs[start : start + 4096]
            internal_rewards = coefficient * isr.predict(
                self._observations(buffer, index, isr.observation_space), self._actions(buffer, index, isr.action_space)
            ).astype(float)
            buffer.rewards[index] += internal_rewards - self.stored[index]
            self.stored[index] = internal_rewards

    def _observations(self, buffer: ReplayBuffer, index: Any, space: gym.Space[Any]) -> Observations:
        if isinstance(space, spaces.Dict):
            assert isinstance(buffer.observations, dict)
            return {key: self._observation(buffer.observations[key][index], sub) for key, sub in space.spaces.items()}
        return self._observation(buffer.observations[index], space)

    def _observation(self, stored: Array, space: gym.Space[Any]) -> Array:
        if self._is_transposed and stored.shape[1:] != space.shape:
            stored = np.moveaxis(stored, 1, -1)
        return stored.reshape(-1, *(space.shape or ()))

    def _actions(self, buffer: ReplayBuffer, index: Any, space: gym.Space[Any]) -> Array:
        actions = buffer.actions[index].reshape(-1, *(space.shape or ()))
        # The buffer holds actions scaled to [-1, 1]; the ISR learned from what the environment was told.
        return np.asarray(self._policy.unscale_action(actions)) if isinstance(space, spaces.Box) else actions


def _transposed(space: gym.Space[Any]) -> gym.Space[Any]:
    """What VecTransposeImage, which SB3 adds outermost by itself, makes of a space."""
    if isinstance(space, spaces.Dict):
        return spaces.Dict({key: _transposed(sub) for key, sub in space.spaces.items()})
    is_image = isinstance(space, spaces.Box) and len(space.shape) == 3 and space.dtype == np.uint8
    return VecTransposeImage.transpose_space(space) if is_image else space  # type: ignore[arg-type]
