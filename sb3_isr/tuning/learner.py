"""A learner that is trained in pieces, so that those of several seeds can advance side by side."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from stable_baselines3.common.callbacks import BaseCallback

from sb3_isr.common.randomness import get_generators, set_generators
from sb3_isr.evaluation.episodes import EpisodeRecorder
from sb3_isr.tuning.entry import Entry, build


class PieceByPiece:
    """
    One seed's training. In pieces it learns what it would have learned in one, whatever the process does in between.

    :param entry: The entry that is trained.
    :param env_id: The environment.
    :param algo: RL Zoo's name of the algorithm.
    :param timesteps: Environment steps of the whole training.
    :param seed: Seeds everything.
    """

    def __init__(self, entry: Entry, env_id: str, algo: str, timesteps: int, seed: int) -> None:
        self._generators = get_generators()
        with self._own_generators():
            self.model, self.isr_callback = build({"n_timesteps": timesteps, **entry}, env_id, algo, seed)
        self._whole = _WholeTraining(timesteps)
        self.episodes = EpisodeRecorder()

    @property
    def labels(self) -> int:
        """Number of labels so far."""
        return self.isr_callback.store.n_added

    def advance(self, until: int) -> None:
        """
        Continue training.

        :param until: Environment steps after which to pause, at least.
        """
        steps = until - self.model.num_timesteps
        if steps <= 0:  # the last rollout overshot
            return
        with self._own_generators():
            callbacks = [self._whole, self.isr_callback, self.episodes]
            self.model.learn(steps, callbacks, log_interval=None, reset_num_timesteps=False)  # type: ignore[arg-type]

    def close(self) -> None:
        """Close the environments."""
        assert self.model.env is not None
        self.model.env.close()

    @contextmanager
    def _own_generators(self) -> Iterator[None]:
        others = get_generators()
        set_generators(self._generators)
        try:
            yield
        finally:
            self._generators = get_generators()
            set_generators(others)


class _WholeTraining(BaseCallback):
    """Lets schedules, the caregiver's and the algorithm's, see a piece as a piece of the whole training."""

    def __init__(self, timesteps: int) -> None:
        super().__init__()
        self.timesteps = timesteps

    def _on_training_start(self) -> None:
        self.model._total_timesteps = self.timesteps
        update = type(self.model)._update_current_progress_remaining

        def update_of_whole(num_timesteps: int, total_timesteps: int) -> None:
            update(self.model, num_timesteps, self.timesteps)

        self.model._update_current_progress_remaining = update_of_whole  # type: ignore[method-assign]

    def _on_step(self) -> bool:
        return True
