"""Labels that can be handed on: with their spaces, and by whom, when and on which question each was given."""

from __future__ import annotations

import reprlib
from collections.abc import Sequence
from typing import Any, NamedTuple

import gymnasium as gym
import numpy as np

from sb3_isr.common.batches import Array
from sb3_isr.common.spaces import check_spaces
from sb3_isr.labels.batch import LabelBatch
from sb3_isr.labels.checked import check_labels, zero_labels

#: The most bytes of a name or of a question's id, in UTF-8.
MAX_TEXT = 256
#: Seconds from 1970 to the year 10000, which calendars do not know.
MAX_TIME = 253_402_300_800


class Spaces(NamedTuple):
    """
    The spaces of labels.

    :param observation: The learner's observation space.
    :param action: The environment's action space, as the ISR is given it.
    """

    observation: gym.Space[Any]
    action: gym.Space[Any]


class AttributedLabels:
    """
    Labels with their spaces, and where they come from.

    :param spaces: Observation space and action space.
    :param labels: The labels, ``n`` of them.
    :param questions: What was asked, ``n`` texts: the question's id and the number of its step, ``3f2a/4``. Empty where
        it is not known, which is the default.
    :param by: Who gave each, ``n`` texts; empty where it is not known.
    :param times: When, in seconds since 1970, ``[n]``; 0 where it is not known.
    :raises ValueError: If the spaces are not supported, or something does not fit them, or is no name or time.
    """

    def __init__(
        self,
        spaces: tuple[gym.Space[Any], gym.Space[Any]],
        labels: LabelBatch,
        questions: Sequence[str] | None = None,
        by: Sequence[str] | None = None,
        times: Sequence[float] | Array | None = None,
    ) -> None:
        check_spaces(*spaces)
        self.spaces = Spaces(*spaces)
        #: The labels, in the dtypes in which a store holds them.
        self.labels = check_labels(labels, *spaces)
        n = len(self)
        #: What was asked, ``n`` texts.
        self.questions = _texts("question", questions, n)
        #: Who gave them, ``n`` texts.
        self.by = _texts("by", by, n)
        #: When, float64 ``[n]``.
        self.times = _times(times, n)

    def __len__(self) -> int:
        return len(self.labels.social_rewards)

    @staticmethod
    def none(spaces: tuple[gym.Space[Any], gym.Space[Any]]) -> AttributedLabels:
        """
        Make labels of which there are none.

        :param spaces: Their spaces.
        :return: No labels.
        """
        return AttributedLabels(spaces, zero_labels(*spaces, 0))

    def select(self, index: Array) -> AttributedLabels:
        """
        Select some of the labels.

        :param index: Which of them, int ``[k]``.
        :return: These labels, in the order of ``index``.
        """
        questions, by = ([texts[i] for i in index.tolist()] for texts in (self.questions, self.by))
        return AttributedLabels(self.spaces, self.labels.select(index), questions, by, self.times[index])

    def signed(self, name: str) -> AttributedLabels:
        """
        Say who gave the labels of which it is not known.

        :param name: A name.
        :return: The same labels, each with a name.
        """
        return AttributedLabels(
            self.spaces, self.labels, self.questions, [each or name for each in self.by], self.times
        )

    @staticmethod
    def concatenate(parts: Sequence[AttributedLabels]) -> AttributedLabels:
        """
        Concatenate labels of the same spaces.

        :param parts: At least one.
        :return: All their labels, in order.
        :raises ValueError: If their spaces are not the same.
        """
        spaces = parts[0].spaces
        for part in parts:
            part.check_spaces(spaces)
        return AttributedLabels(
            spaces,
            LabelBatch.concatenate([part.labels for part in parts]),
            [question for part in parts for question in part.questions],
            [name for part in parts for name in part.by],
            np.concatenate([part.times for part in parts]),
        )

    def check_spaces(self, spaces: tuple[gym.Space[Any], gym.Space[Any]]) -> None:
        """
        Check that the labels are of some spaces.

        :param spaces: Observation space and action space.
        :raises ValueError: If they are of others.
        """
        if Spaces(*spaces) != self.spaces:
            raise ValueError(
                f"Labels must be of the same spaces, {spaces[0]} and {spaces[1]}, got labels of "
                f"{self.spaces.observation} and {self.spaces.action}; take those of the same environment and wrappers."
            )


def _texts(name: str, texts: Sequence[str] | None, n: int) -> list[str]:
    if texts is None:
        return [""] * n
    if len(texts) != n:
        raise ValueError(f"{name!r} must be a text for each of {n} labels, got {len(texts)}.")
    for text in texts:
        # Names are shown in terminals, where control characters are commands.
        if not isinstance(text, str) or not text.isprintable() or len(text.encode()) > MAX_TEXT:
            raise ValueError(
                f"{name!r} must be a printable text of at most {MAX_TEXT} bytes, got {reprlib.repr(text)}."
            )
    return list(texts)


def _times(times: Sequence[float] | Array | None, n: int) -> Array:
    array = np.zeros(n) if times is None else np.asarray(times)
    if array.shape != (n,) or array.dtype.kind not in "iuf" or not ((array >= 0) & (array < MAX_TIME)).all():
        raise ValueError(f"'time' must be seconds since 1970 for each of {n} labels, got {reprlib.repr(times)}.")
    return array.astype(np.float64)
