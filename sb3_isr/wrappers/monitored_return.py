"""Monitored returns: what a Monitor inside reports of an episode, corrected by what a caregiver adds to its rewards."""

from __future__ import annotations

from typing import Any, cast

import gymnasium as gym
from stable_baselines3.common.env_util import unwrap_wrapper
from stable_baselines3.common.monitor import Monitor


class MonitoredReturn:
    """
    Corrects returns in ``info["episode"]``, in the ``Monitor`` itself and in its file.

    ``make_vec_env`` and RL Zoo put the ``Monitor`` inside of all other wrappers. Its episode may go on after a
    ``reset``: with ``EpisodicLifeEnv`` it lasts for all lives.

    :param env: An environment with or without a ``Monitor``.
    """

    def __init__(self, env: gym.Env[Any, Any]) -> None:
        self._monitor = cast(Monitor | None, unwrap_wrapper(env, Monitor))
        self._rows: _LateRows | None = None
        self._rewards: object = None
        self._change = 0.0
        if self._monitor is not None and self._monitor.results_writer is not None:
            self._rows = _LateRows.of(self._monitor.results_writer)
            self._monitor.results_writer = self._rows  # type: ignore[assignment]

    def reset(self) -> None:
        """Start an episode, if the Monitor has started one. Called after each reset of the environment."""
        rewards = None if self._monitor is None else self._monitor.rewards
        if rewards is None or rewards is not self._rewards:  # a Monitor has a new list for each episode
            self._change = 0.0
        self._rewards = rewards
        if self._rows is not None:
            self._rows.flush()

    def add(self, change: float, info: dict[str, Any]) -> None:
        """
        Add what the caregiver changed at a step.

        :param change: The true reward less that of the environment.
        :param info: The info of the step; the return in it is corrected at the end of an episode.
        """
        self._change += change
        if "episode" not in info:
            return
        info["episode"] = {**info["episode"], "r": info["episode"]["r"] + self._change}
        if self._monitor is not None and self._monitor.episode_returns:
            self._monitor.episode_returns[-1] += self._change
        if self._rows is not None:
            self._rows.correct(self._change)
        self._change = 0.0


class _LateRows:
    """Writes a row of a Monitor's file when the next episode starts: by then its return is corrected."""

    def __init__(self, writer: Any) -> None:
        self._writer = writer
        self._row: dict[str, Any] | None = None

    @staticmethod
    def of(writer: Any) -> _LateRows:
        return writer if isinstance(writer, _LateRows) else _LateRows(writer)

    def write_row(self, row: dict[str, Any]) -> None:
        self.flush()
        self._row = dict(row)

    def correct(self, change: float) -> None:
        if self._row is not None:
            self._row["r"] = round(self._row["r"] + change, 6)

    def flush(self) -> None:
        if self._row is not None:
            self._writer.write_row(self._row)
            self._row = None

    def close(self) -> None:
        self.flush()
        self._writer.close()
