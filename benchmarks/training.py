"""3. ISR training: labels a second, and seconds to the held-out error of the published recipe, on the same labels."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import torch
from stable_baselines3 import PPO

from benchmarks import published
from benchmarks.common import Result, now, progress, result
from sb3_isr import InternalSocialReward, ISRCallback, ISRTrainer, LabelBatch, LabelStore, VecISRReward
from sb3_isr.envs.coin_game.vec_env import CoinGameVecEnv
from sb3_isr.evaluation.networks import ONE_HOT

N_LABELS = 20_480
ROUNDS = 5
BATCH_SIZE = 256
#: Numbers of gradient steps that are tried one after the other.
BUDGETS = (100, 150, 225, 340, 500, 750, 1100, 1700, 2500, 3800, 5700)

PUBLISHED, DEFAULT, FAST = "published recipe", "ours, default learning rate", "ours, learning rate 3e-3"
# The default, 1e-3, is the more careful choice.
LEARNING_RATES = {DEFAULT: 1e-3, FAST: 3e-3}
GOALS = {DEFAULT: 1 / 50, FAST: 1 / 50}


class Training(NamedTuple):
    """How long a training took, the held-out mean squared error after it, and labels a second."""

    seconds: float
    error: float
    speed: float


def run() -> Iterator[Result | str]:
    """
    Measure the trainings.

    :return: Seconds, errors and labels a second of the published recipe and of ours.
    """
    yield (
        f"{N_LABELS:,} labels of PPO on batched coin games, the last tenth held out; labels and weights anew in each "
        "round. Published: the paper's network, one epoch, batch size 1, DataLoader, WeightedRandomSampler. Ours: "
        f"LabelStore and ISRTrainer, {BATCH_SIZE} labels a batch, with the fewest gradient steps ("
        f"{BUDGETS[0]:,}, and half as many again each time) that lead to no greater an error; the network is a small "
        "MLP on one-hot cells."
    )
    trainings: dict[str, list[Training]] = defaultdict(list)
    with progress("training", ROUNDS * (1 + len(LEARNING_RATES))) as bar:
        for seed in range(ROUNDS):
            trained_on, held_out = _labels(seed)
            published_one = _published(trained_on, held_out, seed)
            trainings[PUBLISHED].append(published_one)
            bar.update()
            for name, learning_rate in LEARNING_RATES.items():
                trainings[name].append(_ours(learning_rate, trained_on, held_out, published_one.error, seed))
                bar.update()
    for name, rounds in trainings.items():
        yield result(f"{name}: time", [training.seconds for training in rounds], "s")
        yield result(f"{name}: held-out MSE", [training.error for training in rounds], "praise²")
        yield result(f"{name}: speed", [training.speed for training in rounds], "labels/s")
    for name in LEARNING_RATES:
        pairs = list(zip(trainings[name], trainings[PUBLISHED], strict=True))
        if any(ours.error > theirs.error for ours, theirs in pairs):
            yield f"{name}: {BUDGETS[-1]:,} gradient steps were too few in some round."
        ratios = [ours.seconds / theirs.seconds for ours, theirs in pairs]
        yield result(f"{name}: time over published", ratios, "x", goal=GOALS.get(name), goal_is="at most")


def _labels(seed: int) -> tuple[LabelBatch, LabelBatch]:
    """Labels of a socialization in the order they were given: the first nine tenths, and the last tenth."""
    caregiver = ISRCallback("always", isr_kwargs=ONE_HOT)
    settings: dict[str, Any] = {"n_steps": 64, "batch_size": 256, "learning_rate": 1e-3, "policy_kwargs": ONE_HOT}
    learner = PPO("MlpPolicy", VecISRReward(CoinGameVecEnv(32)), seed=seed, device="cpu", **settings)
    learner.learn(N_LABELS, callback=caregiver)
    labels, n = caregiver.store.labels(), N_LABELS * 9 // 10
    return labels.select(np.arange(n)), labels.select(np.arange(n, len(labels.social_rewards)))


def _published(trained_on: LabelBatch, held_out: LabelBatch, seed: int) -> Training:
    torch.manual_seed(seed)
    net = published.network()
    start = now()
    published.fit(net, published.inputs(*trained_on.transitions[:2]), trained_on.social_rewards)
    seconds = now() - start
    with torch.no_grad():
        predicted = net(published.inputs(*held_out.transitions[:2])).squeeze(1).numpy()
    return Training(seconds, _mse(predicted, held_out), len(trained_on.social_rewards) / seconds)


def _ours(learning_rate: float, trained_on: LabelBatch, held_out: LabelBatch, goal: float, seed: int) -> Training:
    venv = CoinGameVecEnv(1)
    spaces = venv.observation_space, venv.action_space
    for gradient_steps in BUDGETS:
        isr = InternalSocialReward(*spaces, seed=seed, device="cpu", **ONE_HOT)
        start = now()
        store = LabelStore(*spaces, capacity=N_LABELS, held_out=0.0, seed=seed)
        store.add(trained_on)
        ISRTrainer(isr, learning_rate, gradient_steps=gradient_steps, batch_size=BATCH_SIZE).train(store)
        seconds = now() - start
        error = _mse(isr.predict(*held_out.transitions), held_out)
        if error <= goal:
            break
    return Training(seconds, error, gradient_steps * BATCH_SIZE / seconds)


def _mse(predicted: np.ndarray, labels: LabelBatch) -> float:
    return float(((predicted.astype(float) - labels.social_rewards) ** 2).mean())
