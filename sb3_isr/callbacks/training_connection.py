"""The training connection: joins callback and wrappers while a learner learns, also if that ends by an interrupt."""

from __future__ import annotations

import warnings
from typing import Any

import gymnasium as gym
import numpy as np
from stable_baselines3.common.vec_env import VecEnv

from sb3_isr.callbacks.connection import Connection, find_connection
from sb3_isr.common.batches import Array
from sb3_isr.wrappers.composer import InternalReward, LateRewards
from sb3_isr.wrappers.recorder import Record


class TrainingConnection:
    """
    Connects the ISR wrappers of a training environment, one training after another.

    After an interrupt nobody says that the training has ended. So the wrappers hold the last labels until they are
    asked for: by :meth:`collect`, or by :meth:`end` before the next training.
    """

    def __init__(self) -> None:
        #: From which presence is drawn, one for each environment; up to date between trainings.
        self.rngs: list[np.random.Generator] = []
        self._connection: Connection | None = None
        self._is_connected = False

    def find(self, env: VecEnv) -> tuple[gym.Space[Any], gym.Space[Any]]:
        """
        Find the wrappers for the next training.

        :param env: The training environment.
        :return: Observation space and action space of the ISR.
        :raises ValueError: If there are no wrappers, or too many.
        """
        self._connection = find_connection(env)
        self._connection.collect()  # what another callback's interrupted training left there
        return self._connection.spaces()

    @property
    def n_envs(self) -> int:
        """Number of training environments."""
        return self._found.n_envs

    def connect(
        self,
        internal_reward: InternalReward,
        probability: float,
        coefficient: float,
        keeps_unattended: bool,
        seed: int | None,
        add_late_rewards: LateRewards | None = None,
    ) -> None:
        """
        Turn the rewards of announced steps into utilities from now on.

        :param internal_reward: Gives ``R_i``.
        :param probability: That the caregiver attends an episode that starts.
        :param coefficient: ``R_i`` is multiplied by it.
        :param keeps_unattended: Whether transitions that the caregiver does not attend are of use.
        :param seed: Seeds the presence of environments that were not there before.
        :param add_late_rewards: Takes internal rewards that are deferred; None to defer none.
        """
        self.rngs = [*self.rngs, *presence_rngs(seed, self.n_envs)[len(self.rngs) :]][: self.n_envs]
        self._found.connect(internal_reward, probability, coefficient, self.rngs, keeps_unattended, add_late_rewards)
        self._is_connected = True

    def update(self, internal_reward: InternalReward, probability: float, coefficient: float) -> None:
        """Change what rewards are turned into, see :meth:`connect`; between trainings there is nothing to change."""
        if self._is_connected:
            self._found.update(internal_reward, probability, coefficient)

    def announce_step(self) -> None:
        """Announce that the next step is the learner's."""
        self._found.announce_step()

    def compute_late_rewards(self) -> None:
        """Compute the internal rewards that were deferred, and add them."""
        self._found.compute_late_rewards()

    def last_internal_rewards(self) -> Array:
        """Get ``R_i`` in the utilities of the last step, ``[n_envs]``; NaN where the caregiver attended."""
        return self._found.last_internal_rewards()

    def collect(self) -> list[Record]:
        """
        Get what happened in the environments since the last call.

        :return: The records; none between trainings.
        """
        try:
            return self._found.collect() if self._is_connected else []
        except (EOFError, OSError) as error:  # pipes of processes that have ended
            self._is_connected = False
            warnings.warn(
                f"The environments' processes have ended ({error!r}), and with them the labels that had not been "
                "collected. VecISRReward keeps labels in the main process; write VecISRReward(SubprocVecEnv(...)).",
                stacklevel=2,
            )
            return []

    def current_rngs(self) -> list[np.random.Generator]:
        """Get the generators as they are by now; those in other processes have drawn since they were sent there."""
        return self._found.rngs() if self._is_connected else self.rngs

    def end(self) -> list[Record]:
        """
        Leave rewards as they come from now on.

        :return: What had not been collected.
        """
        records = self.collect()
        if self._is_connected:
            self._found.disconnect()
            self.rngs = self._found.rngs()
        self._is_connected = False
        return records

    @property
    def _found(self) -> Connection:
        assert self._connection is not None
        return self._connection


def presence_rngs(seed: int | None, n_envs: int) -> list[np.random.Generator]:
    """
    Make the generators from which presence is drawn.

    :param seed: Seeds them.
    :param n_envs: Number of environments.
    :return: One generator for each; those of the first environments do not depend on how many there are.
    """
    return [np.random.default_rng(child) for child in np.random.SeedSequence(seed).spawn(n_envs)]
