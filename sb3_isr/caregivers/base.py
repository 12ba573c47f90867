"""The interface of caregivers, and the transitions that they see."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from inspect import signature
from typing import Any, NamedTuple, Protocol

import cloudpickle
import numpy as np

from sb3_isr.common.numbers import as_number
from sb3_isr.common.reward_parts import SOCIAL_REWARD, check_parts

_is_checking = ContextVar("_is_checking", default=False)


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
        :raises ValueError: If that is not what the environment gave, as ``info["environment_reward"]`` tells.
        """
        label = transition.info.get(SOCIAL_REWARD)
        social_reward = 0.0 if label is None else as_number(label)
        check_parts(np.array([transition.reward]), np.array([social_reward]), [transition.info])
        return transition.reward - social_reward

    def __reduce_ex__(self, protocol: Any) -> str | tuple[Any, ...]:
        """
        Refuse to be copied into another process (or at all) together with what only this process can hold.

        :param protocol: Of pickle.
        :return: As usual.
        :raises TypeError: If the caregiver holds something that cannot be pickled.
        """
        reduced = super().__reduce_ex__(protocol)
        if not _is_checking.get():  # what it holds is reduced, too, and may refer to it
            token = _is_checking.set(True)
            try:
                cloudpickle.dumps(reduced[2:])
            except Exception as error:
                raise TypeError(
                    "A caregiver can be copied, or sent to another process, only if all that it holds can be, got "
                    f"{self!r} ({error}). In one process (DummyVecEnv) it is not copied; for others make it inside "
                    "the function that makes the environment, and let it hear of this process by a file, a socket or "
                    "a queue of multiprocessing.Manager()."
                ) from error
            finally:
                _is_checking.reset(token)
        return reduced


class FunctionCaregiver(Caregiver):
    """
    Makes a caregiver of a plain function.

    :param function: Returns ``R_s`` (or None) of a :class:`Transition`. It may be any callable.
    :raises TypeError: If it is not callable with one argument.
    """

    def __init__(self, function: Callable[[Transition], float | None]) -> None:
        if not _takes_a_transition(function):
            raise TypeError(
                f"A caregiver's function is called with one argument, a Transition, got {function!r}; write "
                "def praise(transition), or a class that inherits from sb3_isr.Caregiver."
            )
        self.function = function

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.function!r})"

    def social_reward(self, transition: Transition) -> float | None:
        """
        Call the function.

        :param transition: The transition.
        :return: The function's result.
        """
        return self.function(transition)


def label_of(caregiver: Caregiver, transition: Transition) -> float | None:
    """
    Ask a caregiver for a label.

    :param caregiver: The caregiver.
    :param transition: The transition.
    :return: The label as a Python float, or None.
    :raises ValueError: If it returns something else than one finite number or None.
    """
    label = caregiver.social_reward(transition)
    return None if label is None else _number_of(caregiver, "social_reward", label)


def environment_reward_of(caregiver: Caregiver, transition: Transition) -> float:
    """
    Ask a caregiver for the part of the reward that is not social.

    :param caregiver: The caregiver.
    :param transition: The transition.
    :return: ``R_e`` as a Python float.
    :raises ValueError: If it returns something else than one finite number.
    """
    return _number_of(caregiver, "environment_reward", caregiver.environment_reward(transition))


def _number_of(caregiver: Caregiver, method: str, value: Any) -> float:
    try:
        return as_number(value)
    except ValueError as error:
        raise ValueError(
            f"A caregiver's {method} must return a finite number (or None for no label), but of {caregiver!r} {error}."
        ) from None


def _takes_a_transition(function: Any) -> bool:
    if not callable(function):
        return False
    try:
        signature(function).bind(None)
    except TypeError:
        return False
    except ValueError:  # some built-in functions do not tell
        return True
    return True
