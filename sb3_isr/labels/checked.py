"""What labels must be like to be held: their shapes, numbers and dtypes."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium import spaces
from gymnasium.vector.utils import create_empty_array

from sb3_isr.common.batches import check_batch
from sb3_isr.common.numbers import MAX_FLOAT
from sb3_isr.labels.batch import LabelBatch
from sb3_isr.labels.transitions import Transitions


def zero_labels(observation_space: gym.Space[Any], action_space: gym.Space[Any], n: int) -> LabelBatch:
    """
    Make labels of zeros, in the dtypes in which labels are held.

    The actions of an integer Box are float64, since algorithms tell the environment fractions, whatever its dtype.

    :param observation_space: The learner's observation space.
    :param action_space: The environment's action space.
    :param n: How many.
    :return: The labels; pages of memory that are never written take none.
    """
    is_integer_box = isinstance(action_space, spaces.Box) and action_space.dtype.kind != "f"
    action_dtype = np.dtype(np.float64) if is_integer_box else action_space.dtype
    observations, next_observations = (create_empty_array(observation_space, n, fn=np.zeros) for _ in range(2))
    actions = np.zeros((n, *(action_space.shape or ())), action_dtype)
    transitions = Transitions(observations, actions, next_observations, np.zeros(n, bool))  # type: ignore[arg-type]
    return LabelBatch(transitions, np.zeros(n, np.float32))


def check_labels(batch: LabelBatch, observation_space: gym.Space[Any], action_space: gym.Space[Any]) -> LabelBatch:
    """
    Check that labels fit their spaces.

    :param batch: The labels.
    :param observation_space: The learner's observation space.
    :param action_space: The environment's action space.
    :return: The labels, in the dtypes of :func:`zero_labels`.
    :raises ValueError: If a shape does not fit the spaces, or a number is not finite, not in its space, or would be
        another one in its dtype.
    """
    rewards = np.asarray(batch.social_rewards)
    if rewards.ndim != 1 or rewards.dtype.kind not in "biuf" or not (np.abs(rewards) <= MAX_FLOAT).all():
        raise ValueError(f"Labels must be finite numbers in an array of shape [n], got {batch.social_rewards!r}.")
    transitions = batch.transitions
    n = len(rewards)
    check_batch("The labels' observations", transitions.observations, observation_space, n)
    check_batch("The labels' actions", transitions.actions, action_space, n)
    check_batch("The labels' next observations", transitions.next_observations, observation_space, n)
    if np.shape(transitions.terminated) != rewards.shape:
        raise ValueError(
            f"The labels' terminated must be True or False for each of {n} transitions, got {transitions.terminated!r}."
        )
    return batch._replace(social_rewards=rewards).cast(zero_labels(observation_space, action_space, 0))
