"""The arguments of an Internalizer: checked when they are given, used when spaces, seed and device are known."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import gymnasium as gym
import numpy as np
import torch

from sb3_isr.callbacks.internalizer import Internalizer
from sb3_isr.callbacks.reviews import ReviewedInternalizer
from sb3_isr.common.arguments import flag, plain, whole_number
from sb3_isr.common.dotted_names import import_classes
from sb3_isr.common.keyword_arguments import keyword_arguments
from sb3_isr.isr.model import InternalSocialReward
from sb3_isr.isr.training import ISRTrainer
from sb3_isr.labels.store import LabelStore
from sb3_isr.respondents.plain import PlainRespondent, as_respondent
from sb3_isr.respondents.respondent import Respondent
from sb3_isr.schedules.episode_queries import EpisodeQueries
from sb3_isr.schedules.episode_scheduler import EpisodeScheduler
from sb3_isr.schedules.presence import Never, PresenceSchedule, presence_schedule
from sb3_isr.schedules.queries import query_schedule
from sb3_isr.schedules.query_schedule import QuerySchedule
from sb3_isr.schedules.query_scheduler import make_scheduler

#: What algorithms write into ``policy_kwargs``: A2C, SAC, TD3. Users share it with ``isr_kwargs``.
WRITTEN_BY_ALGORITHMS = ("optimizer_class", "optimizer_kwargs", "use_sde", "n_critics")


class InternalizerArguments:
    """
    Checks the arguments of an Internalizer and its parts.

    :param presence: When the caregiver attends: a schedule or its text.
    :param queries: What it is queried about: a schedule or its text.
    :param isr: An ISR that was trained before, or the path of its file; None to make a new one.
    :param isr_kwargs: Arguments of the new ISR.
    :param trainer_kwargs: Arguments of the trainer.
    :param store_kwargs: Arguments of the label store.
    :param train_every: Train also every so many environment steps; None for never.
    :param respondent: Who answers episode queries; for YAML, also a dotted name. None for the environments' caregiver.
    :param wait_for_answers: Whether training waits for the answers.
    :raises ValueError: If an argument is of another kind, out of range or unknown, or ``isr`` and ``isr_kwargs`` are
        both given.
    """

    def __init__(
        self,
        presence: str | PresenceSchedule,
        queries: str | QuerySchedule,
        isr: InternalSocialReward | str | os.PathLike[str] | None = None,
        isr_kwargs: Mapping[str, Any] | None = None,
        trainer_kwargs: Mapping[str, Any] | None = None,
        store_kwargs: Mapping[str, Any] | None = None,
        train_every: int | None = None,
        respondent: Respondent | PlainRespondent | None = None,
        wait_for_answers: bool = False,
    ) -> None:
        if isr is not None and isr_kwargs is not None:
            raise ValueError("isr_kwargs describe a new ISR, but isr is given too; leave one of them out.")
        if not isinstance(isr, InternalSocialReward | str | os.PathLike | None):
            raise ValueError(
                f"isr must be an InternalSocialReward or the path of its file, got {isr!r}; for a new ISR leave it out."
            )
        self.presence = presence_schedule(presence)
        self.queries = query_schedule(queries)
        self.train_every = None if train_every is None else whole_number("train_every", train_every)
        self.respondent = as_respondent(respondent)
        self.wait_for_answers = flag("wait_for_answers", wait_for_answers)
        self._check_queries()
        self._isr = isr
        self._written: dict[str, Any] = {}
        if isinstance(isr_kwargs, Mapping):
            self._written = import_classes({key: isr_kwargs[key] for key in WRITTEN_BY_ALGORITHMS if key in isr_kwargs})
            isr_kwargs = {key: value for key, value in isr_kwargs.items() if key not in self._written}
        self.isr_kwargs, self.trainer_kwargs, self.store_kwargs = keyword_arguments(
            {"isr_kwargs": isr_kwargs, "trainer_kwargs": trainer_kwargs, "store_kwargs": store_kwargs},
            {"isr_kwargs": InternalSocialReward, "trainer_kwargs": ISRTrainer, "store_kwargs": LabelStore},
        )

    def make(
        self,
        spaces: tuple[gym.Space[Any], gym.Space[Any]],
        seed: int | None,
        device: torch.device,
        policy_kwargs: Mapping[str, Any],
    ) -> Internalizer:
        """
        Make the Internalizer.

        :param spaces: Observation space and action space of the ISR.
        :param seed: Seeds all parts that have no seed in their own arguments.
        :param device: Where the ISR is put if its own arguments do not say.
        :param policy_kwargs: The learner's, with what its algorithm has written into them.
        :return: The Internalizer.
        :raises ValueError: If an argument is out of range.
        """
        for key, value in self._written.items():
            if key not in policy_kwargs or plain(policy_kwargs[key]) != value:
                raise ValueError(
                    f"isr_kwargs must be arguments of InternalSocialReward, or be shared with the learner's "
                    f"policy_kwargs, got {key}={value!r}; what belongs to training goes into trainer_kwargs, and a "
                    "dictionary in which another algorithm left its own arguments must be written anew."
                )
        seeds = np.random.SeedSequence(seed).generate_state(4)
        isr_seed, store_seed, trainer_seed, query_seed = (int(number) for number in seeds)
        isr = self._isr
        if isr is None:
            isr = InternalSocialReward(*spaces, **{"seed": isr_seed, "device": device, **self.isr_kwargs})
        elif not isinstance(isr, InternalSocialReward):
            isr = InternalSocialReward.load(isr, device=device)
        self.queries.check_isr(isr)
        is_trained = self._isr is not None
        rng = np.random.default_rng(query_seed)
        store = LabelStore(*spaces, **{"seed": store_seed, **self.store_kwargs})
        trainer = ISRTrainer(isr, **{"seed": trainer_seed, **self.trainer_kwargs})
        if isinstance(self.queries, EpisodeQueries):
            parts = (EpisodeScheduler(self.queries, rng), self.respondent, self.wait_for_answers, store_seed)
            return ReviewedInternalizer(self.presence, isr, store, trainer, *parts, is_trained)
        scheduler = make_scheduler(self.queries, self.presence, rng)
        return Internalizer(self.presence, isr, store, trainer, scheduler, self.train_every, is_trained)

    def _check_queries(self) -> None:
        asks = isinstance(self.queries, EpisodeQueries)
        if asks and not isinstance(self.presence, Never):
            raise ValueError(
                "Episode queries are about what nobody has attended, so that nobody may attend, got presence="
                f'{self.presence!r} with {self.queries!r}; write ISRCallback(presence="never", queries="episodes_50").'
            )
        if asks and self.train_every is not None:
            raise ValueError(
                "With episode queries the ISR is trained when answers come, got train_every="
                f"{self.train_every}; leave it out."
            )
        if not asks and (self.respondent is not None or self.wait_for_answers):
            name, value = ("respondent", self.respondent) if self.respondent else ("wait_for_answers", True)
            raise ValueError(
                f"A respondent answers questions about episodes, got {name}={value!r} with {self.queries!r}; "
                'write ISRCallback(presence="never", queries="episodes_50", respondent=...).'
            )
