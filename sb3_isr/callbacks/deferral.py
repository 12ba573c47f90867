"""Deferral: internal rewards of many steps are computed in one call, and added where the algorithm keeps rewards."""

from __future__ import annotations

from typing import Any

from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.buffers import BaseBuffer
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.off_policy_algorithm import OffPolicyAlgorithm
from stable_baselines3.common.on_policy_algorithm import OnPolicyAlgorithm
from stable_baselines3.common.vec_env import (
    VecCheckNan,
    VecEnv,
    VecEnvWrapper,
    VecExtractDictObs,
    VecFrameStack,
    VecNormalize,
    VecTransposeImage,
    VecVideoRecorder,
)

from sb3_isr.callbacks.other_callbacks import callbacks_in
from sb3_isr.common.batches import Array
from sb3_isr.wrappers import VecISRReward

#: Wrappers that leave rewards as they are; ``VecNormalize`` does if it does not normalize them.
KEEPING = {VecCheckNan, VecExtractDictObs, VecFrameStack, VecNormalize, VecTransposeImage, VecVideoRecorder}
#: Packages whose algorithms and buffers keep the rewards that the environments return.
PACKAGES = {"stable_baselines3", "sb3_contrib", "sbx"}


class Deferral:
    """
    Adds internal rewards to the rewards of a rollout, before the algorithm uses them.

    On-policy algorithms compute returns when a rollout is complete, right after its last step; off-policy ones sample
    rewards after the end of a rollout. (Of the last step nothing may be stored yet; then its reward is still in the
    arrays that the algorithm was given.)

    :param model: The learner.
    :param callback: Any callback of this training; SB3 tells it the rewards of each step.
    """

    def __init__(self, model: BaseAlgorithm, callback: BaseCallback) -> None:
        self._model = model
        self._callback = callback
        # Buffer and row of the steps whose rewards lack R_i: users load and replace buffers.
        self._places: list[tuple[Any, int]] = []
        self._newest_is_added = False

    @property
    def is_rollout_complete(self) -> bool:
        """Whether this is the last step of an on-policy rollout."""
        buffer = _buffer_of(self._model)
        return isinstance(self._model, OnPolicyAlgorithm) and buffer.pos == buffer.buffer_size - 1

    def record_step(self) -> None:
        """Remember where the algorithm stores the step. Called right before it does so."""
        if not self._newest_is_added:
            buffer = _buffer_of(self._model)
            self._places.append((buffer, buffer.pos))
        self._newest_is_added = False

    def add(self, internal_rewards: Array, returned: Array) -> None:
        """
        Add internal rewards.

        :param internal_rewards: ``R_i`` of all steps since the last call, float ``[n_steps, n_envs]``.
        :param returned: The rewards that the wrapper returned at the newest step, ``[n_envs]``.
        """
        places, self._places = self._places, []
        self._newest_is_added = len(places) < len(internal_rewards)  # before it was recorded
        newest_is_stored = not self._newest_is_added and places[-1][0].pos != places[-1][1]
        stored = places[: len(internal_rewards) - (not newest_is_stored)]
        for buffer in {id(buffer): buffer for buffer, _ in stored}.values():
            steps = [step for step, (other, _) in enumerate(stored) if other is buffer]
            buffer.rewards[[stored[step][1] for step in steps]] += internal_rewards[steps]
        if not newest_is_stored:
            returned += internal_rewards[-1]
            received = self._callback.locals["rewards"]
            if received is not returned:  # VecNormalize's copy
                received += internal_rewards[-1]


def choose_deferral(callback: BaseCallback, is_wanted: bool, relabels: bool) -> Deferral | None:
    """
    Decide whether internal rewards are deferred, and log it.

    :param callback: The ISRCallback, at the start of training.
    :param is_wanted: Whether the user lets them be.
    :param relabels: Whether internal rewards in a replay buffer are replaced later.
    :return: None if they are computed at each step.
    """
    against: str | None = "defer_rewards=False"
    if is_wanted:
        callbacks = callbacks_in(callback.locals.get("callback"))
        against = why_not(callback.model, callback.training_env, relabels, callbacks)
    callback.logger.record("isr/deferred", int(against is None))
    if callback.verbose:
        print(f"Internal rewards are computed {f'at each step ({against})' if against else 'once a rollout'}")
    return None if against else Deferral(callback.model, callback)


def why_not(model: BaseAlgorithm, env: VecEnv, relabels: bool, callbacks: list[BaseCallback]) -> str | None:
    """
    Find out what stands against deferring internal rewards.

    :param model: The learner.
    :param env: Its training environment.
    :param relabels: Whether internal rewards in a replay buffer are replaced later.
    :param callbacks: All callbacks of the training.
    :return: The reason; None if there is none.
    """
    outside: list[type[VecEnv]] = []
    while isinstance(env, VecEnvWrapper) and not isinstance(env, VecISRReward):
        if isinstance(env, VecNormalize) and env.norm_reward:
            return "VecNormalize normalizes rewards"
        outside.append(type(env))
        env = env.venv
    if type(env) is not VecISRReward:
        return "the ISR wrapper is not VecISRReward around all environments"
    if others := [kind.__name__ for kind in outside if kind not in KEEPING]:
        return f"{others[0]} may change rewards"
    if relabels:
        return "relabel=True compares the rewards of each step"
    if readers := [type(callback).__name__ for callback in callbacks if getattr(callback, "reads_rewards", False)]:
        return f"{readers[0]} reads the rewards of each step"
    methods = ["collect_rollouts"] + ["_store_transition"] * isinstance(model, OffPolicyAlgorithm)
    if not isinstance(model, OnPolicyAlgorithm | OffPolicyAlgorithm) or not all(
        _is_known(getattr(type(model), name)) for name in methods
    ):
        return f"{type(model).__name__} may do anything with rewards"
    buffer = _buffer_of(model)
    if not _is_known(type(buffer).add):
        return f"{type(buffer).__name__} may do anything with rewards"
    if isinstance(model, OffPolicyAlgorithm) and (_rollout_length(model) == 1 or buffer.buffer_size == 1):
        return f"{type(model).__name__} trains after each step"
    return None


def _rollout_length(model: Any) -> int:
    """Steps in an off-policy rollout; of a rollout of whole episodes there is no knowing."""
    frequency, unit = model.train_freq
    return int(frequency) if unit.value == "step" else 2


def _is_known(method: Any) -> bool:
    return method.__module__.partition(".")[0] in PACKAGES


def _buffer_of(model: Any) -> BaseBuffer:
    buffer: BaseBuffer = model.rollout_buffer if isinstance(model, OnPolicyAlgorithm) else model.replay_buffer
    return buffer
