"""What a caregiver is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, Protocol


class Transition(NamedTuple):
    """
    One step of an environment, as a caregiver sees it.

    :param observation: What the learner saw.
    :param action: What it then did.
    :param reward: The environment's reward for it, as the environment gave it.
    :param next_observation: What came of it.
    :param terminated: Whether the episode ended in a terminal state.
    :param truncated: Whether the episode was cut short.
    :param info: The environment's info.
    """

    observation: Any
    action: Any
    reward: float
    next_observation: Any
    terminated: bool
    truncated: bool
    info: dict[str, Any]


class Caregiver(Protocol):
    """
    Someone who rewards a learner for what it does. Inherit from it, or write a class that has its methods.
    """

    def reset(self, seed: int | None = None) -> None:
        """
        An episode starts.

        :param seed: Seeds the caregiver's own randomness; None leaves it as it is.
        """
        return None

    def social_reward(self, transition: Transition) -> float | None:
        """
        :param transition: What the learner did.
        :return: ``R_s``, a finite number; None says nothing, which is not the same as 0.
        """
        ...

    def environment_reward(self, transition: Transition) -> float:
        """
        :param transition: What the learner did.
        :return: ``R_e``: what of the environment's reward is not social. Here all but what the environment itself
            says is social.
        """
        return transition.reward - float(transition.info.get("social_reward", 0.0))


class FunctionCaregiver(Caregiver):
    """
    A plain function as a caregiver.

    :param function: Gives ``R_s`` (or None) of a :class:`Transition`.
    """

    def __init__(self, function: Callable[[Transition], float | None]) -> None:
        self.function = function

    def social_reward(self, transition: Transition) -> float | None:
        """
        :param transition: What the learner did.
        :return: What the function says.
        """
        return self.function(transition)
