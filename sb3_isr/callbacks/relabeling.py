"""Relabelling: keeps the internal rewards in a replay buffer as the ISR gives them now."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium import spaces
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.buffers import ReplayBuffer
from stable_baselines3.common.vec_env import VecTransposeImage

from sb3_isr.common.batches import Array, Observations
from sb3_isr.isr.model import InternalSocialReward


class ReplayRelabeler:
    """
    Remembers the ``R_i`` in each stored reward, and replaces it when the ISR has learned more.

    Rewards stored while the caregiver was present are never changed. Only rewards are written, each in its place, so
    this works with Dict buffers, n-step returns, ``optimize_memory_usage`` and a buffer that has wrapped around.

    :param model: An off-policy algorithm.
    :param isr: The ISR.
    :raises ValueError: If there is no replay buffer, or it does not hold what the ISR is given.
    """

    def __init__(self, model: BaseAlgorithm, isr: InternalSocialReward) -> None:
        buffer = getattr(model, "replay_buffer", None)
        if not isinstance(buffer, ReplayBuffer):
            raise ValueError(
                f"relabel=True replaces rewards in a replay buffer, but {type(model).__name__} has none; "
                "leave it out for on-policy algorithms."
            )
        if isr.action_space != model.action_space:
            raise ValueError(
                f"relabel=True needs the ISR's actions, {isr.action_space}, but the replay buffer holds the learner's "
                f"own, {model.action_space}; leave it out if the environment has an isr_action_space."
            )
        self._model = model
        self._is_transposed = isr.observation_space != model.observation_space
        if self._is_transposed and _transposed(isr.observation_space) != model.observation_space:
            raise ValueError(
                f"relabel=True needs the ISR's observations, {isr.observation_space}, but the replay buffer holds "
                f"{model.observation_space}; put wrappers that change observations (VecFrameStack, for example) "
                "inside VecISRReward."
            )
        #: ``R_i`` in each stored reward, float64 ``[buffer_size, n_envs]``; NaN where there is none.
        self.stored = np.full((buffer.buffer_size, buffer.n_envs), np.nan)

    def record(self, internal_rewards: Array) -> None:
        """
        Remember the internal rewards of a step. Called at each step, before the algorithm stores the transition.

        :param internal_rewards: ``R_i`` in the rewards of this step, ``[n_envs]``; NaN where there is none.
        """
        self.stored[self._buffer.pos] = internal_rewards

    def relabel(self, isr: InternalSocialReward, coefficient: float) -> None:
        """
        Replace all internal rewards in the buffer.

        :param isr: The ISR as it is now.
        :param coefficient: ``R_i`` is multiplied by it.
        """
        buffer = self._buffer
        rows, envs = np.nonzero(~np.isnan(self.stored))
        for start in range(0, len(rows), 4096):
            index = rows[start : start + 4096], envs[start : start + 4096]
            internal_rewards = coefficient * isr.predict(
                self._observations(buffer, index, isr.observation_space), self._actions(buffer, index, isr.action_space)
            ).astype(float)
            buffer.rewards[index] += internal_rewards - self.stored[index]
            self.stored[index] = internal_rewards

    @property
    def _buffer(self) -> ReplayBuffer:
        buffer = self._model.replay_buffer  # type: ignore[attr-defined]  # load_replay_buffer replaces it
        assert isinstance(buffer, ReplayBuffer)
        return buffer

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
        # The buffer holds actions scaled to [-1, 1]; the ISR learned from the unscaled ones.
        return np.asarray(self._model.policy.unscale_action(actions)) if isinstance(space, spaces.Box) else actions


def _transposed(space: gym.Space[Any]) -> gym.Space[Any]:
    """What VecTransposeImage, which SB3 adds outermost by itself, makes of a space."""
    if isinstance(space, spaces.Dict):
        return spaces.Dict({key: _transposed(sub) for key, sub in space.spaces.items()})
    is_image = isinstance(space, spaces.Box) and len(space.shape) == 3 and space.dtype == np.uint8
    return VecTransposeImage.transpose_space(space) if is_image else space  # type: ignore[arg-type]
