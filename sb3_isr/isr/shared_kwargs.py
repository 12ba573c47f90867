"""Keyword arguments that ISR and policy share, although algorithms write into those of the policy."""

from __future__ import annotations

from inspect import signature
from typing import Any

from sb3_isr.common.arguments import plain
from sb3_isr.isr.model import InternalSocialReward


def without_policys(isr_kwargs: dict[str, Any], policy_kwargs: dict[str, Any]) -> dict[str, Any]:
    """
    Leave out what only the policy knows of a dictionary that it shares.

    A2C writes its optimizer there, SAC ``use_sde``, DDPG ``n_critics``, before the ISR is described or afterwards.

    :param isr_kwargs: Arguments of :class:`~sb3_isr.InternalSocialReward`, and possibly others that the policy has.
    :param policy_kwargs: The policy's arguments.
    :return: Arguments of :class:`~sb3_isr.InternalSocialReward`.
    :raises ValueError: If there is one that neither of them has.
    """
    known = signature(InternalSocialReward).parameters
    for key, value in isr_kwargs.items():
        if key not in known and (key not in policy_kwargs or plain(policy_kwargs[key]) != value):
            raise ValueError(
                f"isr_kwargs must be arguments of InternalSocialReward, or be shared with policy_kwargs, got {key!r}; "
                "what belongs to training, such as optimizer_class, goes into trainer_kwargs, and a dictionary in "
                "which another algorithm left its own arguments must be written anew."
            )
    return {key: value for key, value in isr_kwargs.items() if key in known}
