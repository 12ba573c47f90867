"""The environment of a study: its id, and the packages that register it, in this process and in others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module

import gymnasium as gym
from gymnasium.envs.registration import EnvSpec


@dataclass(frozen=True)
class Registration:
    """
    Makes an environment known in a process that has imported nothing yet.

    :param packages: The packages to import.
    :param spec: The environment as it is registered here, for processes in which the packages do not register it.
    """

    packages: tuple[str, ...]
    spec: EnvSpec

    def apply(self) -> None:
        """Import the packages, and register the environment if they do not."""
        for package in self.packages:
            import_module(package)
        gym.registry.setdefault(self.spec.id, self.spec)


def find_environment(env_id: str, packages: Sequence[str] = ()) -> Registration:
    """
    Find an environment, importing the packages that register it.

    :param env_id: A registered Gymnasium id, or ``package:id`` as in ``gymnasium.make``.
    :param packages: Further packages to import, as RL Zoo's ``--gym-packages``.
    :return: Its registration; ``registration.spec.id`` is the id without the package.
    :raises ValueError: If a package cannot be imported, or no environment of that id is registered.
    """
    package, _, bare_id = env_id.rpartition(":")
    all_packages = tuple(dict.fromkeys([*packages, *([package] if package else [])]))
    for name in all_packages:
        try:
            import_module(name)
        except Exception as error:  # a package may raise anything when it is imported
            raise ValueError(
                f"The package that registers ENV_ID must be one that Python can import, got {name!r} "
                f"({type(error).__name__}: {error}); install it, or put its folder on PYTHONPATH."
            ) from error
    try:
        return Registration(all_packages, gym.spec(bare_id))
    except gym.error.Error as error:
        remedy = f"see which ids {' and '.join(all_packages)} registers" if all_packages else "write package:id"
        raise ValueError(f"ENV_ID must be registered with Gymnasium, got {bare_id} ({error}); {remedy}.") from error
