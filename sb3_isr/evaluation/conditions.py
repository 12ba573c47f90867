"""The three conditions after departure: from one snapshot of a socialized learner, what becomes of it in each."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple, get_args

from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.off_policy_algorithm import OffPolicyAlgorithm
from stable_baselines3.common.vec_env import VecEnv

from sb3_isr.callbacks import ISRCallback
from sb3_isr.isr.model import InternalSocialReward

#: The caregiver has left and the ISR rewards the learner; or nothing does in its place; or the caregiver stays.
Condition = Literal["isr", "none", "oracle"]
CONDITIONS: tuple[Condition, ...] = get_args(Condition)

#: Is added to the seed after departure, so that the learner sees other layouts than in socialization.
AUTONOMY_SEED = 1_000_000


class Autonomy(NamedTuple):
    """
    A learner at departure, ready to go on in one condition.

    :param condition: The condition.
    :param learner: The learner.
    :param callback: Its callback.
    """

    condition: Condition
    learner: BaseAlgorithm
    callback: ISRCallback


def save_snapshot(learner: BaseAlgorithm, path: Path) -> None:
    """
    Save a learner, with its replay buffer if it has one.

    :param learner: The learner.
    :param path: A zip file; the replay buffer is written beside it.
    """
    learner.save(path)
    if isinstance(learner, OffPolicyAlgorithm):
        learner.save_replay_buffer(_replay_buffer(path))


def load_snapshot(algorithm: type[BaseAlgorithm], path: Path, env: VecEnv, seed: int) -> BaseAlgorithm:
    """
    Load a learner that :func:`save_snapshot` or the learner's own ``save`` wrote, for the time after departure.

    :param algorithm: Its class.
    :param path: The zip file.
    :param env: The environments it learns in from now on.
    :param seed: The seed of socialization; :data:`AUTONOMY_SEED` is added to it.
    :return: The learner.
    """
    learner = algorithm.load(path, env=env, device="cpu")
    if isinstance(learner, OffPolicyAlgorithm):
        learner.load_replay_buffer(_replay_buffer(path))
    learner.set_random_seed(seed + AUTONOMY_SEED)
    return learner


def condition_callback(
    condition: Condition,
    isr: InternalSocialReward | str | os.PathLike[str] | None = None,
    isr_kwargs: dict[str, Any] | None = None,
) -> ISRCallback:
    """
    Make the callback of one condition.

    :param condition: The condition.
    :param isr: The ISR of the condition "isr", or its file.
    :param isr_kwargs: Arguments of the ISR that the others have and do not use.
    :return: The callback.
    """
    if condition == "isr":
        return ISRCallback("never", isr=isr)
    if condition == "none":
        return ISRCallback("never", isr_kwargs=isr_kwargs, coefficient=0.0)
    return ISRCallback("always", isr_kwargs=isr_kwargs)


def after_departure(
    algorithm: type[BaseAlgorithm],
    path: Path,
    make_env: Callable[[], VecEnv],
    seed: int,
    isr: InternalSocialReward | str | os.PathLike[str],
    isr_kwargs: dict[str, Any] | None = None,
    conditions: Sequence[Condition] = CONDITIONS,
) -> Iterator[Autonomy]:
    """
    Start each condition from the same snapshot.

    :param algorithm: The learner's class.
    :param path: What :func:`save_snapshot` wrote.
    :param make_env: Makes the environments.
    :param seed: The seed of socialization.
    :param isr: The trained ISR, or its file.
    :param isr_kwargs: Arguments of the ISR that "none" and "oracle" have and do not use.
    :param conditions: Which conditions.
    :return: The learner and its callback in each.
    """
    for condition in conditions:
        learner = load_snapshot(algorithm, path, make_env(), seed)
        yield Autonomy(condition, learner, condition_callback(condition, isr, isr_kwargs))


def _replay_buffer(path: Path) -> Path:
    return path.with_suffix(".replay_buffer.pkl")
