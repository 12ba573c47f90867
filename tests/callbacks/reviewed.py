"""A person who answers when the test says so, and trainings that ask them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from stable_baselines3.common.callbacks import BaseCallback

from sb3_isr import ISRCallback, Transitions, VecISRReward
from sb3_isr.common.batches import Array
from sb3_isr.respondents import Answer, Question
from tests.callbacks.learners import QUICK
from tests.scripted_env import Script, scripted_vec_env

NAN = float("nan")
#: Nothing but the caregiver's rewards; the truth of a label is never told.
SILENT: list[Script] = [[(0.0, None)] * 4] * 2


def praise_the_end(transitions: Transitions) -> Array:
    return transitions.terminated.astype(np.float32)


class Person:
    """Answers what it was asked when the test says so."""

    def __init__(self) -> None:
        self.asked: dict[str, Question] = {}
        self.withdrawn: list[str] = []
        self.ready: list[Answer] = []
        self.waits: list[Callable[[], bool]] = []

    def put(self, questions: Sequence[Question]) -> None:
        self.asked.update({question.id: question for question in questions})

    def take(self) -> list[Answer]:
        ready, self.ready = self.ready, []
        return ready

    def wait(self, timeout: float | None = None) -> bool:
        return self.waits.pop(0)()

    def withdraw(self, question_ids: Sequence[str]) -> None:
        self.withdrawn += question_ids

    def waiting(self) -> list[str]:
        return [name for name in self.asked if name not in self.withdrawn]

    def answer(self, question_id: str, rewards: Any = None, time: float = 0.0) -> None:
        if rewards is None:
            rewards = praise_the_end(self.asked[question_id].transitions)
        self.ready.append(Answer(question_id, np.asarray(rewards, np.float32), "ada", time))


class Each(BaseCallback):
    """Calls a function with the number of each rollout, from 1, when it has been collected."""

    def __init__(self, function: Callable[[int], None]) -> None:
        super().__init__()
        self.function = function
        self.n_rollouts = 0

    def _on_step(self) -> bool:
        return True

    def _on_rollout_end(self) -> None:
        self.n_rollouts += 1
        self.function(self.n_rollouts)


def silent() -> VecISRReward:
    return VecISRReward(scripted_vec_env(SILENT))


def reviewed(respondent: Any = None, queries: Any = "episodes_6", **kwargs: Any) -> ISRCallback:
    return ISRCallback("never", queries, respondent=respondent, **{**QUICK, **kwargs})


def labels_of(callback: ISRCallback) -> dict[tuple[Any, ...], float]:
    """The labels by what they are about."""
    transitions, rewards = callback.store.labels()
    rows = zip(np.asarray(transitions.observations).tolist(), transitions.actions.tolist(), strict=True)
    return {(*map(int, seen), action): reward for (seen, action), reward in zip(rows, rewards.tolist(), strict=True)}
