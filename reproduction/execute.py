"""Executes one run: from its dataclass, and what earlier runs left, to a result of plain numbers."""

from __future__ import annotations

import time
from functools import singledispatch
from pathlib import Path
from typing import Any

import numpy as np
import torch
from stable_baselines3 import PPO

from reproduction.evaluate import EVALUATION_SEED, evaluate_checkpoints
from reproduction.few_labels import few_labels_callback, used_labels
from reproduction.internalize import internalize
from reproduction.learning import GoalEpisodes, learn
from reproduction.prosocial_baselines import goals_per_episode, helper, random_learner
from reproduction.protocols import TASKS, Protocol, isr_kwargs, policy
from reproduction.runs import Autonomy, Baseline, FewLabels, Internalization, Run, Socialization
from reproduction.study_runs import Hackability, TaskRun, TeachRun
from sb3_isr.callbacks import ISRCallback
from sb3_isr.common.batches import Array
from sb3_isr.evaluation.conditions import condition_callback, load_snapshot
from sb3_isr.evaluation.episodes import Progress
from sb3_isr.isr.model import InternalSocialReward
from sb3_isr.wrappers import VecISRReward

Result = dict[str, Any]


def execute(run: Run, work: Path, progress: Progress | None = None) -> Result:
    """
    Execute one run. What it leaves for later ones (weights, labels) is in ``work / run.path`` afterwards.

    :param run: The run. What it requires has been done before.
    :param work: Folder of weights and labels.
    :param progress: Is called with the number of steps so far.
    :return: Numbers that can be written as JSON.
    """
    torch.set_num_threads(1)  # networks this small only wait for a second thread
    start = time.monotonic()
    (work / run.path).mkdir(parents=True, exist_ok=True)
    torch.set_flush_denormal(True)  # Adam's averages for cells that are never seen fade to denormals, which are slow
    try:
        result = _execute(run, work, progress or (lambda steps: None))
    finally:
        torch.set_flush_denormal(False)
    return {**result, "wall_seconds": round(time.monotonic() - start, 1)}


@singledispatch
def _execute(run: Run, work: Path, progress: Progress) -> Result:
    raise TypeError(f"A run must be one of those in reproduction.runs, got {run!r}.")


@_execute.register
def _socialize(run: Socialization, work: Path, progress: Progress) -> Result:
    protocol, folder = run.protocol, work / run.path
    policy_name, policy_kwargs = policy(protocol, run.task)
    model = PPO(
        policy_name,
        _games(run.task, protocol),
        n_steps=protocol.n_steps,
        batch_size=protocol.batch_size,
        learning_rate=run.learning_rate,
        policy_kwargs=policy_kwargs,
        seed=run.seed,
        device="cpu",
    )
    caregiver = ISRCallback(
        "always",
        isr_kwargs=isr_kwargs(protocol, run.task),
        store_kwargs={"capacity": run.steps + protocol.rollout, "held_out": 0.0},
    )
    curves = learn(model, run.steps, caregiver, GoalEpisodes(progress, best=folder / "best.zip"))
    caregiver.store.save(folder / "labels.npz")
    model.save(folder / "last.zip")
    return {"curves": curves, "evaluation": evaluate_checkpoints(folder, run.evaluate_on, run.seed)}


@_execute.register
def _internalize(run: Internalization, work: Path, progress: Progress) -> Result:
    return internalize(run, work, _games(run.socialization.task, run.protocol).isr_spaces(), progress)


@_execute.register
def _be_autonomous(run: Autonomy, work: Path, progress: Progress) -> Result:
    model, folder = _socialized(run, work), work / run.path
    episodes = GoalEpisodes(progress, best=folder / "best.zip" if run.evaluate_on else None)
    curves = learn(model, run.steps, _internal_reward(run, work), episodes)
    model.save(folder / "last.zip")
    if not run.evaluate_on:
        return {"curves": curves}
    return {"curves": curves, "evaluation": evaluate_checkpoints(folder, run.evaluate_on, run.seed)}


@_execute.register
def _play(run: Baseline, work: Path, progress: Progress) -> Result:
    policies = {"random learner": random_learner(run.seed), "perfect helper": helper}
    goals = goals_per_episode(policies[run.policy], run.n_episodes, run.n_episodes * run.seed + EVALUATION_SEED)
    return {"goals": float(goals.mean())}


@_execute.register
def _live_on_few_labels(run: FewLabels, work: Path, progress: Progress) -> Result:
    model = _socialized(run, work)
    labels = used_labels(run, work)
    callback, signals = few_labels_callback(run, labels, model)
    episodes = GoalEpisodes(progress)
    model.learn(run.steps, callback=[callback, episodes, signals])
    return {"curves": episodes.curves(), "signals": signals.recorded, "n_labels": callback.store.n_added}


@_execute.register
def _run_task(run: TaskRun, work: Path, progress: Progress) -> Result:
    from reproduction.task_run import run_task  # Box2D, MuJoCo and sb3-contrib are needed for it alone

    return run_task(run.task, run.seed, work / run.path, progress)


@_execute.register
def _measure_hackability(run: Hackability, work: Path, progress: Progress) -> Result:
    from reproduction.hackability import measure_hackability

    return dict(measure_hackability(run.task, run.n_labels, run.seed))


@_execute.register
def _teach(run: TeachRun, work: Path, progress: Progress) -> Result:
    from reproduction.teach_run import run_teach

    return run_teach(run.task, run.method, run.seed, run.steps, progress)


class ThresholdedISR(InternalSocialReward):
    """The ISR of the paper's figure 5: a small internal reward counts as none."""

    #: An internal reward of at most this counts as 0; None to take each as it is.
    threshold: float | None = None

    def predict(self, *transitions: Any) -> Array:
        """
        Compute ``R_i`` of a batch of transitions.

        :param transitions: As of :meth:`InternalSocialReward.predict`.
        :return: float32 ``[n]``; 0 in place of each internal reward of at most ``threshold``.
        """
        internal_reward = super().predict(*transitions)
        if self.threshold is None:
            return internal_reward
        return np.where(internal_reward > self.threshold, internal_reward, np.float32(0.0))


def _internal_reward(run: Autonomy, work: Path) -> ISRCallback:
    if run.isr is None:
        return condition_callback(run.condition, isr_kwargs=isr_kwargs(run.protocol, run.task))
    isr = ThresholdedISR.load(work / run.isr.path / "isr.safetensors", device="cpu")
    assert isinstance(isr, ThresholdedISR)
    isr.threshold = run.threshold
    return condition_callback(run.condition, isr)


def _socialized(run: Autonomy | FewLabels, work: Path) -> PPO:
    """The learner at the caregiver's departure."""
    path = work / run.socialization.path / f"{run.start}.zip"
    model = load_snapshot(PPO, path, _games(run.task, run.protocol), run.seed)
    assert isinstance(model, PPO)
    return model


def _games(task: str, protocol: Protocol) -> VecISRReward:
    return VecISRReward(TASKS[task](protocol.n_envs))
