"""Tabular tasks: every state and what each action leads to, so that plans and their values are exact."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium import spaces
from minigrid.wrappers import FullyObsWrapper, ImgObsWrapper

from sb3_isr.common.batches import Array
from sb3_isr.labels import LabelBatch, Transitions

#: Discount of plans.
GAMMA = 0.99
#: Change of a value at which planning ends.
TOLERANCE = 1e-8


@dataclass(frozen=True)
class Table:
    """
    A task with ``S`` states, ``A`` actions and ``K`` outcomes of each.

    :param observation_space: Space of the observations.
    :param observations: What is seen in each state, ``[S, *shape]``.
    :param successors: int ``[S, A, K]``.
    :param probabilities: float ``[S, A, K]``.
    :param rewards: float ``[S, A, K]``.
    :param terminated: Whether the episode terminates, bool ``[S, A, K]``.
    :param start: Probability of each state at an episode's start, ``[S]``.
    """

    observation_space: gym.Space[Any]
    observations: Array
    successors: Array
    probabilities: Array
    rewards: Array
    terminated: Array
    start: Array

    @property
    def n_actions(self) -> int:
        """Number of actions."""
        return int(self.successors.shape[1])

    def transitions(self, states: Array, actions: Array, outcomes: Array) -> Transitions:
        """
        Get transitions as an ISR is given them.

        :param states: int ``[n]``.
        :param actions: int ``[n]``.
        :param outcomes: int ``[n]``.
        :return: The transitions.
        """
        index = states, actions, outcomes
        next_observations = self.observations[self.successors[index]]
        return Transitions(self.observations[states], actions, next_observations, self.terminated[index])

    def action_values(self, rewards: Array, values: Array) -> Array:
        """
        Look one step ahead.

        :param rewards: float ``[S, A, K]``.
        :param values: What each state is worth, ``[S]``.
        :return: What each action is worth, ``[S, A]``.
        """
        returns = rewards + GAMMA * np.where(self.terminated, 0.0, values[self.successors])
        return np.asarray((self.probabilities * returns).sum(axis=-1))

    def plan(self, rewards: Array) -> Array:
        """
        Find the best policy by value iteration.

        :param rewards: float ``[S, A, K]``.
        :return: The best action in each state, int ``[S]``.
        """
        values = _fixed_point(lambda values: self.action_values(rewards, values).max(axis=1), len(self.start))
        return np.asarray(self.action_values(rewards, values).argmax(axis=1))

    def value(self, policy: Array) -> float:
        """
        Evaluate a policy by the true rewards.

        :param policy: Probability of each action in each state, ``[S, A]``.
        :return: The discounted return that is expected at an episode's start.
        """
        values = _fixed_point(
            lambda values: (policy * self.action_values(self.rewards, values)).sum(axis=1), len(self.start)
        )
        return float(self.start @ values)

    def socialize(self, n_steps: int, seed: int) -> LabelBatch:
        """
        Let a learner learn the task from its true rewards by Q-learning, and keep them as labels.

        It explores at random at first, and in a fiftieth of its steps from the first tenth on.

        :param n_steps: Number of steps.
        :param seed: Seeds it.
        :return: The label of each step.
        """
        rng = np.random.default_rng(seed)
        values = np.zeros(self.rewards.shape[:2])
        cumulated = self.probabilities.cumsum(axis=-1)
        index = np.zeros((3, n_steps), int)
        state, n_in_episode = rng.choice(len(self.start), p=self.start), 0
        for step, (explores, luck) in enumerate(rng.random((n_steps, 2))):
            if explores < max(0.02, 1.0 - 10 * step / n_steps):
                action = int(rng.integers(self.n_actions))
            else:
                action = int(np.argmax(values[state] + 1e-9 * rng.random(self.n_actions)))
            outcome = int(np.searchsorted(cumulated[state, action], luck * cumulated[state, action, -1]))
            here = state, action, outcome
            index[:, step] = here
            successor, terminated = self.successors[here], self.terminated[here]
            target = self.rewards[here] + (0.0 if terminated else GAMMA * values[successor].max())
            values[state, action] += 0.2 * (target - values[state, action])
            n_in_episode += 1
            state = successor
            if terminated or n_in_episode == 200:
                state, n_in_episode = rng.choice(len(self.start), p=self.start), 0
        return LabelBatch(self.transitions(*index), self.rewards[tuple(index)].astype(np.float32))


def _fixed_point(update: Callable[[Array], Array], n_states: int) -> Array:
    values = np.zeros(n_states)
    while True:
        before, values = values, update(values)
        if np.abs(values - before).max() < TOLERANCE:
            return values


def toy_text(env_id: str, goal_continues: bool = False, **kwargs: Any) -> Table:
    """
    Read the table of one of Gymnasium's toy-text tasks.

    :param env_id: The environment.
    :param goal_continues: Whether an episode goes on at the start once a goal is reached.
    :param kwargs: The environment's arguments.
    :return: The table.
    """
    env: Any = gym.make(env_id, **kwargs).unwrapped
    n_states, n_actions = int(env.observation_space.n), int(env.action_space.n)
    shape = n_states, n_actions, max(len(outcomes) for actions in env.P.values() for outcomes in actions.values())
    successors, terminated = np.zeros(shape, int), np.zeros(shape, bool)
    probabilities, rewards = np.zeros(shape), np.zeros(shape)
    for state, actions in env.P.items():
        for action, outcomes in actions.items():
            for i, outcome in enumerate(outcomes):
                at = state, action, i
                probabilities[at], successors[at], rewards[at], terminated[at] = outcome
    start = np.asarray(env.initial_state_distrib, float)
    if goal_continues:
        at_goal = terminated & (rewards > 0)
        terminated[at_goal], successors[at_goal] = False, int(start.argmax())
    return Table(
        env.observation_space, np.arange(n_states), successors, probabilities, rewards, terminated, start / start.sum()
    )


def door_key(praise_for_unlocking: float = 0.0) -> Table:
    """
    Explore all states of MiniGrid's DoorKey-5x5, fully observed. The goal gives 1, whenever it is reached.

    :param praise_for_unlocking: Reward for unlocking the door.
    :return: The table.
    """
    env: Any = ImgObsWrapper(FullyObsWrapper(gym.make("MiniGrid-DoorKey-5x5-v0")))  # type: ignore[no-untyped-call]
    observations: list[Array] = []
    worlds: list[Any] = []
    numbers: dict[bytes, int] = {}

    def number(observation: Array, world: Any) -> int:
        key = observation.tobytes()
        if key not in numbers:
            numbers[key] = len(observations)
            observations.append(observation)
            worlds.append(copy.deepcopy(world))
        return numbers[key]

    starts = [number(env.reset(seed=seed)[0], env.unwrapped) for seed in range(400)]
    outcomes: list[list[tuple[int, float, bool]]] = []
    while len(outcomes) < len(worlds):
        of_state = []
        for action in range(6):
            world = copy.deepcopy(worlds[len(outcomes)])
            was_locked = _is_locked(world)
            _, reward, terminated, _, _ = world.step(action)
            label = float(reward > 0) + praise_for_unlocking * (was_locked and not _is_locked(world))
            of_state.append((number(_seen(world), world), label, terminated))
        outcomes.append(of_state)
    successors, rewards, ends = (
        np.array([[outcome[part] for outcome in of_state] for of_state in outcomes])[..., None] for part in range(3)
    )
    start = np.bincount(starts, minlength=len(worlds)) / len(starts)
    space = spaces.Box(0, 255, observations[0].shape, np.uint8)
    return Table(
        space, np.array(observations), successors, np.ones(successors.shape), rewards, ends.astype(bool), start
    )


def _is_locked(world: Any) -> bool:
    return any(cell is not None and cell.type == "door" and cell.is_locked for cell in world.grid.grid)


def _seen(world: Any) -> Array:
    grid: Array = world.grid.encode()
    grid[world.agent_pos] = 10, 0, world.agent_dir  # as FullyObsWrapper shows the agent
    return grid


#: The tasks of the ruler.
TABLES: dict[str, Callable[[], Table]] = {
    "FrozenLake": lambda: toy_text("FrozenLake-v1", is_slippery=False),
    "FrozenLake, slippery": lambda: toy_text("FrozenLake-v1", is_slippery=True),
    "FrozenLake, goal does not end the episode": lambda: toy_text("FrozenLake-v1", True, is_slippery=False),
    "slippery, goal does not end the episode": lambda: toy_text("FrozenLake-v1", True, is_slippery=True),
    "CliffWalking": lambda: toy_text("CliffWalking-v1"),
    "Taxi": lambda: toy_text("Taxi-v4"),
    "DoorKey": door_key,
    "DoorKey, praise for unlocking": lambda: door_key(0.2),
}
