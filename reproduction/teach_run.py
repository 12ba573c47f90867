"""Executes a run of the study of teaching."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from stable_baselines3 import PPO
from stable_baselines3.common.callbacks import BaseCallback

from reproduction.teach_persons import PERFECT, Habits, SimulatedPerson
from reproduction.teach_tasks import TEACH_TASKS, TeachTask
from sb3_isr.callbacks import ISRCallback
from sb3_isr.evaluation.episodes import Progress
from sb3_isr.schedules.episode_queries import EpisodeQueries

#: Parts of a run over which goals are averaged.
N_PARTS = 10


@dataclass(frozen=True)
class Teaching:
    """
    A way to teach.

    :param queries: What is asked; None for a caregiver at every step.
    :param habits: In what the person who answers errs.
    :param n_members: The ISR's.
    """

    queries: EpisodeQueries | None = None
    habits: Habits = PERFECT
    n_members: int = 1


#: Whole episodes, or windows of at most 64 steps; there are answers left when a person has no key presses left.
EPISODES = EpisodeQueries(60, first=1 / 3, n_rounds=6)
_MORE = EpisodeQueries(120, first=1 / 3, n_rounds=6)
_STEPS = EpisodeQueries(60, n_rounds=6, max_steps=1, rules=("random",))
_UNSURE = EpisodeQueries(60, n_rounds=6, max_steps=1, rules=("uncertainty",))

#: Where nothing else is said, the person has 60 key presses.
METHODS: dict[str, Teaching] = {
    "every step": Teaching(),
    "episodes": Teaching(EPISODES),
    "steps at random": Teaching(_STEPS),
    "steps by uncertainty": Teaching(_UNSURE, n_members=5),
    "episodes, one praise in twenty wrong": Teaching(EPISODES, Habits(wrong=0.05)),
    "episodes, one in five skipped": Teaching(EPISODES, Habits(skipped=0.2)),
    "episodes, answers after 5 rollouts": Teaching(EPISODES, Habits(delay=6)),
    "episodes, one step late": Teaching(EPISODES, Habits(late=True)),
    "episodes, 30 key presses": Teaching(EPISODES, Habits(key_presses=30)),
    "episodes, one praise in twenty wrong, 120 key presses": Teaching(_MORE, Habits(wrong=0.05, key_presses=120)),
}


def run_teach(task_name: str, method_name: str, seed: int, steps: int, progress: Progress) -> dict[str, Any]:
    """
    Teach a learner from nothing.

    :param task_name: One of ``TEACH_TASKS``.
    :param method_name: One of ``METHODS``.
    :param seed: Seeds everything.
    :param steps: Environment steps.
    :param progress: Is called with the number of steps so far.
    :return: For each tenth of the run the goals per episode (``goals``), and at its end the ``answers`` given and the
        ``key_presses`` made so far; and how many labels are not 0 (``praises``).
    """
    task, method = TEACH_TASKS[task_name], METHODS[method_name]
    learner = PPO("MlpPolicy", task.env(), seed=seed, device="cpu", **task.settings)
    person = SimulatedPerson(task.rule, method.habits, seed)
    isr_kwargs = {**task.isr_kwargs, "device": "cpu", "n_members": method.n_members}
    if method.queries is None:
        callback = ISRCallback("always", isr_kwargs=isr_kwargs)
    else:
        callback = ISRCallback(
            "never", method.queries, respondent=person, isr_kwargs=isr_kwargs, trainer_kwargs=task.trainer_kwargs
        )
    record = _Record(task, callback, person, steps, progress)
    learner.learn(steps, callback=[callback, record])
    praises = int((callback.store.labels().social_rewards != 0).sum())
    return {**record.curves(), "praises": praises}


class _Record(BaseCallback):
    """Records goals, answers and key presses."""

    def __init__(
        self, task: TeachTask, callback: ISRCallback, person: SimulatedPerson, steps: int, progress: Progress
    ) -> None:
        super().__init__()
        self._task = task
        self._callback = callback
        self._person = person
        self._steps = steps
        self._progress = progress
        self._goals = np.zeros(N_PARTS)
        self._episodes = np.zeros(N_PARTS)
        self._answers = [0] * N_PARTS
        self._key_presses = [0] * N_PARTS

    def curves(self) -> dict[str, list[Any]]:
        """Goals per episode, answers and key presses in each part."""
        goals = [round(float(goals / max(1, n)), 4) for goals, n in zip(self._goals, self._episodes, strict=True)]
        return {"goals": goals, "answers": self._answers, "key_presses": self._key_presses}

    def _on_step(self) -> bool:
        part = self._part()
        rewards = np.array([info.get("social_reward", 0.0) for info in self.locals["infos"]])
        self._goals[part] += (rewards >= self._task.goal - 1e-6).sum()
        self._episodes[part] += np.sum(self.locals["dones"])
        return True

    def _on_rollout_end(self) -> None:
        part = self._part()
        self._answers[part:] = [self._callback.internalizer.counts().get("answers", 0)] * (N_PARTS - part)
        self._key_presses[part:] = [self._person.key_presses] * (N_PARTS - part)
        self._progress(self.num_timesteps)

    def _part(self) -> int:
        return min(N_PARTS - 1, (self.num_timesteps - 1) * N_PARTS // self._steps)
