"""Imperfect caregivers: each degrades the labels of another caregiver."""

from __future__ import annotations

from collections import deque

import numpy as np

from sb3_isr.caregivers.base import Caregiver, Transition, label_of
from sb3_isr.caregivers.plain import AnyCaregiver, as_caregiver
from sb3_isr.common.arguments import number, whole_number


class ImperfectCaregiver(Caregiver):
    """
    Base class of caregivers that degrade another caregiver's labels and leave its environment reward as it is.

    :param caregiver: The other caregiver, or a function of a :class:`~sb3_isr.Transition`.
    """

    def __init__(self, caregiver: AnyCaregiver) -> None:
        self.caregiver = as_caregiver(caregiver)
        self._rng: np.random.Generator | None = None

    @property
    def rng(self) -> np.random.Generator:
        """The caregiver's own generator. Made late, so that copies for several environments draw differently."""
        if self._rng is None:
            self._rng = np.random.default_rng()
        return self._rng

    def reset(self, seed: int | None = None) -> None:
        """
        Prepare this caregiver and the other one for a new episode.

        :param seed: Seeds both, differently; None leaves their randomness as it is.
        """
        if seed is not None:
            own_seed, other_seed = np.random.SeedSequence(seed).generate_state(2)
            self._rng, seed = np.random.default_rng(own_seed), int(other_seed)
        self.caregiver.reset(seed)

    def environment_reward(self, transition: Transition) -> float:
        """
        Pass on the other caregiver's.

        :param transition: The transition.
        :return: ``R_e``.
        """
        return self.caregiver.environment_reward(transition)


class NoisyCaregiver(ImperfectCaregiver):
    """
    Adds Gaussian noise to every label.

    :param caregiver: The caregiver that gives the labels.
    :param std: The noise's standard deviation, in units of the social reward.
    :raises ValueError: If ``std`` is negative or not finite.
    """

    def __init__(self, caregiver: AnyCaregiver, std: float) -> None:
        super().__init__(caregiver)
        self.std = number("std", std, "[0, inf)")

    def social_reward(self, transition: Transition) -> float | None:
        """
        Label a transition.

        :param transition: The transition.
        :return: The label with noise, or None.
        """
        label = label_of(self.caregiver, transition)
        return None if label is None else label + float(self.rng.normal(0.0, self.std))


class SparseCaregiver(ImperfectCaregiver):
    """
    Withholds labels at random.

    :param caregiver: The caregiver that gives the labels.
    :param probability: The probability that a label is given, in [0, 1].
    :raises ValueError: If ``probability`` is out of range.
    """

    def __init__(self, caregiver: AnyCaregiver, probability: float) -> None:
        super().__init__(caregiver)
        self.probability = number("probability", probability, "[0, 1]")

    def social_reward(self, transition: Transition) -> float | None:
        """
        Label a transition.

        :param transition: The transition.
        :return: The label, or None.
        """
        label = label_of(self.caregiver, transition)
        return label if self.rng.random() < self.probability else None


class DelayedCaregiver(ImperfectCaregiver):
    """
    Gives each label some steps late, so that it is given to a later transition.

    The first transitions of an episode get no label, and the labels of the last ones are lost.

    :param caregiver: The caregiver that gives the labels.
    :param steps: The delay, in steps.
    :raises ValueError: If ``steps`` is negative.
    """

    def __init__(self, caregiver: AnyCaregiver, steps: int) -> None:
        super().__init__(caregiver)
        self.steps = whole_number("steps", steps, 0)
        self._delayed: deque[float | None] = deque()

    def reset(self, seed: int | None = None) -> None:
        """
        Prepare for a new episode, and drop the labels of the last one.

        :param seed: As :meth:`ImperfectCaregiver.reset`'s.
        """
        super().reset(seed)
        self._delayed = deque([None] * self.steps)

    def social_reward(self, transition: Transition) -> float | None:
        """
        Label a transition.

        :param transition: The transition.
        :return: The label of the transition ``steps`` steps before; None if the episode was not so long yet.
        """
        self._delayed.append(label_of(self.caregiver, transition))
        return self._delayed.popleft()
