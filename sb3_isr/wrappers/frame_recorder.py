"""FrameRecorder: keeps what some episodes looked like, for the questions that may be asked about them."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.utils import RecordConstructorArgs

from sb3_isr.common.arguments import whole_number
from sb3_isr.wrappers.images import encode


@dataclass
class _Episode:
    """The frames of an episode; those before ``first`` have been forgotten."""

    start: int
    first: int = 0
    frames: deque[bytes] = field(default_factory=deque)

    def holds(self, step: int, n_steps: int) -> bool:
        begin = step - self.start
        return self.first <= begin and begin + n_steps < self.first + len(self.frames)


class FrameRecorder(gym.Wrapper[Any, Any, Any, Any], RecordConstructorArgs):
    """
    Renders and encodes every step of some episodes, and keeps them as long as there is room.

    Which episodes is drawn by a generator of its own, so that the environment and the learner do the same with and
    without it. It works in any process: the training reaches it by its methods that begin with ``isr_``.

    :param env: An environment with ``render_mode="rgb_array"``.
    :param every: One in so many episodes is kept, at random: rendering all would cost more than the training.
    :param max_bytes: The most memory that the encoded frames take; the oldest are forgotten first.
    :raises ValueError: If the environment does not render arrays, or a number is out of range.
    """

    def __init__(self, env: gym.Env[Any, Any], every: int = 16, max_bytes: int = 2**25) -> None:
        self.every = whole_number("every", every, low=1)
        self.max_bytes = whole_number("max_bytes", max_bytes, low=1)
        RecordConstructorArgs.__init__(self, every=every, max_bytes=max_bytes)
        gym.Wrapper.__init__(self, env)
        if env.render_mode != "rgb_array":
            raise ValueError(
                f"A FrameRecorder needs an environment that renders arrays, got the render mode {env.render_mode!r} of "
                f"{env}; make it with render_mode='rgb_array'."
            )
        self._rng = np.random.default_rng(0)
        self._episodes: deque[_Episode] = deque()
        self._is_recording = False
        self._n_steps = 0
        self._n_bytes = 0

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """
        Start an episode, and draw whether it is kept.

        :param seed: Seed of the environment, and of which episodes are kept.
        :param options: Passed on.
        :return: The first observation, and the info.
        """
        result = self.env.reset(seed=seed, options=options)
        if seed is not None:
            self._rng = np.random.default_rng(seed)
        self._is_recording = bool(self._rng.random() < 1 / self.every)
        if self._is_recording:
            self._episodes.append(_Episode(self._n_steps))
            self._record()
        return result

    def step(self, action: Any) -> tuple[Any, Any, bool, bool, dict[str, Any]]:
        """
        Perform an action, and keep what is seen then.

        :param action: The action.
        :return: Observation, reward, terminated, truncated, info: the environment's own.
        """
        result = self.env.step(action)
        self._n_steps += 1
        if self._is_recording:
            self._record()
        return result

    def isr_frame_steps(self) -> int:
        """
        Say how many steps this wrapper has seen: frames are found by that number.

        :return: The number of steps.
        """
        return self._n_steps

    def isr_has_frames(self, step: int, n_steps: int) -> bool:
        """
        Say whether a piece of an episode can be shown.

        :param step: Steps that this wrapper had seen before its first transition.
        :param n_steps: Number of transitions.
        :return: Whether all of its frames are kept.
        """
        return self._find(step, n_steps) is not None

    def isr_frames(self, step: int, n_steps: int) -> tuple[bytes, ...]:
        """
        Get the frames of a piece of an episode.

        :param step: Steps that this wrapper had seen before its first transition.
        :param n_steps: Number of transitions.
        :return: Encoded images, ``n_steps + 1`` of them; none if they are not kept (any more).
        """
        episode = self._find(step, n_steps)
        if episode is None:
            return ()
        begin = step - episode.start - episode.first
        return tuple(episode.frames)[begin : begin + n_steps + 1]

    def _find(self, step: int, n_steps: int) -> _Episode | None:
        return next((episode for episode in self._episodes if episode.holds(step, n_steps)), None)

    def _record(self) -> None:
        frame = encode(self.env.render())
        self._episodes[-1].frames.append(frame)
        self._n_bytes += len(frame)
        while self._n_bytes > self.max_bytes:
            oldest = self._episodes[0]
            if oldest.frames:
                self._n_bytes -= len(oldest.frames.popleft())
                oldest.first += 1
            if not oldest.frames and len(self._episodes) > 1:
                self._episodes.popleft()
