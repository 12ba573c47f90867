"""Relabelling: keeps the internal rewards in a replay buffer as the ISR gives them now."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import gymnasium as gym
import numpy as np
from gymnasium import spaces
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.buffers import ReplayBuffer
from stable_baselines3.common.preprocessing import is_image_space, is_image_space_channels_first
from stable_baselines3.common.vec_env import VecTransposeImage

from sb3_isr.common.batches import Array, Observations, copy_batch, write_batch
from sb3_isr.common.hashing import hash_rows
from sb3_isr.common.spaces import parts
from sb3_isr.isr.model import InternalSocialReward
from sb3_isr.labels.sampling import pair_hashes
from sb3_isr.labels.transitions import last_observations, terminations
from sb3_isr.wrappers.isr_actions import ISRActions

#: What is known of a reward in the buffer: its ``R_i`` (NaN: nothing), itself, the hashes of observation and action
#: and of the next observation, and whether the episode ended and terminated.
KNOWN = np.dtype(
    [
        ("internal_reward", np.float64),
        ("reward", np.float32),
        ("pair", np.uint64),
        ("next", np.uint64),
        ("done", bool),
        ("terminated", bool),
    ]
)


class _Step(NamedTuple):
    """A step that the algorithm is about to store, unless a callback stops the training."""

    row: int
    known: Array
    last_observations: Any
    is_stale: bool


class ReplayRelabeler:
    """
    Remembers the ``R_i`` in each stored reward, and replaces it when the ISR has learned more.

    A row of the buffer is taken for a step of the learner only once the algorithm has stored the step there, and only
    as long as the row still holds the step's observation, action and reward: users add transitions of their own, load
    and reset buffers, and SB3 does not store the step at which a callback stops. All other rows are left alone, as are
    rewards of steps that the caregiver attended.

    Only rewards are written, each in its place, so this works with Dict buffers, n-step returns,
    ``optimize_memory_usage`` and a buffer that has wrapped around. (With ``optimize_memory_usage`` the buffer loses the
    next observation of a step after which ``learn`` was called anew; its reward is left alone.)

    :param model: An off-policy algorithm.
    :param isr: The ISR.
    :raises ValueError: If there is no replay buffer, or it does not hold what the ISR is given.
    """

    def __init__(self, model: BaseAlgorithm, isr: InternalSocialReward) -> None:
        self._isr = isr
        self._coefficient = 1.0
        self.attach(model)
        self._buffer: ReplayBuffer = self._replay_buffer
        #: What is known of each stored reward, ``[buffer_size, n_envs]``.
        self.known = _nothing_known(self._buffer)
        self._next_row = self._buffer.pos
        #: The last observations of episodes, by row and environment, where the buffer does not hold them.
        self.last_observations: dict[tuple[int, int], Any] = {}
        self._step: _Step | None = None
        self._has_relabelled = False

    def attach(self, model: BaseAlgorithm) -> None:
        """
        Relabel the replay buffer of a learner from now on.

        :param model: The learner.
        :raises ValueError: If there is no replay buffer, or it does not hold what the ISR is given.
        """
        if not isinstance(getattr(model, "replay_buffer", None), ReplayBuffer):
            raise ValueError(
                f"relabel=True replaces rewards in a replay buffer, but {type(model).__name__} has none; "
                "leave it out for on-policy algorithms."
            )
        isr = self._isr
        if isr.action_space != ISRActions(model.action_space, None).space:
            raise ValueError(
                f"relabel=True needs the ISR's actions, {isr.action_space}, but the replay buffer holds the learner's "
                f"own, {model.action_space}; leave it out if the environment has an isr_action_space."
            )
        given, stored = parts(isr.observation_space), parts(model.observation_space)
        self._transposed = {key for key in given if _is_transposed(given[key], stored.get(key))}
        if {key: s for key, s in given.items() if key not in self._transposed} != {
            key: s for key, s in stored.items() if key not in self._transposed
        }:
            raise ValueError(
                f"relabel=True needs the ISR's observations, {isr.observation_space}, but the replay buffer holds "
                f"{model.observation_space}; put wrappers that change observations (VecFrameStack, for example) "
                "inside VecISRReward."
            )
        self._model: Any = model

    def record(
        self,
        internal_rewards: Array,
        rewards: Array,
        actions: Array,
        next_observations: Any,
        dones: Array,
        infos: Sequence[dict[str, Any]],
    ) -> None:
        """
        Remember a step. Called at each step, right before the algorithm stores it, with what it is about to store.

        :param internal_rewards: ``R_i`` in the rewards of this step, ``[n_envs]``; NaN where there is none.
        :param rewards: The rewards as the learner received them, ``[n_envs]``.
        :param actions: The learner's actions as the buffer holds them, ``[n_envs, *shape]``.
        :param next_observations: The learner's next observations, ``[n_envs, *shape]``.
        :param dones: Whether an episode ended, ``[n_envs]``.
        :param infos: The infos of the step.
        """
        self.confirm()
        buffer, model = self._buffer, self._model
        normalize = model.get_vec_normalize_env()
        observations = model._last_obs if normalize is None else model._last_original_obs
        ended = np.asarray(dones, bool)
        last = self._last_observations(next_observations, ended, infos)
        known = np.empty(buffer.n_envs, KNOWN)
        known["internal_reward"] = internal_rewards
        known["reward"] = rewards if normalize is None else normalize.get_original_reward()
        known["pair"] = pair_hashes(_like(buffer.observations, observations), _like(buffer.actions, actions))
        known["next"] = _hashes(_like(buffer.observations, last))
        known["done"], known["terminated"] = ended, terminations(ended, infos)
        self._step = _Step(buffer.pos, known, last, self._has_relabelled)
        self._has_relabelled = False

    def confirm(self) -> None:
        """Look whether the last recorded step was stored, and forget the rows that were overwritten since."""
        step, self._step = self._step, None
        if step is not None and self._buffer.pos == step.row:
            step = None  # SB3 does not store the step at which a callback stops the training
        if step is not None:
            self.known[step.row] = step.known
            if self._buffer.optimize_memory_usage:
                for env, done in enumerate(step.known["done"].tolist()):
                    self.last_observations.pop((step.row, env), None)
                    if done:
                        self.last_observations[step.row, env] = _select(step.last_observations, env)
            self._next_row = (step.row + 1) % self._buffer.buffer_size
        buffer = self._replay_buffer
        if buffer is not self._buffer:
            if buffer.rewards.shape != self.known.shape:
                self.known, step = _nothing_known(buffer), None
            self._buffer, self._next_row = buffer, buffer.pos
        n_added_by_others = (buffer.pos - self._next_row) % buffer.buffer_size
        overwritten = (self._next_row + np.arange(n_added_by_others)) % buffer.buffer_size
        self.known["internal_reward"][overwritten] = np.nan
        self._next_row = buffer.pos
        if step is not None and step.is_stale:
            self._replace(np.full(buffer.n_envs, step.row), np.arange(buffer.n_envs))

    def relabel(self, isr: InternalSocialReward, coefficient: float) -> None:
        """
        Replace all internal rewards in the buffer.

        :param isr: The ISR as it is now.
        :param coefficient: ``R_i`` is multiplied by it.
        """
        self.confirm()
        self._isr, self._coefficient, self._has_relabelled = isr, coefficient, True
        rows, envs = np.nonzero(~np.isnan(self.known["internal_reward"]))
        for start in range(0, len(rows), 4096):
            self._replace(rows[start : start + 4096], envs[start : start + 4096])

    def state_dict(self) -> dict[str, Any]:
        """
        Get what a checkpoint must hold of it.

        :return: What is known of the buffer.
        """
        return {"known": self.known, "last_observations": self.last_observations}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """
        Continue from a checkpoint.

        :param state: What :meth:`state_dict` returned.
        """
        vars(self).update(state)

    @property
    def _replay_buffer(self) -> ReplayBuffer:
        buffer = self._model.replay_buffer  # load_replay_buffer replaces it
        assert isinstance(buffer, ReplayBuffer)
        return buffer

    def _replace(self, rows: Array, envs: Array) -> None:
        buffer, known = self._buffer, self.known[rows, envs]
        index = rows, envs
        pairs = pair_hashes(_select(buffer.observations, index), buffer.actions[index])
        is_there = (pairs == known["pair"]) & (buffer.rewards[index] == known["reward"])
        is_there &= _hashes(self._stored_next(index)) == known["next"]
        self.known["internal_reward"][rows[~is_there], envs[~is_there]] = np.nan
        is_ours = is_there & ~np.isnan(known["internal_reward"])
        index = rows[is_ours], envs[is_ours]
        if not is_ours.any():
            return
        transitions = (
            self._observations(_select(buffer.observations, index)),
            self._actions(index),
            self._observations(self._stored_next(index)),
            self.known["terminated"][index],
        )
        internal_rewards = self._coefficient * self._isr.predict(*transitions)
        buffer.rewards[index] += internal_rewards.astype(float) - known["internal_reward"][is_ours]
        self.known["internal_reward"][index] = internal_rewards
        self.known["reward"][index] = buffer.rewards[index]

    def _last_observations(self, next_observations: Any, ended: Array, infos: Sequence[dict[str, Any]]) -> Any:
        """What the learner saw after the step, as the buffer holds it, and with the last observations of episodes."""
        normalize = self._model.get_vec_normalize_env()
        if normalize is None:
            return last_observations(next_observations, ended, infos)
        last = copy_batch(normalize.get_original_obs())
        for env in np.flatnonzero(ended).tolist():
            if (normalized := infos[env].get("terminal_observation")) is not None:
                write_batch(last, env, normalize.unnormalize_obs(normalized))
        return last

    def _stored_next(self, index: Any) -> Any:
        rows, envs = index
        buffer = self._buffer
        if not buffer.optimize_memory_usage:
            return _select(buffer.next_observations, index)
        stored = _select(buffer.observations, ((rows + 1) % buffer.buffer_size, envs))
        for i in np.flatnonzero(self.known["done"][index]).tolist():
            last = self.last_observations.get((int(rows[i]), int(envs[i])))
            if last is not None:
                write_batch(stored, i, _like(stored, last))
        return stored

    def _observations(self, stored: Any) -> Observations:
        space = self._isr.observation_space
        if isinstance(stored, dict):
            return {key: self._observation(key, stored[key], sub) for key, sub in parts(space).items()}
        return self._observation("", stored, space)

    def _observation(self, key: str, stored: Array, space: gym.Space[Any]) -> Array:
        if key in self._transposed:
            stored = np.moveaxis(stored, 1, -1)
        return stored.reshape(-1, *(space.shape or ()))

    def _actions(self, index: Any) -> Array:
        space = self._isr.action_space
        actions = self._buffer.actions[index].reshape(-1, *(space.shape or ()))
        # The buffer holds actions scaled to [-1, 1]; the ISR learned from the unscaled ones.
        return np.asarray(self._model.policy.unscale_action(actions)) if isinstance(space, spaces.Box) else actions


def _nothing_known(buffer: ReplayBuffer) -> Array:
    known = np.zeros(buffer.rewards.shape, KNOWN)
    known["internal_reward"] = np.nan
    return known


def _select(observations: Any, index: Any) -> Any:
    if isinstance(observations, dict):
        return {key: value[index] for key, value in observations.items()}
    return observations[index]


def _like(stored: Any, given: Any) -> Any:
    """What a row of the buffer holds once the given batch is written into it."""
    if isinstance(stored, dict):
        return {key: _like(value, given[key]) for key, value in stored.items()}
    return np.reshape(given, stored.shape[1:]).astype(stored.dtype)


def _hashes(observations: Any) -> Array:
    return hash_rows(list(observations.values()) if isinstance(observations, dict) else [observations])


def _is_transposed(given: gym.Space[Any], stored: gym.Space[Any] | None) -> bool:
    """Whether the learner gets a space's images as VecTransposeImage, which SB3 adds outermost, turns them."""
    if given == stored or not isinstance(given, spaces.Box) or not is_image_space(given):
        return False
    return not is_image_space_channels_first(given) and VecTransposeImage.transpose_space(given) == stored
