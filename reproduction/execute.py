"""Executes one run: from its dataclass, and what earlier runs left, to a result of plain numbers."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import singledispatch
from pathlib import Path
from typing import Any

import numpy as np
import torch
from stable_baselines3 import PPO

from reproduction.few_labels import Signals, ask_of, labels_before, watch_of
from reproduction.learning import GoalEpisodes, Progress, learn
from reproduction.paper_isr import fit_as_published
from reproduction.prosocial_baselines import goals_per_episode, helper, random_learner
from reproduction.protocols import TASKS, Protocol, isr_kwargs, policy
from reproduction.runs import Autonomy, Baseline, FewLabels, Internalization, Run, Socialization
from sb3_isr.callbacks import ISRCallback
from sb3_isr.common.spaces import Array, Observations
from sb3_isr.isr.model import InternalSocialReward
from sb3_isr.isr.training import fit
from sb3_isr.labels.store import LabelBatch, LabelStore, at
from sb3_isr.wrappers import VecISRReward

#: Autonomy's layouts are other ones than socialization's, evaluation's other ones than both.
AUTONOMY_SEED, EVALUATION_SEED = 1_000_000, 2_000_000
EVALUATION_EPISODES = 100

#: How often an ISR's losses are measured while it is trained, and on how many labels.
LOSS_POINTS, LOSS_LABELS = 30, 10_000

Result = dict[str, Any]


def execute(run: Run, work: Path, progress: Progress | None = None) -> Result:
    """
    Do one run. What it leaves for later ones (weights, labels) lies in ``work / run.path`` afterwards.

    :param run: What to do. What it requires has been done before.
    :param work: Folder for weights and labels.
    :param progress: Is told how many steps were made.
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
    rollout = protocol.n_envs * protocol.n_steps
    isr = isr_kwargs(protocol, run.task)
    caregiver = ISRCallback("always", isr_kwargs=isr, capacity=run.steps + rollout, held_out=0.0)
    episodes = GoalEpisodes(progress, best=folder / "best.zip")
    curves = learn(model, run.steps, caregiver, episodes)
    caregiver.store.save(folder / "labels.npz")
    model.save(folder / "last.zip")
    return {"curves": curves, "evaluation": _evaluate_checkpoints(folder, run.evaluate_on, run.seed)}


@_execute.register
def _internalize(run: Internalization, work: Path, progress: Progress) -> Result:
    protocol = run.protocol
    trained_on, held_out, last = _labels(work / run.socialization.path / "labels.npz", run)
    kwargs = {**isr_kwargs(protocol, run.socialization.task), "seed": run.seed, "device": "cpu"}
    if run.learning_rate is not None:
        kwargs["learning_rate"] = run.learning_rate
    isr = InternalSocialReward(*_games(run.socialization.task, protocol).isr_spaces(), **kwargs)

    n = len(trained_on.actions)
    rng = np.random.default_rng(run.seed)
    samples = {
        "train": at(trained_on, rng.permutation(n)[:LOSS_LABELS]),
        "held_out": at(held_out, rng.permutation(len(held_out.actions))[:LOSS_LABELS]),
    }
    batch_size = run.batch_size or 1
    gradient_steps = protocol.isr_gradient_steps or -(-n // batch_size)

    def train() -> None:
        if protocol.isr_gradient_steps is not None:
            fit(isr, _store(isr, trained_on, run.seed), gradient_steps, seed=run.seed)
        else:
            fit_as_published(isr, trained_on, batch_size, run.seed)

    losses = _losses_while(train, isr, samples, gradient_steps, progress)
    isr.save(work / run.path / "isr.safetensors")
    return {
        "n_labels": n,
        "n_held_out": len(held_out.actions),
        "held_out_mse": _mse(isr, held_out),
        "last_labels_mse": _mse(isr, last),
        "mse_of_zero": float((held_out.social_rewards.astype(float) ** 2).mean()),
        "losses": losses,
    }


@_execute.register
def _be_autonomous(run: Autonomy, work: Path, progress: Progress) -> Result:
    model = PPO.load(
        work / run.socialization.path / f"{run.start}.zip", env=_games(run.task, run.protocol), device="cpu"
    )
    model.set_random_seed(run.seed + AUTONOMY_SEED)
    folder = work / run.path
    episodes = GoalEpisodes(progress, best=folder / "best.zip" if run.evaluate_on else None)
    curves = learn(model, run.steps, _internal_reward(run, work), episodes)
    model.save(folder / "last.zip")
    if not run.evaluate_on:
        return {"curves": curves}
    return {"curves": curves, "evaluation": _evaluate_checkpoints(folder, run.evaluate_on, run.seed)}


@_execute.register
def _play(run: Baseline, work: Path, progress: Progress) -> Result:
    policies = {"random learner": random_learner(run.seed), "perfect helper": helper}
    goals = goals_per_episode(policies[run.policy], run.n_episodes, run.n_episodes * run.seed + EVALUATION_SEED)
    return {"goals": float(goals.mean())}


@_execute.register
def _live_on_few_labels(run: FewLabels, work: Path, progress: Progress) -> Result:
    protocol, method = run.protocol, run.method
    folder = work / run.socialization.path
    model = PPO.load(folder / f"{run.start}.zip", env=_games(run.task, protocol), device="cpu")
    model.set_random_seed(run.seed + AUTONOMY_SEED)
    isr = {
        "n_members": method.n_members,
        "pessimism": method.pessimism,
        "limit_to_labels": "values" if method.limit_to_labels else "no",
        "l1_coef": method.l1_coef,
        "action_contrast": method.action_contrast,
    }
    gradient_steps, batch_size = (2000, 256) if run.n_labels is None or run.n_labels > 1000 else (500, 64)
    labels, _, _ = _labels(folder / "labels.npz", Internalization(run.socialization, run.socialization.steps))
    heard = labels.social_rewards
    if run.n_labels is not None:
        labels = labels_before(run, labels, run.n_labels - run.n_calls_back)
    internalizing = ISRCallback(
        "never",
        queries=ask_of(run),
        isr_kwargs={**isr_kwargs(protocol, run.task), **isr, "device": "cpu"},
        gradient_steps=gradient_steps,
        batch_size=batch_size,
        capacity=max(run.n_labels or 0, len(labels.actions)),
        held_out=0.0,
        seed=run.seed,
    )
    internalizing.init_callback(model)
    internalizing.store.add(labels)
    fit(internalizing.isr, internalizing.store, gradient_steps, batch_size, seed=run.seed)
    episodes, signals = GoalEpisodes(progress), Signals(internalizing)
    callbacks = [internalizing, episodes, signals]
    if method.watched:
        callbacks.append(watch_of(run, internalizing, heard))
    model.learn(run.steps, callback=callbacks)
    return {"curves": episodes.curves(), "signals": signals.kept, "n_labels": internalizing.store.n_added}


class ThresholdedISR(InternalSocialReward):
    """Where the paper's figure 5 hears its ISR: a small internal reward is none."""

    threshold = 0.0

    def predict(self, observations: Observations, actions: Array) -> Array:
        """As the ISR's own, but 0 for each internal reward of at most ``threshold``."""
        internal_reward = super().predict(observations, actions)
        return np.where(internal_reward > self.threshold, internal_reward, np.float32(0.0))


def _internal_reward(run: Autonomy, work: Path) -> ISRCallback:
    unused = isr_kwargs(run.protocol, run.task)
    if run.condition == "oracle":
        return ISRCallback("always", isr_kwargs=unused)
    if run.isr is None:
        return ISRCallback("never", isr_kwargs=unused, coefficient=0.0)
    file = work / run.isr.path / "isr.safetensors"
    if run.threshold is None:
        return ISRCallback("never", isr=InternalSocialReward.load(file, device="cpu"))
    isr = ThresholdedISR.load(file, device="cpu")
    assert isinstance(isr, ThresholdedISR)
    isr.threshold = run.threshold
    return ISRCallback("never", isr=isr)


def _games(task: str, protocol: Protocol) -> VecISRReward:
    return VecISRReward(TASKS[task](protocol.n_envs))


def _evaluate_checkpoints(folder: Path, tasks: tuple[str, ...], seed: int) -> dict[str, Result]:
    evaluation: dict[str, Result] = {}
    for checkpoint in ("last", "best"):
        model = PPO.load(folder / f"{checkpoint}.zip", device="cpu")
        evaluation[checkpoint] = {task: _evaluate(model, task, seed) for task in tasks}
    return evaluation


def _evaluate(model: PPO, task: str, seed: int) -> Result:
    """True reward and goals per episode, over 100 episodes of each way of acting on the same layouts at the start."""
    return {
        "deterministic": _evaluate_acting(model, task, seed, deterministic=True),
        "sampled": _evaluate_acting(model, task, seed, deterministic=False),
    }


def _evaluate_acting(model: PPO, task: str, seed: int, deterministic: bool) -> Result:
    venv = TASKS[task](EVALUATION_EPISODES)
    venv.seed(seed + EVALUATION_SEED)
    torch.manual_seed(seed + EVALUATION_SEED)
    observations: Any = venv.reset()
    infos: list[dict[str, Any]] = [{}]
    while "episode" not in infos[0]:
        actions, _ = model.predict(observations, deterministic=deterministic)
        observations, _, _, infos = venv.step(actions)
    return {
        "reward": round(float(np.mean([info["episode"]["r"] for info in infos])), 5),
        "goals": round(float(np.mean([info["goals_reached"] for info in infos])), 5),
    }


def _labels(path: Path, run: Internalization) -> tuple[LabelBatch, LabelBatch, LabelBatch]:
    """
    What is trained on and what is held out: nine tenths of the first steps' labels, and the last tenth. And the last
    tenth of all labels, which is the same whatever the number of steps.
    """
    with np.load(path) as file:
        labels = LabelBatch(file["observations/"], file["actions"], file["social_rewards"])
    rollout = run.protocol.n_envs * run.protocol.n_steps
    n = min(-(-run.steps // rollout) * rollout, len(labels.actions))  # whole rollouts, as they are learned from
    n_trained_on = n * 9 // 10
    trained_on, held_out = at(labels, np.arange(n_trained_on)), at(labels, np.arange(n_trained_on, n))
    if run.n_labels is not None:
        chosen = np.random.default_rng(run.seed).permutation(n_trained_on)[: run.n_labels]
        trained_on = at(trained_on, np.sort(chosen))
    total = len(labels.actions)
    return trained_on, held_out, at(labels, np.arange(total * 9 // 10, total))


def _store(isr: InternalSocialReward, labels: LabelBatch, seed: int) -> LabelStore:
    n = len(labels.actions)
    store = LabelStore(isr.observation_space, isr.action_space, capacity=n, held_out=0.0, seed=seed)
    store.add(labels)
    return store


def _losses_while(
    train: Callable[[], None],
    isr: InternalSocialReward,
    samples: dict[str, LabelBatch],
    gradient_steps: int,
    progress: Progress,
) -> dict[str, list[float]]:
    """Train, and measure the losses from time to time, without a gradient."""
    measure_at = set(np.unique(np.geomspace(1, gradient_steps, LOSS_POINTS).astype(int)).tolist())
    losses: dict[str, list[float]] = {"gradient_steps": [], **{name: [] for name in samples}}
    n_steps = 0

    def measure(*_: Any) -> None:
        nonlocal n_steps
        n_steps += 1
        if n_steps in measure_at:
            losses["gradient_steps"].append(n_steps)
            for name, labels in samples.items():
                losses[name].append(_mse(isr, labels))
        if n_steps % 1000 == 0:
            progress(n_steps)

    hook = isr.optimizer.register_step_post_hook(measure)
    train()
    hook.remove()
    return losses


def _mse(isr: InternalSocialReward, labels: LabelBatch) -> float:
    """Mean squared error on labels as they came, in units of the social reward, squared."""
    squared_error = 0.0
    for start in range(0, len(labels.actions), 4096):
        part = at(labels, np.arange(start, min(start + 4096, len(labels.actions))))
        error = isr.predict(part.observations, part.actions) - part.social_rewards
        squared_error += float((error.astype(float) ** 2).sum())
    return squared_error / len(labels.actions)
