"""What a checkpoint holds of a learner: SB3's files, and the state that they leave out or that loading resets."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeVar

import torch
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.distributions import StateDependentNoiseDistribution
from stable_baselines3.common.off_policy_algorithm import OffPolicyAlgorithm
from stable_baselines3.common.vec_env import VecEnv

from sb3_isr.callbacks.resume_check import check_same
from sb3_isr.common.descriptions import describe
from sb3_isr.common.randomness import get_generators, set_generators

Algorithm = TypeVar("Algorithm", bound=BaseAlgorithm)

# RecurrentPPO's LSTM states; the random keys of SBX; gSDE's matrices.
_OF_MODEL = ("_last_lstm_states", "key")
_OF_POLICY = ("key", "noise_key")
_OF_NOISE = ("exploration_mat", "exploration_matrices")


def save_learner(model: BaseAlgorithm, folder: Path) -> None:
    """
    Write a learner, and its replay buffer if it has one.

    :param model: The learner.
    :param folder: An existing folder.
    """
    model.save(folder / "model.zip")
    if isinstance(model, OffPolicyAlgorithm):
        model.save_replay_buffer(folder / "replay_buffer.pkl")


def load_learner(folder: Path, algorithm: type[Algorithm], env: VecEnv, **kwargs: Any) -> Algorithm:
    """
    Read what :func:`save_learner` wrote.

    :param folder: The folder.
    :param algorithm: The learner's class.
    :param env: Training environments.
    :param kwargs: Passed to the learner's ``load``.
    :return: The learner. It does not reset the environments when it continues.
    :raises ValueError: If the arguments ask for another replay buffer than the one in the folder.
    """
    model = algorithm.load(folder / "model.zip", env=env, force_reset=False, **kwargs)
    if isinstance(model, OffPolicyAlgorithm):
        here = describe(model.replay_buffer)
        model.load_replay_buffer(folder / "replay_buffer.pkl")
        there = describe(model.replay_buffer)
        # SB3 makes buffers of n-step returns with the arguments that they had.
        here |= {name: describe(kwargs[name]) for name in ("n_steps", "gamma") if name in there and name in kwargs}
        check_same({"replay_buffer": here}, {"replay_buffer": there}, folder)
    return model


def get_state(model: BaseAlgorithm) -> dict[str, Any]:
    """
    Get what loading a learner does not give back, at the start of a rollout.

    :param model: The learner.
    :return: The states of noises, memories and all random generators; it can be pickled.
    """
    return {
        "generators": get_generators(),
        "model": {name: vars(model)[name] for name in _OF_MODEL if name in vars(model)},
        "policy": {name: vars(model.policy)[name] for name in _OF_POLICY if name in vars(model.policy)},
        "action_noise": model.action_noise,
        "exploration": [
            {name: vars(noise)[name].detach() for name in _OF_NOISE if name in vars(noise)}
            for noise in _exploration(model)
        ],
    }


def set_state(model: BaseAlgorithm, state: dict[str, Any]) -> None:
    """
    Restore what :func:`get_state` returned, at the start of a rollout: just before it, SB3 draws and resets noises.

    :param model: The learner.
    :param state: The state, with tensors on any device.
    """
    vars(model).update({name: _moved(value, model.device) for name, value in state["model"].items()})
    vars(model.policy).update(state["policy"])
    if model.action_noise is not None:  # in place: the rollout that starts holds it already
        vars(model.action_noise).update(vars(state["action_noise"]))
    for noise, matrices in zip(_exploration(model), state["exploration"], strict=True):
        vars(noise).update({name: matrix.to(model.device) for name, matrix in matrices.items()})
    set_generators(state["generators"])


def end_episodes(model: BaseAlgorithm) -> None:
    """
    Let a learner start new episodes where it would have continued, as if the running ones had been truncated.

    :param model: The learner.
    """
    model._last_obs = None  # so that learn resets the environments
    if model.seed is not None and model.env is not None:
        model.env.seed(model.seed + model.num_timesteps)  # not the episodes with which training began
    if isinstance(model, OffPolicyAlgorithm) and model.replay_buffer is not None:
        buffer = model.replay_buffer
        # With optimize_memory_usage the last transition's next observation will be the new episode's first.
        (buffer.dones if buffer.optimize_memory_usage else buffer.timeouts)[buffer.pos - 1] = 1


def _exploration(model: BaseAlgorithm) -> Iterator[StateDependentNoiseDistribution]:
    """The distributions of gSDE; there are none in SBX, whose policies are not torch's."""
    modules = model.policy.modules() if hasattr(model.policy, "modules") else []
    distributions = [vars(module).get("action_dist") for module in modules]
    return (d for d in distributions if isinstance(d, StateDependentNoiseDistribution))


def _moved(value: Any, device: torch.device) -> Any:
    if isinstance(value, tuple):
        parts = [_moved(part, device) for part in value]
        return type(value)(*parts) if hasattr(value, "_fields") else tuple(parts)
    return value.to(device) if isinstance(value, torch.Tensor) else value
