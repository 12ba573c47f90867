"""Imperfect caregivers, each composed over another one."""

from __future__ import annotations

from collections import deque

import numpy as np

from sb3_isr.caregivers.base import Caregiver, Transition


class _Imperfect(Caregiver):
    """
    A caregiver that spoils what another one says; the environment's reward is as the other one says.

    :param caregiver: The other one.
    """

    def __init__(self, caregiver: Caregiver) -> None:
        self.caregiver = caregiver
        self._rng: np.random.Generator | None = None

    @property
    def rng(self) -> np.random.Generator:
        """The caregiver's own randomness. Made late: copies for several environments must not say the same."""
        if self._rng is None:
            self._rng = np.random.default_rng()
        return self._rng

    def reset(self, seed: int | None = None) -> None:
        if seed is not None:
            own, others = np.random.SeedSequence(seed).generate_state(2)
            self._rng, seed = np.random.default_rng(own), int(others)
        self.caregiver.reset(seed)

    def environment_reward(self, transition: Transition) -> float:
        return self.caregiver.environment_reward(transition)


class NoisyCaregiver(_Imperfect):
    """
    Adds normal noise to every label.

    :param caregiver: Whose labels.
    :param std: The noise's standard deviation, in units of the social reward.
    """

    def __init__(self, caregiver: Caregiver, std: float) -> None:
        super().__init__(caregiver)
        if not (np.isfinite(std) and std >= 0.0):
            raise ValueError(f"The noise's standard deviation must be finite and not negative, got {std!r}.")
        self.std = std

    def social_reward(self, transition: Transition) -> float | None:
        """
        :param transition: What the learner did.
        :return: The label with noise.
        """
        label = self.caregiver.social_reward(transition)
        return None if label is None else label + float(self.rng.normal(0.0, self.std))


class SparseCaregiver(_Imperfect):
    """
    Gives a label only sometimes, and says nothing otherwise.

    :param caregiver: Whose labels.
    :param probability: That a label is given, in [0, 1].
    """

    def __init__(self, caregiver: Caregiver, probability: float) -> None:
        super().__init__(caregiver)
        if not 0.0 <= probability <= 1.0:
            raise ValueError(f"The probability of a label must lie in [0, 1], got {probability!r}.")
        self.probability = probability

    def social_reward(self, transition: Transition) -> float | None:
        """
        :param transition: What the learner did.
        :return: The label, or None.
        """
        label = self.caregiver.social_reward(transition)
        return label if self.rng.random() < self.probability else None


class DelayedCaregiver(_Imperfect):
    """
    Gives each label some steps late, so that it falls on another transition. Before the first label arrives nothing
    is said; what is still on its way when the episode ends is never said.

    :param caregiver: Whose labels.
    :param steps: The delay, in steps.
    """

    def __init__(self, caregiver: Caregiver, steps: int) -> None:
        super().__init__(caregiver)
        if steps < 0:
            raise ValueError(f"The delay must be a number of steps, 0 or more, got {steps!r}.")
        self.steps = steps
        self._on_its_way: deque[float | None] = deque()

    def reset(self, seed: int | None = None) -> None:
        """
        :param seed: Passed on.
        """
        super().reset(seed)
        self._on_its_way = deque([None] * self.steps)

    def social_reward(self, transition: Transition) -> float | None:
        """
        :param transition: What the learner did.
        :return: The label of the transition ``steps`` steps ago.
        """
        self._on_its_way.append(self.caregiver.social_reward(transition))
        return self._on_its_way.popleft()
