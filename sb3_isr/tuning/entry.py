"""
Entries, in the form of RL Zoo's YAML.

A trial is an entry with some values changed, and a learner is built from an
entry as RL Zoo builds it, so that the best trial can be run there.
"""

from __future__ import annotations

import argparse
import copy
import reprlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import gymnasium as gym
import rl_zoo3
import yaml
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.preprocessing import is_image_space
from stable_baselines3.common.vec_env import VecEnv

from sb3_isr.callbacks import ISRCallback
from sb3_isr.envs import CoinGameEnv, CoinGameVecEnv, ProsocialEnv, ProsocialVecEnv
from sb3_isr.zoo.manager import ZooManager

Entry = dict[str, Any]

#: The dotted name of ISRCallback in an entry.
CALLBACK = "sb3_isr.ZooISRCallback"

#: Environments with a batched twin, which is bit for bit the same and many times as fast.
BATCHED: dict[str, Callable[..., VecEnv]] = {
    f"sb3_isr.envs:{env.__name__}": batched
    for env, batched in ((CoinGameEnv, CoinGameVecEnv), (ProsocialEnv, ProsocialVecEnv))
}


def read_entry(env_id: str, algo: str, config: Path | None) -> Entry:
    """
    Read an entry, and complete it by what internalization needs.

    :param env_id: A registered Gymnasium id.
    :param algo: RL Zoo's name of the algorithm.
    :param config: A YAML file of entries. None for ``zoo_configs/ALGO.yml`` in this folder, then RL Zoo's own file;
        if neither has the environment, the algorithm's defaults.
    :return: The entry, with wrapper, caregiver and callback.
    :raises ValueError: If something is not known, or the named file has no such entry.
    """
    _check_algorithm(algo)
    if config is not None and not config.is_file():
        raise ValueError(f"--config must be a YAML file of entries, got {config}, which is no file.")
    if config is not None and env_id not in _entries(config):
        raise ValueError(f"--config must have an entry for {env_id}, got {config} with {', '.join(_entries(config))}.")
    path = entry_file(env_id, algo, config)
    return _completed({"policy": _policy(env_id)} if path is None else _entries(path)[env_id], env_id)


def entry_file(env_id: str, algo: str, config: Path | None) -> Path | None:
    """
    Find the file of an entry.

    :param env_id: A registered Gymnasium id.
    :param algo: RL Zoo's name of the algorithm.
    :param config: As for :func:`read_entry`.
    :return: The file; None if no file has the entry.
    """
    own, theirs = Path(f"zoo_configs/{algo}.yml"), Path(rl_zoo3.__file__).parent / f"hyperparams/{algo}.yml"
    return next((path for path in ((own, theirs) if config is None else (config,)) if env_id in _entries(path)), None)


def callback_kwargs(entry: Entry) -> dict[str, Any]:
    """
    Get the arguments of an entry's ISRCallback.

    :param entry: Any entry.
    :return: The arguments; if they are changed, the entry is changed.
    """
    for callback in entry["callback"]:
        if isinstance(callback, dict) and CALLBACK in callback:
            kwargs: dict[str, Any] = callback[CALLBACK]
            return kwargs
    raise ValueError(f"An entry must have {CALLBACK} with its arguments in its callbacks, got {entry['callback']}.")


def changed(entry: Entry, callback: Mapping[str, Any], algorithm: Mapping[str, Any]) -> Entry:
    """
    Change some values of an entry.

    :param entry: An entry; left as it is.
    :param callback: New arguments of ISRCallback; dictionaries are merged.
    :param algorithm: New values of the entry itself. ``policy_kwargs`` is a Python expression, as in RL Zoo, and
        is merged too.
    :return: The changed entry.
    """
    entry, algorithm = copy.deepcopy(entry), dict(algorithm)
    kwargs = callback_kwargs(entry)
    kwargs.update(merged(kwargs, callback))
    before = entry.get("policy_kwargs")
    if before and "policy_kwargs" in algorithm:
        algorithm["policy_kwargs"] = f"{{**{before}, **{algorithm['policy_kwargs']}}}"
    return {**entry, **algorithm}


def merged(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    """
    Merge arguments.

    :param old: Arguments.
    :param new: Others, which take precedence.
    :return: Both; dictionaries in both are merged, too.
    """
    both = {key: merged(old[key], new[key]) for key in old if isinstance(old[key], dict) and key in new}
    return {**old, **new, **both}


def build(entry: Entry, env_id: str, algo: str, seed: int) -> tuple[BaseAlgorithm, ISRCallback]:
    """
    Build the learner of an entry.

    :param entry: The entry.
    :param env_id: The environment.
    :param algo: RL Zoo's name of the algorithm.
    :param seed: Seeds everything, including the process's generators.
    :return: The learner, and its ISRCallback.
    """
    manager = _Manager(argparse.Namespace(), algo, env_id, log_folder="", seed=seed, verbose=0, device="cpu")
    return manager.learner(copy.deepcopy(entry))


class _Manager(ZooManager):
    """RL Zoo's manager, without a log folder or evaluation, and with batched environments if there are any."""

    def learner(self, entry: Entry) -> tuple[BaseAlgorithm, ISRCallback]:
        kwargs, self.env_wrapper, callbacks, self.vec_env_wrapper = self._preprocess_hyperparams(entry)
        env = self.create_envs(self.n_envs, no_log=True)
        kwargs = self._preprocess_action_noise(kwargs, {}, env)
        model = rl_zoo3.ALGOS[self.algo](env=env, seed=self.seed, device=self.device, **kwargs)
        (isr_callback,) = (callback for callback in callbacks if isinstance(callback, ISRCallback))
        return model, isr_callback

    def create_envs(self, n_envs: int, eval_env: bool = False, no_log: bool = False) -> VecEnv:
        """Make the environments as RL Zoo does."""
        spec = gym.spec(self.env_name.gym_id)
        if spec.entry_point in BATCHED and not (self.env_wrapper or self.normalize or self.frame_stack):
            venv = BATCHED[str(spec.entry_point)](n_envs, **{**spec.kwargs, **self.env_kwargs})
            return venv if self.vec_env_wrapper is None else self.vec_env_wrapper(venv)
        return super().create_envs(n_envs, eval_env, no_log)


def _entries(path: Path) -> dict[str, Entry]:
    if not path.exists():
        return {}
    try:
        entries = yaml.safe_load(path.read_text())
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
        first_line = str(error).splitlines()[0]
        raise ValueError(f"{path} must be YAML, got something else ({first_line}); check the indentation.") from error
    if not isinstance(entries, dict):
        raise ValueError(
            f"{path} must map environment ids to entries, got {reprlib.repr(entries)}; write ENV_ID: first."
        )
    for env_id, entry in entries.items():
        if not isinstance(entry, dict):
            raise ValueError(
                f"{path} must have an entry of the form NAME: VALUE under each environment id, got "
                f"{reprlib.repr(entry)} under {env_id}; see zoo_configs/ for examples."
            )
    return entries


def _check_algorithm(algo: str) -> None:
    if algo not in rl_zoo3.ALGOS:
        raise ValueError(f"--algo must be one of {', '.join(rl_zoo3.ALGOS)}, got {algo}.")


def _completed(entry: Entry, env_id: str) -> Entry:
    """The entry with the three parts that internalization needs."""
    entry = copy.deepcopy(entry)
    if "sb3_isr.VecISRReward" not in str(entry.get("vec_env_wrapper")):
        if "sb3_isr.SocialRewardWrapper" not in str(entry.get("env_wrapper")) and not _has_social_rewards(env_id):
            wrappers = entry.get("env_wrapper") or []
            caregiver = {"sb3_isr.SocialRewardWrapper": {"caregiver": "sb3_isr.TaskRewardCaregiver"}}
            entry["env_wrapper"] = [*(wrappers if isinstance(wrappers, list) else [wrappers]), caregiver]
        entry["vec_env_wrapper"] = "sb3_isr.VecISRReward"
        if entry.get("normalize"):  # normalized rewards would hide that the caregiver has left
            entry["normalize"] = {"norm_obs": True, "norm_reward": False}
    if CALLBACK not in str(entry.get("callback")):
        callbacks = entry.get("callback") or []
        callbacks = callbacks if isinstance(callbacks, list) else [callbacks]
        entry["callback"] = [*callbacks, {CALLBACK: {"presence": "leave_at_0.5"}}]
    return entry


def _has_social_rewards(env_id: str, n_steps: int = 1000) -> bool:
    """Whether the environment itself writes the key, by trying random actions."""
    env = gym.make(env_id)
    env.action_space.seed(0)
    is_over = True
    has_key = False
    for _ in range(n_steps):
        if is_over:
            env.reset(seed=0)
        *_, terminated, truncated, info = env.step(env.action_space.sample())
        is_over = terminated or truncated
        has_key = "social_reward" in info
        if has_key:
            break
    env.close()
    return has_key


def _policy(env_id: str) -> str:
    env = gym.make(env_id)
    space = env.observation_space
    env.close()
    if isinstance(space, gym.spaces.Dict):
        return "MultiInputPolicy"
    return "CnnPolicy" if is_image_space(space) and min(space.shape or (0,)) >= 36 else "MlpPolicy"
