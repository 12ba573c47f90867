"""The interface of caregivers, and the transitions that they see."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, Protocol


class Transition(NamedTuple):
    """
    One step of an environment, as a caregiver sees it.

    :param observation: What the learner saw.
    :param action: What it then did.
    :param reward: The environment's reward, unchanged.
    :param next_observation: The observation after the step; at the end of an episode the true last one.
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
    Gives a learner social rewards. Inherit from this class, or write one that has its methods.
    """

    def reset(self, seed: int | None = None) -> None:
        """
        Prepare for a new episode.

        :param seed: Seeds the caregiver's own randomness; None leaves it as it is.
        """
        return None

    def social_reward(self, transition: Transition) -> float | None:
        """
        Label a transition.

        :param transition: The transition.
        :return: ``R_s``, a finite number; None for no label, which is not the same as a label of 0.
        """
        ...

    def environment_reward(self, transition: Transition) -> float:
        """
        Get the part of the environment's reward that is not social.

        :param transition: The transition.
        :return: ``R_e``; by default the environment's reward less its own ``info["social_reward"]``, if it has one.
        """
        return transition.reward - float(transition.info.get("social_reward", 0.0))


class FunctionCaregiver(Caregiver):
    """
    Makes a caregiver of a plain function.

    :param function: Returns ``R_s`` (or None) of a :class:`Transition`.
    """

    def __init__(self, function: Callable[[Transition], float | None]) -> None:
        self.function = function

    def social_reward(self, transition: Transition) -> float | None:
        """
        Call the function.

        :param transition: The transition.
        :return: The function's result.
        """
        return self.function(transition)
