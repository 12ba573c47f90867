"""SocialRewardWrapper: adds a caregiver to any Gymnasium environment."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Iterator
from typing import Any, SupportsFloat
from weakref import WeakValueDictionary

import gymnasium as gym

from sb3_isr.caregivers.base import Caregiver, Transition, environment_reward_of, label_of
from sb3_isr.caregivers.plain import AnyCaregiver, as_caregiver
from sb3_isr.common.numbers import unwrap
from sb3_isr.common.reward_parts import ENVIRONMENT_REWARD, SOCIAL_REWARD
from sb3_isr.wrappers.monitored_return import MonitoredReturn

#: The wrapper that each caregiver with a memory belongs to, by the caregiver's id: the wrapper keeps it alive.
_OWNERS: WeakValueDictionary[int, SocialRewardWrapper] = WeakValueDictionary()


class SocialRewardWrapper(gym.Wrapper[Any, Any, Any, Any], gym.utils.RecordConstructorArgs):
    """
    Asks a caregiver about each transition, and adds its reward ``R_s`` to the environment's ``R_e``.

    ``info["social_reward"]`` is the social part of the sum, and ``info["environment_reward"]`` the other one; without
    the first key the caregiver gave no label.

    A ``Monitor`` may be inside (``make_vec_env`` and RL Zoo put it there): the returns that it reports, also in its
    file, are then corrected by what the caregiver changed.

    :param env: Any environment.
    :param caregiver: The caregiver, or any function of a :class:`~sb3_isr.Transition`. For YAML, also its dotted name,
        alone (``sb3_isr.TaskRewardCaregiver``) or with its arguments
        (``{sb3_isr.NoisyCaregiver: {caregiver: sb3_isr.PraiseCaregiver, std: 0.1}}``). It is asked at every step, also
        in autonomy, where its answers measure what is lost and are used for nothing else. It is not copied, so that it
        hears what is told to it, unless it has a ``reset``, that is a memory of an episode, and another environment
        has it already. In another process it is a copy in any case.
    :raises TypeError: If ``env`` is not a Gymnasium environment, or ``caregiver`` no caregiver.
    :raises ValueError: If an ISR wrapper is inside.
    """

    def __init__(self, env: gym.Env[Any, Any], caregiver: AnyCaregiver) -> None:
        _check(env)
        gym.utils.RecordConstructorArgs.__init__(self, caregiver=caregiver, _disable_deepcopy=True)
        gym.Wrapper.__init__(self, env)
        self.caregiver = self._own(as_caregiver(caregiver))
        self._observation: Any = None
        self._steps = 0
        self._monitored_return = MonitoredReturn(env)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """
        Start an episode.

        :param seed: Seeds the environment, and the caregiver too.
        :param options: Passed on.
        :return: The first observation and its info.
        """
        observation, info = self.env.reset(seed=seed, options=options)
        self._observation = copy.deepcopy(observation)
        self._monitored_return.reset()
        self.caregiver.reset(seed)
        return observation, info

    def step(self, action: Any) -> tuple[Any, SupportsFloat, bool, bool, dict[str, Any]]:
        """
        Step the environment, and ask the caregiver about the transition.

        :param action: Passed on.
        :return: Observation, ``R_e + R_s`` (a Python float), terminated, truncated and info.
        :raises ValueError: If the caregiver returns something that is neither one finite number nor None.
        """
        action_copy = copy.deepcopy(action)  # some environments write into the arrays that they gave or took
        observation, reward, terminated, truncated, info = self.env.step(action)
        next_observation = copy.deepcopy(observation)
        self._steps += 1
        transition = Transition(
            self._observation, action_copy, float(unwrap(reward)), next_observation, terminated, truncated, info
        )
        try:
            social_reward = label_of(self.caregiver, transition)
            environment_reward = environment_reward_of(self.caregiver, transition)
        except ValueError as error:
            raise ValueError(f"{error} That was at step {self._steps} of {self}.") from error
        true_reward = environment_reward
        info = {**info, ENVIRONMENT_REWARD: environment_reward}
        info.pop(SOCIAL_REWARD, None)
        if social_reward is not None:
            info[SOCIAL_REWARD] = social_reward
            true_reward += social_reward
        self._monitored_return.add(true_reward - transition.reward, info)
        self._observation = next_observation
        return observation, true_reward, terminated, truncated, info

    def close(self) -> None:
        """Close the environment, and leave the caregiver to others."""
        for memory in [memory for memory, owner in _OWNERS.items() if owner is self]:
            del _OWNERS[memory]
        super().close()

    def _own(self, caregiver: Caregiver) -> Caregiver:
        memories = [id(each) for each in _parts(caregiver) if type(each).reset is not Caregiver.reset]
        if any(memory in _OWNERS for memory in memories):
            warnings.warn(
                f"A caregiver with a `reset` remembers an episode, so it can serve one environment, got {caregiver!r} "
                "for several: this one has a copy, which hears nothing of what is told to the first one. Close the "
                "other environment, or make a caregiver for each, as in make_vec_env(lambda: "
                "SocialRewardWrapper(gym.make(...), MyCaregiver()), 4).",
                stacklevel=3,
            )
            return copy.deepcopy(caregiver)
        _OWNERS.update(dict.fromkeys(memories, self))
        return caregiver


def _parts(caregiver: Any) -> Iterator[Any]:
    """A caregiver, and those whose labels it degrades."""
    while hasattr(caregiver, "social_reward"):
        yield caregiver
        caregiver = getattr(caregiver, "caregiver", None)


def _check(env: Any) -> None:
    if not isinstance(env, gym.Env):
        raise TypeError(
            f"SocialRewardWrapper wraps one Gymnasium environment, got {env!r}; wrap each before they are vectorized, "
            "as in make_vec_env(lambda: SocialRewardWrapper(gym.make(...), caregiver), 4)."
        )
    if env.has_wrapper_attr("isr_connect"):
        raise ValueError(
            "SocialRewardWrapper must be inside of the ISR wrapper, or the caregiver's reward would never leave, got "
            "it outside; write ISRRewardWrapper(SocialRewardWrapper(env, caregiver))."
        )
