"""
For your own tests: what sb3-isr relies on in a caregiver, a presence schedule, an ISR or an environment of your own.

.. code-block:: python

    def test_my_parts():
        check_caregiver(MyCaregiver(), gym.make("CartPole-v1"))
        check_presence(MySchedule())
        check_isr(InternalSocialReward(observation_space, action_space, features_extractor_class=MyExtractor))
        check_env(MyEnv())  # one that writes info["social_reward"] itself

Each raises :class:`ConformanceError`, an AssertionError that says the rule, what was met and the remedy. What is given
stays as it was, except that environments are reset and stepped.
"""

from __future__ import annotations

import copy
import math
import pickle
import random
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from numbers import Real
from pathlib import Path
from typing import Any, TypeVar

import gymnasium as gym
import numpy as np
import torch

from sb3_isr.caregivers import Caregiver, Transition
from sb3_isr.common.spaces import Array, Observations, check_spaces, take
from sb3_isr.isr.model import InternalSocialReward
from sb3_isr.isr.training import fit
from sb3_isr.labels.store import LabelBatch, LabelStore
from sb3_isr.schedules.presence import PresenceSchedule, presence_schedule
from sb3_isr.wrappers import SocialRewardWrapper

Part = TypeVar("Part")


class ConformanceError(AssertionError):
    """A part does not keep a rule that sb3-isr relies on."""


def check_caregiver(caregiver: Caregiver, env: gym.Env[Any, Any], n_steps: int = 200, seed: int = 0) -> None:
    """
    Check that a caregiver answers as :class:`~sb3_isr.SocialRewardWrapper` needs it: with finite numbers (or None), the
    same ones at the same seed, without changing what it is shown, and each copy for itself.

    :param caregiver: The caregiver; only copies of it are asked.
    :param env: An environment that suits it. It is played with random actions, in two episodes at least.
    :param n_steps: How many steps, 2 or more.
    :param seed: Seeds environment, actions and caregiver.
    :raises ConformanceError: If a rule is not kept.
    """
    episodes = _play(env, n_steps, seed)
    with _global_generators_left_alone("A caregiver"):
        asked = _deepcopy(caregiver)
        (said,), (again,) = _answers([asked], episodes, seed), _answers([asked], episodes, seed)
        _require(
            said == again,
            "A caregiver must start anew when it is reset with a seed, and say the same at the same seed",
            _first_difference(said, again),
            "draw from a generator of its own that reset(seed) seeds, and forget what it remembers there",
        )
        for of_copy in _answers([_deepcopy(caregiver), _deepcopy(caregiver)], episodes, seed):
            _require(
                said == of_copy,
                "Copies of a caregiver, one for each environment, must share no memory",
                _first_difference(said, of_copy),
                "keep its memory in attributes of its own, and let copy.deepcopy copy them",
            )
    check_env(SocialRewardWrapper(env, caregiver), n_steps, seed)


def check_env(env: gym.Env[Any, Any], n_steps: int = 200, seed: int = 0) -> None:
    """
    Check that an environment writes rewards and labels as the ISR wrappers need them. Gymnasium's own ``check_env``
    comes first.

    :param env: An environment that writes ``info["social_reward"]``. It is played with random actions.
    :param n_steps: How many steps.
    :param seed: Seeds environment and actions.
    :raises ConformanceError: If a rule is not kept.
    """
    try:
        check_spaces(env.observation_space, env.action_space)
    except ValueError as error:
        raise ConformanceError(str(error)) from error
    for step, transition in enumerate(_steps(env, n_steps, seed)):
        _require(
            isinstance(transition.reward, int | float) and math.isfinite(transition.reward),
            "An environment's reward must be a finite Python number (NumPy's float32 is none)",
            f"{transition.reward!r} at step {step}",
            "return float(reward)",
        )
        label = transition.info.get("social_reward", 0.0)
        _require(
            isinstance(label, Real) and math.isfinite(label),
            'info["social_reward"] must be a finite number',
            f"{label!r} at step {step}",
            "write a float, and leave the key out where there is no label",
        )


def check_presence(schedule: str | PresenceSchedule) -> None:
    """
    Check that a presence schedule gives a probability at any time of training, and the same one whenever it is asked.

    :param schedule: The schedule, or its text form.
    :raises ConformanceError: If a rule is not kept.
    """
    schedule = presence_schedule(schedule)
    times = np.linspace(1.0, 0.0, 1001).tolist()
    with _global_generators_left_alone("A presence schedule"):
        said = [schedule(progress_remaining) for progress_remaining in times]
        for progress_remaining, probability in zip(times, said, strict=True):
            _require(
                isinstance(probability, Real) and 0.0 <= probability <= 1.0,
                "A presence schedule must return a probability in [0, 1]",
                f"{probability!r} at progress_remaining={progress_remaining}",
                "clip it there",
            )
        again = [schedule(progress_remaining) for progress_remaining in reversed(times)]
    _require(
        said == again[::-1],
        "A presence schedule must depend on progress_remaining alone, since training may be resumed and repeated",
        "another probability when it was asked from the end to the start",
        "keep no memory in it, and draw nothing: the callback draws who attends",
    )
    unpickled = _unpickled(schedule)
    _require(
        said == [unpickled(progress_remaining) for progress_remaining in times],
        "A presence schedule must be the same when it is unpickled",
        "other probabilities",
        "pickle all that it depends on",
    )
    _require(
        " object at 0x" not in repr(schedule),
        "A presence schedule must have a repr, since errors and logs quote it",
        repr(schedule),
        "make it a dataclass, or write __repr__",
    )


def check_isr(isr: InternalSocialReward, env: gym.Env[Any, Any] | None = None, n: int = 16, seed: int = 0) -> None:
    """
    Check an ISR, and the features extractor in it: that it rewards, learns, and can be handed on.

    :param isr: The ISR. Whether it was trained does not matter.
    :param env: An environment of its spaces. By default observations are drawn from the space, which may be other
        than any that an environment gives.
    :param n: How many transitions it is asked for at once.
    :param seed: Seeds what is drawn.
    :raises ConformanceError: If a rule is not kept.
    """
    observations, actions = _drawn(isr, n, seed) if env is None else _played(env, n, seed)
    with _global_generators_left_alone("An ISR"):
        rewards = _check_predict(isr, observations, actions)
        _check_gradients(isr, observations, actions)
        _check_training(isr, observations, actions)
        _check_copies(isr, observations, actions, rewards)


def _check_predict(isr: InternalSocialReward, observations: Observations, actions: Array) -> Array:
    shown, weights = copy.deepcopy((observations, actions)), _weights(isr)
    rewards = isr.predict(observations, actions)
    n = len(actions)
    _require(
        isinstance(rewards, np.ndarray) and rewards.shape == (n,) and rewards.dtype == np.float32,
        f"predict must return a float32 array [{n}] for {n} transitions",
        f"{rewards.dtype} {list(rewards.shape)}" if isinstance(rewards, np.ndarray) else type(rewards).__name__,
        "let the features extractor return float [n, features_dim]",
    )
    _require(
        bool(np.isfinite(rewards).all()), "R_i must be finite", rewards, "see what the features extractor divides by"
    )
    _require(
        _same(shown, (observations, actions)),
        "predict must leave the learner's observations and actions as they are",
        "others afterwards",
        "compute out of place in the features extractor: a tensor may share their memory",
    )
    _require(
        _same(weights, _weights(isr)) and _same(rewards, isr.predict(observations, actions)),
        "predict must leave the ISR as it is",
        "other weights or other rewards afterwards",
        "change nothing in the features extractor's forward, and call isr.eval() after training",
    )
    alone = [isr.predict(take(observations, [i]), actions[[i]])[0] for i in range(n)]
    _require(
        np.allclose(rewards, alone, rtol=1e-3, atol=1e-4 * max(1.0, float(np.abs(rewards).max()))),
        "R_i of a transition must not depend on the others in its batch",
        f"{rewards} together and {np.array(alone)} alone",
        "normalize over features rather than over the batch, or call isr.eval() after training",
    )
    return rewards


def _check_gradients(isr: InternalSocialReward, observations: Observations, actions: Array) -> None:
    isr = _deepcopy(isr)
    isr(*isr.tensors(observations, actions)).sum().backward()
    trained = {name: parameter.grad for name, parameter in isr.named_parameters() if parameter.requires_grad}
    _require(
        all(grad is not None and bool(grad.any()) for grad in trained.values()),
        "Gradients must reach all parameters of an ISR",
        f"none at {[name for name, grad in trained.items() if grad is None or not grad.any()]}",
        "detach nothing on the way, and freeze with requires_grad_(False) what is not to be trained",
    )


def _check_training(isr: InternalSocialReward, observations: Observations, actions: Array) -> None:
    trainee, weights = _deepcopy(isr), _weights(isr)
    store = LabelStore(isr.observation_space, isr.action_space, capacity=len(actions), held_out=0.0, seed=0)
    store.add(LabelBatch(observations, actions, np.linspace(-1.0, 1.0, len(actions), dtype=np.float32)))
    fit(trainee, store, gradient_steps=2, batch_size=len(actions))
    _require(
        not _same(weights, _weights(trainee)) and _same(weights, _weights(isr)),
        "Training a copy of an ISR must change the copy, and the copy alone",
        "no change in it" if _same(weights, _weights(isr)) else "a change in the ISR itself",
        "keep modules in attributes of their own, and let the optimizer have isr.parameters()",
    )


def _check_copies(isr: InternalSocialReward, observations: Observations, actions: Array, rewards: Array) -> None:
    copies = {"saved and loaded": _loaded(isr), "pickled and unpickled": _unpickled(isr), "copied": _deepcopy(isr)}
    for how, other in copies.items():
        of_copy = other.predict(observations, actions)
        _require(
            _same(rewards, of_copy) and other.label_range == isr.label_range,
            f"An ISR must be the same when it is {how}",
            f"{of_copy} with labels in {other.label_range} in place of {rewards} with labels in {isr.label_range}",
            "keep what it depends on in parameters, buffers and the features extractor's arguments",
        )
        other.check_spaces(isr.observation_space, isr.action_space)


def _loaded(isr: InternalSocialReward) -> InternalSocialReward:
    classes = ("features_extractor_class", "activation_fn", "optimizer_class")
    own: dict[str, Any] = {argument: isr._architecture[argument] for argument in classes}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "isr.safetensors"
        try:
            isr.save(path)
            return type(isr).load(path, device=isr.device, **own)
        except ValueError as error:
            raise ConformanceError(
                f"An ISR must be saved and loaded, got {error}; give its features extractor arguments that JSON can "
                'hold, and let it be built on torch\'s device "meta".'
            ) from error


def _weights(isr: InternalSocialReward) -> dict[str, Array]:
    return {name: weight.cpu().numpy().copy() for name, weight in isr.state_dict().items()}


def _drawn(isr: InternalSocialReward, n: int, seed: int) -> tuple[Observations, Array]:
    spaces = copy.deepcopy((isr.observation_space, isr.action_space))
    for space in spaces:
        space.seed(seed)
    observations, actions = (_stack([space.sample() for _ in range(n)]) for space in spaces)
    return observations, np.asarray(actions)


def _played(env: gym.Env[Any, Any], n: int, seed: int) -> tuple[Observations, Array]:
    transitions = list(_steps(env, n, seed))
    observations = _stack([transition.observation for transition in transitions])
    return observations, np.asarray([transition.action for transition in transitions])


def _stack(elements: Sequence[Any]) -> Observations:
    if isinstance(elements[0], dict):
        return {key: np.asarray([element[key] for element in elements]) for key in elements[0]}
    return np.asarray(elements)


def _steps(env: gym.Env[Any, Any], n_steps: int, seed: int) -> Iterator[Transition]:
    """Random transitions, with the reward as the environment gave it."""
    env.action_space.seed(seed)
    observation, _ = env.reset(seed=seed)
    for _ in range(n_steps):
        shown, action = copy.deepcopy(observation), env.action_space.sample()
        next_observation, reward, terminated, truncated, info = env.step(action)
        _require(
            _same(shown, observation),
            "An environment must leave an observation as it is when it steps on, since wrappers keep it till then",
            f"{observation} in place of {shown}",
            "return a copy of what it writes in place",
        )
        # A float would hide what check_env looks for.
        yield Transition(shown, action, reward, next_observation, terminated, truncated, copy.deepcopy(info))  # type: ignore[arg-type]
        observation = env.reset()[0] if terminated or truncated else next_observation


def _play(env: gym.Env[Any, Any], n_steps: int, seed: int) -> list[list[Transition]]:
    """Two episodes or more, with the reward a float, as SocialRewardWrapper shows it."""
    episodes: list[list[Transition]] = [[]]
    for step, transition in enumerate(_steps(env, n_steps, seed)):
        episodes[-1].append(transition._replace(reward=float(transition.reward)))
        if transition.terminated or transition.truncated or step + 1 == n_steps // 2:
            episodes.append([])
    return [episode for episode in episodes if episode]


def _answers(
    caregivers: Sequence[Caregiver], episodes: Sequence[Sequence[Transition]], seed: int
) -> list[list[tuple[float | None, float]]]:
    """What each caregiver says of each transition; they are asked in turn, as if they were in several environments."""
    said: list[list[tuple[float | None, float]]] = [[] for _ in caregivers]
    for number, episode in enumerate(episodes):
        for caregiver in caregivers:
            caregiver.reset(None if number else seed)
        for transition in episode:
            for caregiver, answers in zip(caregivers, said, strict=True):
                answers.append(_answer(caregiver, transition))
    return said


def _answer(caregiver: Caregiver, transition: Transition) -> tuple[float | None, float]:
    shown = copy.deepcopy(transition)
    comparable = _same(shown, transition)
    social_reward, environment_reward = caregiver.social_reward(transition), caregiver.environment_reward(transition)
    _require(
        social_reward is None or (isinstance(social_reward, Real) and math.isfinite(social_reward)),
        "A caregiver's social_reward must be a finite number, or None to say nothing",
        repr(social_reward),
        "return float(reward) or None",
    )
    _require(
        isinstance(environment_reward, int | float) and math.isfinite(environment_reward),
        "A caregiver's environment_reward must be a finite Python number (NumPy's float32 is none)",
        repr(environment_reward),
        "return float(reward), 0.0 if all of it is social",
    )
    _require(
        not comparable or _same(shown, transition),
        "A caregiver must leave the transition that it is shown as it is",
        f"{transition} in place of {shown}",
        "copy what it changes: the learner sees the same observation",
    )
    return social_reward, environment_reward


def _first_difference(said: Sequence[Any], again: Sequence[Any]) -> str:
    differing = [(i, *pair) for i, pair in enumerate(zip(said, again, strict=True)) if pair[0] != pair[1]]
    return "(R_s, R_e) = {1} and then {2} at step {0}".format(*differing[0]) if differing else "no difference"


def _require(holds: bool, rule: str, met: object, remedy: str) -> None:
    if not holds:
        raise ConformanceError(f"{rule}, got {met}; {remedy}.")


def _same(one: Any, other: Any) -> bool:
    try:
        np.testing.assert_equal(one, other)
    except AssertionError:
        return False
    return True


def _deepcopy(part: Part) -> Part:
    try:
        return copy.deepcopy(part)
    except Exception as error:
        raise ConformanceError(
            f"Each environment has a copy of its own, so copy.deepcopy must copy it, got {error!r} of {part!r}; "
            "keep no files, locks or generators (those of yield) in it."
        ) from error


def _unpickled(part: Part) -> Part:
    try:
        unpickled: Part = pickle.loads(pickle.dumps(part))
    except Exception as error:
        raise ConformanceError(
            f"It travels to other processes, so pickle must take it, got {error!r} of {part!r}; "
            "define its class or function at the top of a module."
        ) from error
    return unpickled


@contextmanager
def _global_generators_left_alone(who: str) -> Iterator[None]:
    before = _global_generators()
    yield
    moved = [name for name, state in _global_generators().items() if state != before[name]]
    _require(
        not moved,
        f"{who} must leave the global random generators alone, or the learner's run changes at the same seed",
        f"draws from {', '.join(moved)}",
        "draw from a generator of its own",
    )


def _global_generators() -> dict[str, bytes]:
    states = {
        "random": random.getstate(),
        "numpy.random": np.random.get_state(),
        "torch": torch.get_rng_state().numpy(),
    }
    return {name: pickle.dumps(state) for name, state in states.items()}
