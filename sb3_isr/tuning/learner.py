"""A learner that is trained in pieces, so that those of several seeds can advance side by side."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from stable_baselines3.common.callbacks import BaseCallback

from sb3_isr.tuning.entry import Entry, build


class PieceByPiece:
    """
    One seed's training. Trained in pieces it learns what it would have learned in one, whatever else the process does
    in between.

    :param entry: What is trained.
    :param env_id: In which environment.
    :param algo: By which algorithm.
    :param timesteps: Environment steps of the whole training.
    :param seed: Seeds everything.
    """

    def __init__(self, entry: Entry, env_id: str, algo: str, timesteps: int, seed: int) -> None:
        self._generators = _generators()
        with self._own_generators():
            self.model, self.internalizing = build({"n_timesteps": timesteps, **entry}, env_id, algo, seed)
        self._whole = _WholeTraining(timesteps)
        self.episodes = SocialReturns()

    @property
    def labels(self) -> int:
        """Labels that the caregiver was asked for so far."""
        return self.internalizing.store.n_added

    def advance(self, until: int) -> None:
        """
        Go on with training.

        :param until: Environment steps after which to pause, at least.
        """
        steps = until - self.model.num_timesteps
        if steps <= 0:  # the last rollout overshot
            return
        with self._own_generators():
            callbacks = [self._whole, self.internalizing, self.episodes]
            self.model.learn(steps, callbacks, log_interval=None, reset_num_timesteps=False)  # type: ignore[arg-type]

    def close(self) -> None:
        """Close the environments."""
        assert self.model.env is not None
        self.model.env.close()

    @contextmanager
    def _own_generators(self) -> Iterator[None]:
        others = _generators()
        _set_generators(self._generators)
        try:
            yield
        finally:
            self._generators = _generators()
            _set_generators(others)


class SocialReturns(BaseCallback):
    """
    Keeps each episode's true social return: the sum of what the environments say in ``info["social_reward"]``, whether
    the caregiver attends or not.
    """

    def __init__(self) -> None:
        super().__init__()
        self.ends: list[int] = []
        self.returns: list[float] = []
        self._running: np.ndarray | None = None

    def between(self, start: float, end: float) -> list[float]:
        """
        :param start: Environment steps.
        :param end: Environment steps.
        :return: The returns of episodes that ended after ``start`` and up to ``end``.
        """
        return [value for step, value in zip(self.ends, self.returns, strict=True) if start < step <= end]

    def _on_step(self) -> bool:
        infos, dones = self.locals["infos"], self.locals["dones"]
        if self._running is None:
            self._running = np.zeros(len(infos))
        self._running += [info.get("social_reward") or 0.0 for info in infos]
        for i in np.flatnonzero(dones):
            self.ends.append(self.num_timesteps)
            self.returns.append(float(self._running[i]))
            self._running[i] = 0.0
        return True


class _WholeTraining(BaseCallback):
    """Lets schedules, the caregiver's and the algorithm's, see a piece as a piece of the whole training."""

    def __init__(self, timesteps: int) -> None:
        super().__init__()
        self.timesteps = timesteps

    def _on_training_start(self) -> None:
        self.model._total_timesteps = self.timesteps
        update = type(self.model)._update_current_progress_remaining

        def of_the_whole(num_timesteps: int, total_timesteps: int) -> None:
            update(self.model, num_timesteps, self.timesteps)

        self.model._update_current_progress_remaining = of_the_whole  # type: ignore[method-assign]

    def _on_step(self) -> bool:
        return True


def _generators() -> dict[str, Any]:
    return {"python": random.getstate(), "numpy": np.random.get_state(), "torch": torch.get_rng_state()}


def _set_generators(states: dict[str, Any]) -> None:
    random.setstate(states["python"])
    np.random.set_state(states["numpy"])
    torch.set_rng_state(states["torch"])
