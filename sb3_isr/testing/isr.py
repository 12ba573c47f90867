"""Checks an ISR, and the features extractor in it."""

from __future__ import annotations

import copy
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np

from sb3_isr.common.batches import Array, Observations
from sb3_isr.isr.model import InternalSocialReward
from sb3_isr.isr.training import ISRTrainer
from sb3_isr.labels import LabelBatch, LabelStore, Transitions
from sb3_isr.testing.conformance import (
    ConformanceError,
    deep_copy,
    equal,
    global_generators_unchanged,
    require,
    unpickled_copy,
)
from sb3_isr.testing.environments import random_transitions


def check_isr(isr: InternalSocialReward, env: gym.Env[Any, Any] | None = None, n: int = 16, seed: int = 0) -> None:
    """
    Check that an ISR predicts rewards, can be trained, and can be copied, pickled and saved.

    :param isr: The ISR, trained or not.
    :param env: An environment with its spaces, played with random actions. By default observations and actions are
        sampled from the spaces, which may contain values that no environment returns.
    :param n: Number of transitions in a batch, at least 2.
    :param seed: Seeds the environment and what is sampled.
    :raises ConformanceError: If a rule is broken.
    :raises ValueError: If the ISR itself refuses the transitions, or its own rewards for them.
    """
    transitions = _sampled(isr, n, seed) if env is None else _played(env, n, seed)
    with global_generators_unchanged("An ISR"):
        rewards = _check_predict(isr, transitions)
        _check_gradients(isr, transitions)
        _check_training(isr, transitions)
        _check_copies(isr, transitions, rewards)


def _check_predict(isr: InternalSocialReward, transitions: Transitions) -> Array:
    inputs, weights = copy.deepcopy(transitions), _weights(isr)
    rewards = isr.predict(*transitions)
    n = len(transitions.actions)
    require(
        isinstance(rewards, np.ndarray) and rewards.shape == (n,) and rewards.dtype == np.float32,
        f"predict must return a float32 array [{n}] for {n} transitions",
        f"{rewards.dtype} {list(rewards.shape)}" if isinstance(rewards, np.ndarray) else type(rewards).__name__,
        "let the features extractor return float [n, features_dim]",
    )
    require(
        bool(np.isfinite(rewards).all()), "R_i must be finite", rewards, "check the divisions in the features extractor"
    )
    require(
        equal(inputs, transitions),
        "predict must not modify transitions",
        "other values afterwards",
        "compute out of place in the features extractor: a tensor may share their memory",
    )
    require(
        equal(weights, _weights(isr)) and equal(rewards, isr.predict(*transitions)),
        "predict must not modify the ISR",
        "other weights or other rewards afterwards",
        "update no state in the features extractor's forward, and call isr.eval() after training",
    )
    single = [isr.predict(*transitions.select([i]))[0] for i in range(n)]
    require(
        np.allclose(rewards, single, rtol=1e-3, atol=1e-4 * max(1.0, float(np.abs(rewards).max()))),
        "R_i of a transition must not depend on the others in its batch",
        f"{rewards} in a batch and {np.array(single)} one by one",
        "normalize over features rather than over the batch, or call isr.eval() after training",
    )
    return rewards


def _check_gradients(isr: InternalSocialReward, transitions: Transitions) -> None:
    isr = deep_copy(isr)
    isr(*isr.tensors(*transitions)).sum().backward()
    trainable = {name: parameter.grad for name, parameter in isr.named_parameters() if parameter.requires_grad}
    require(
        all(grad is not None and bool(grad.any()) for grad in trainable.values()),
        "Gradients must reach all parameters of an ISR",
        f"none at {[name for name, grad in trainable.items() if grad is None or not grad.any()]}",
        "do not detach tensors, and freeze with requires_grad_(False) what is not to be trained",
    )


def _check_training(isr: InternalSocialReward, transitions: Transitions) -> None:
    trained, weights, n = deep_copy(isr), _weights(isr), len(transitions.actions)
    store = LabelStore(isr.observation_space, isr.action_space, capacity=n, held_out=0.0, seed=0)
    store.add(LabelBatch(transitions, np.linspace(-1.0, 1.0, n, dtype=np.float32)))
    ISRTrainer(trained, gradient_steps=2, batch_size=n).train(store)
    require(
        not equal(weights, _weights(trained)) and equal(weights, _weights(isr)),
        "Training a copy of an ISR must change the weights of the copy, and of the copy alone",
        "no change in the copy" if equal(weights, _weights(isr)) else "a change in the ISR itself",
        "keep modules in instance attributes, so that isr.parameters() has their weights",
    )


def _check_copies(isr: InternalSocialReward, transitions: Transitions, rewards: Array) -> None:
    copies = {"saving and loading": _loaded(isr), "unpickling": unpickled_copy(isr), "copying": deep_copy(isr)}
    for how, other in copies.items():
        of_copy = other.predict(*transitions)
        require(
            equal(rewards, of_copy) and other.label_ranges == isr.label_ranges,
            f"An ISR must be the same after {how}",
            f"{of_copy} with labels in {other.label_ranges} in place of {rewards} with labels in {isr.label_ranges}",
            "keep all values that it depends on in parameters, buffers and the features extractor's arguments",
        )
        other.check_spaces(isr.observation_space, isr.action_space)


def _loaded(isr: InternalSocialReward) -> InternalSocialReward:
    classes = ("features_extractor_class", "activation_fn")
    own: dict[str, Any] = {argument: isr.architecture[argument] for argument in classes}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "isr.safetensors"
        try:
            isr.save(path)
            return type(isr).load(path, device=isr.device, **own)
        except ValueError as error:
            raise ConformanceError(
                f"It must be possible to save and load an ISR, got {error}; give its features extractor only arguments "
                'that JSON supports, and make sure that it can be built on torch\'s device "meta".'
            ) from error


def _weights(isr: InternalSocialReward) -> dict[str, Array]:
    return {name: weight.cpu().numpy().copy() for name, weight in isr.state_dict().items()}


def _sampled(isr: InternalSocialReward, n: int, seed: int) -> Transitions:
    if n < 2:
        raise ValueError(f"A batch must hold at least 2 transitions, got {n}; the default is a good choice.")
    observation_space, action_space = copy.deepcopy((isr.observation_space, isr.action_space))
    observation_space.seed(seed)
    action_space.seed(seed)
    observations, next_observations = (_stacked([observation_space.sample() for _ in range(n)]) for _ in range(2))
    actions = np.asarray(_stacked([action_space.sample() for _ in range(n)]))
    return Transitions(observations, actions, next_observations, np.arange(n) % 2 == 1)


def _played(env: gym.Env[Any, Any], n: int, seed: int) -> Transitions:
    played = list(random_transitions(env, n, seed))
    return Transitions(
        _stacked([each.observation for each in played]),
        # An environment may give the ISR other actions than the learner's own, those of all agents for example.
        np.asarray([each.info.get("isr_action", each.action) for each in played]),
        _stacked([each.next_observation for each in played]),
        np.array([bool(each.terminated) for each in played]),
    )


def _stacked(elements: Sequence[Any]) -> Observations:
    if isinstance(elements[0], dict):
        return {key: np.asarray([element[key] for element in elements]) for key in elements[0]}
    return np.asarray(elements)
