"""The pictures of questions: drawn from what the learner saw, or recorded while it happened."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from stable_baselines3.common.vec_env import VecEnv

from sb3_isr.common.batches import Array
from sb3_isr.respondents.question import Question
from sb3_isr.wrappers.images import encode

#: A method of environments, ``isr_pictures(transitions)``: ``k + 1`` arrays, uint8 ``[height, width, 3]``, for what was
#: seen before the first of ``k`` transitions and after each; none if they cannot be drawn.
DRAWN = "isr_pictures"
_RECORDED = "isr_frames"


class VenvIllustrator:
    """
    Adds pictures to questions.

    An environment with a method ``isr_pictures(transitions)`` draws them when it is asked (the coin game and the
    prosocial game do); else a :class:`~sb3_isr.wrappers.frame_recorder.FrameRecorder` around it has kept those of some
    episodes. Without either there are none.

    :param venv: The training environment, in whatever processes.
    :param steps_done: For each environment, the number of steps that the training has counted so far: what
        ``Question.step`` would be for the next transition. By default 0 each.
    """

    def __init__(self, venv: VecEnv, steps_done: Sequence[int] | None = None) -> None:
        self._venv = venv
        self._draws = _has(venv, DRAWN)
        self._has_recorder = not self._draws and _has(venv, _RECORDED)
        self._offsets = [0] * venv.num_envs
        if self._has_recorder:
            done = [0] * venv.num_envs if steps_done is None else steps_done
            seen = venv.env_method("isr_frame_steps")
            self._offsets = [there - int(here) for there, here in zip(seen, done, strict=True)]

    def can_show(self, env: int, step: int, n_steps: int) -> bool:
        """
        Say whether a question would have pictures; where there are none at all, every question is as good.

        :param env: Number of the environment.
        :param step: Steps that it had done before the first transition.
        :param n_steps: Number of transitions.
        :return: False if there are pictures of other episodes, but not of this one.
        """
        if not self._has_recorder:
            return True
        return bool(self._venv.env_method("isr_has_frames", step + self._offsets[env], n_steps, indices=[env])[0])

    def __call__(self, question: Question) -> Question:
        """
        Add pictures to a question.

        :param question: The question, as a rule without pictures.
        :return: The same with pictures, or as it is if there are none.
        """
        if question.pictures:
            return question
        if self._draws:
            drawn = self._venv.env_method(DRAWN, question.transitions, indices=[question.env])[0]
            return replace(question, pictures=_encoded(drawn))
        if self._has_recorder:
            step, n_steps = question.step + self._offsets[question.env], len(question.transitions.actions)
            frames = self._venv.env_method(_RECORDED, step, n_steps, indices=[question.env])[0]
            return replace(question, pictures=frames)
        return question


def _encoded(pictures: Sequence[Array]) -> tuple[bytes, ...]:
    """Encode pictures; each that is seen again, where nothing moved, once only."""
    known: dict[bytes, bytes] = {}
    keys = [picture.tobytes() for picture in pictures]
    for key, picture in zip(keys, pictures, strict=True):
        if key not in known:
            known[key] = encode(picture)
    return tuple(known[key] for key in keys)


def _has(venv: VecEnv, method: str) -> bool:
    try:
        return bool(venv.has_attr(method))
    except Exception:  # a VecEnv may have reset and step alone
        return False
