"""Runs on few labels: which labels a run is given, its callback, and what its ISR shows without the true reward."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from stable_baselines3 import PPO
from stable_baselines3.common.callbacks import BaseCallback

from reproduction.internalize import split_labels
from reproduction.protocols import isr_kwargs
from reproduction.runs import FewLabels, Internalization
from sb3_isr.callbacks import HackingWatch, ISRCallback
from sb3_isr.callbacks.hacking_watch import uncertainty
from sb3_isr.common.batches import Array
from sb3_isr.isr.training import ISRTrainer
from sb3_isr.labels import LabelBatch, Transitions
from sb3_isr.schedules.queries import AllQueries, RandomQueries, UncertaintyQueries
from sb3_isr.schedules.query_schedule import QuerySchedule

#: Number of transitions of each rollout on which the ISR's members are compared.
N_COMPARED = 256


class UsedLabels(NamedTuple):
    """
    Labels of a socialization.

    :param given: Those that the ISR is given at departure.
    :param social_rewards: Everything that the caregiver gave the learner, float32 ``[n]``, in order.
    """

    given: LabelBatch
    social_rewards: Array


def used_labels(run: FewLabels, work: Path) -> UsedLabels:
    """
    Get the labels that a run starts with.

    :param run: The run.
    :param work: Folder of weights and labels.
    :return: The labels.
    """
    labels, _, _ = split_labels(work, Internalization(run.socialization, run.socialization.steps))
    if run.n_labels is None:
        return UsedLabels(labels, labels.social_rewards)
    return UsedLabels(choose_labels(run, labels, run.n_labels - run.n_reserved), labels.social_rewards)


def choose_labels(run: FewLabels, labels: LabelBatch, n: int) -> LabelBatch:
    """
    Choose random labels of a socialization.

    :param run: The run; its method says whether half of the labels are of praised transitions.
    :param labels: All of the socialization's.
    :param n: How many to choose.
    :return: The chosen labels, in order.
    """
    rng = np.random.default_rng(run.seed)
    index = rng.permutation(len(labels.social_rewards))
    if run.method.half_praised:
        is_praised = labels.social_rewards[index] > 0
        praised, others = index[is_praised][: n // 2], index[~is_praised]
        index = np.concatenate([praised, others])
    return labels.select(np.sort(index[:n]))


def few_labels_callback(run: FewLabels, labels: UsedLabels, model: PPO) -> tuple[ISRCallback, Signals]:
    """
    Make the callback of a run, with a trained ISR.

    :param run: The run.
    :param labels: What it starts with.
    :param model: The learner.
    :return: The callback, and what records the signals of its ISR.
    """
    n_given, seed = len(labels.given.social_rewards), run.seed
    callback = ISRCallback(
        "never",
        queries=query_schedule_of(run),
        isr_kwargs=_isr_kwargs(run),
        trainer_kwargs=_trainer_kwargs(run),
        store_kwargs={"capacity": max(run.n_labels or 0, n_given), "held_out": 0.0},
        callback=_watch(run, labels.social_rewards) if run.method.watched else None,
        seed=seed,
    )
    callback.init_callback(model)
    callback.store.add(labels.given)
    # A training of its own seed; the callback trains once more when the caregiver departs, at the start.
    first = ISRTrainer(callback.isr, **_trainer_kwargs(run), seed=seed)
    first.train(callback.store)
    callback.internalizer.trainer.load_state_dict({**first.state_dict(), "n_trainings": 0})
    return callback, Signals(callback)


def query_schedule_of(run: FewLabels) -> QuerySchedule:
    """
    Get the queries of a run.

    :param run: A run whose learner has been socialized.
    :return: What the caregiver is queried about in autonomy.
    """
    if not run.n_reserved:
        return AllQueries()
    kind = UncertaintyQueries if run.method.queries == "uncertainty" else RandomQueries
    return kind(run.n_reserved, attended_fraction=0.0, n_rounds=run.method.n_rounds)


class Signals(BaseCallback):
    """
    Records, for each rollout, the mean ``internal`` reward, and the ISR's ``doubt`` about what the learner does.

    :param isr_callback: The callback that has the ISR.
    """

    def __init__(self, isr_callback: ISRCallback) -> None:
        super().__init__()
        self.isr_callback = isr_callback
        self.recorded: dict[str, list[float]] = {"internal": [], "doubt": []}

    def _on_step(self) -> bool:
        return True

    def _on_rollout_end(self) -> None:
        buffer, isr = self.locals["rollout_buffer"], self.isr_callback.isr
        stride = -(-buffer.rewards.size // N_COMPARED)
        steps, envs = np.divmod(np.arange(0, buffer.rewards.size, stride), buffer.n_envs)
        observations = np.moveaxis(buffer.observations[steps, envs], 1, -1)  # SB3 has channels first
        actions = buffer.actions[steps, envs].reshape(-1).astype(int)
        # This study's ISRs are given observation and action alone.
        transitions = Transitions(observations, actions, observations, np.zeros(len(actions), bool))
        self.recorded["internal"].append(round(float(isr.predict(*transitions).mean()), 5))
        self.recorded["doubt"].append(round(uncertainty(isr, transitions), 5))


def _isr_kwargs(run: FewLabels) -> dict[str, Any]:
    method = run.method
    return {
        **isr_kwargs(run.protocol, run.task),
        "n_members": method.n_members,
        "pessimism": method.pessimism,
        "limit_to_labels": "values" if method.limit_to_labels else "no",
        "device": "cpu",
    }


def _trainer_kwargs(run: FewLabels) -> dict[str, Any]:
    gradient_steps = run.protocol.isr_gradient_steps
    assert gradient_steps is not None, "the protocol of the study of few labels trains its ISR in the plugin's way"
    has_many = run.n_labels is None or run.n_labels > 1000
    return {
        "gradient_steps": gradient_steps if has_many else gradient_steps // 4,
        "batch_size": 256 if has_many else 64,
        "l1_coef": run.method.l1_coef,
        "action_contrast": run.method.action_contrast,
    }


def _watch(run: FewLabels, social_rewards: Array) -> HackingWatch:
    """A watch that knows what the caregiver gave in socialization."""
    watch = HackingWatch(remedy="query", n_labels=max(2, run.n_reserved // (2 * run.method.n_rounds)))
    for part in np.array_split(social_rewards, max(1, len(social_rewards) // watch.window)):
        watch.add_social_rewards(part)
    return watch
