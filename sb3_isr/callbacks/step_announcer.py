"""The last of all callbacks: what must happen right before the learner goes on."""

from __future__ import annotations

from typing import Any

from stable_baselines3.common.callbacks import BaseCallback, CallbackList

from sb3_isr.callbacks.deferral import Deferral
from sb3_isr.callbacks.relabeling import ReplayRelabeler
from sb3_isr.callbacks.training_connection import TrainingConnection


class StepAnnouncer(BaseCallback):
    """
    Announces the learner's steps to the wrappers, and says what the learner is about to store, and when it uses it.

    Other callbacks step the training environments, too (``EvalCallback``), or write into the replay buffer. When this
    one is called all others have returned, so that the next step is the learner's.

    :param connection: The connection to the wrappers.
    """

    def __init__(self, connection: TrainingConnection) -> None:
        super().__init__()
        self.relabeler: ReplayRelabeler | None = None
        self.deferral: Deferral | None = None
        self._connection = connection
        self._list: CallbackList | None = None

    def append_to(self, callback: Any, otherwise: CallbackList) -> None:
        """
        Become the last of all callbacks of a training, while they start.

        :param callback: The callback that the learner calls.
        :param otherwise: Where to be the last one if that is no list.
        """
        self.remove()
        self._list = callback if isinstance(callback, CallbackList) else otherwise
        self._list.callbacks = [*self._list.callbacks, self]  # a new list: the old one may be in a loop
        self.init_callback(self._list.model)

    def remove(self) -> None:
        """Leave the callbacks of the last training."""
        if self._list is not None:
            self._list.callbacks = [callback for callback in self._list.callbacks if callback is not self]

    def _on_rollout_start(self) -> None:
        self._connection.announce_step()

    def _on_step(self) -> bool:
        if self.relabeler is not None:
            step = (self.locals[name] for name in ("rewards", "buffer_actions", "new_obs", "dones", "infos"))
            self.relabeler.record(self._connection.last_internal_rewards(), *step)
        if self.deferral is not None:
            self.deferral.record_step()
            if self.deferral.is_rollout_complete:
                self._connection.compute_late_rewards()
        self._connection.announce_step()
        return True

    def _on_rollout_end(self) -> None:
        if self.relabeler is not None:
            self.relabeler.confirm()
