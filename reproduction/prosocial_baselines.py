"""Baselines of the prosocial game: a learner who acts at random, and one who knows how to help."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from sb3_isr.envs.prosocial.helper import helpful_action
from sb3_isr.envs.prosocial.vec_env import ProsocialVecEnv
from sb3_isr.envs.prosocial.world import ProsocialWorld

#: The actions of the learners of all games, int ``[n_games]``.
Policy = Callable[[ProsocialWorld], np.ndarray]


def random_learner(seed: int = 0) -> Policy:
    """
    Make a learner who does anything with equal probability.

    :param seed: Seeds its actions.
    :return: The policy.
    """
    rng = np.random.default_rng(seed)
    return lambda world: rng.integers(len(world.action_names), size=len(world.layouts))


def helper(world: ProsocialWorld) -> np.ndarray:
    """
    Act as a learner who knows what the caregiver wants.

    :param world: The games.
    :return: The actions, int ``[n_games]``.
    """
    return np.array([helpful_action(world, game) for game in range(len(world.layouts))])


def goals_per_episode(policy: Policy, n_games: int, seed: int = 0) -> np.ndarray:
    """
    Play games, one episode each.

    :param policy: The policy of the learners.
    :param n_games: Number of games.
    :param seed: Seeds the games.
    :return: The caregiver's goals in each, int ``[n_games]``.
    """
    venv = ProsocialVecEnv(n_games)
    venv.seed(seed)
    venv.reset()
    for _ in range(venv.rules.max_steps):
        venv.step_async(policy(venv.rules))
        *_, infos = venv.step_wait()
    return np.array([info["goals_reached"] for info in infos])
