"""Between what a learner of the prosocial game lies: one who acts at random, and one who knows how to help."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from sb3_isr.envs.prosocial.helper import helpful_action
from sb3_isr.envs.prosocial.vec_env import ProsocialVecEnv
from sb3_isr.envs.prosocial.world import ProsocialWorld

#: What the learners of all games do.
Policy = Callable[[ProsocialWorld], np.ndarray]


def random_learner(seed: int = 0) -> Policy:
    """
    Make a learner that acts at random.

    :param seed: Seeds its actions.
    :return: A policy that takes each action with equal probability.
    """
    rng = np.random.default_rng(seed)
    return lambda world: rng.integers(len(world.action_names), size=len(world.layouts))


def helper(world: ProsocialWorld) -> np.ndarray:
    """
    Choose the actions of a learner that knows what the caregiver wants.

    :param world: The games.
    :return: The actions, int ``[n_games]``.
    """
    return np.array([helpful_action(world, game) for game in range(len(world.layouts))])


def goals_per_episode(policy: Policy, n_games: int, seed: int = 0) -> np.ndarray:
    """
    Play one episode of each game.

    :param policy: The learners' policy.
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
