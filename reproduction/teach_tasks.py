"""The tasks of the study of teaching: each with a rule by which a person could praise and scold what is shown."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium import spaces
from minigrid.core.constants import OBJECT_TO_IDX, STATE_TO_IDX
from minigrid.wrappers import ImgObsWrapper
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.vec_env import VecEnv

from reproduction.suite import TASKS
from sb3_isr import SocialRewardWrapper, Transitions, VecISRReward
from sb3_isr.caregivers import Caregiver, Transition
from sb3_isr.common.batches import Array
from sb3_isr.envs import CoinGameVecEnv
from sb3_isr.envs.coin_game.rules import GOAL, PRAISE
from sb3_isr.evaluation.networks import ONE_HOT

#: Rewards ``[k]`` of transitions, as a person would give them who looks on.
Rule = Callable[[Transitions], Array]


@dataclass(frozen=True)
class TeachTask:
    """
    A task without any other reward than the caregiver's, but for the cost of a move in the coin game.

    :param rule: What is praised and scolded.
    :param goal: The reward of a goal: the goals of an episode are its rewards that are as high.
    :param make_venv: Makes the environments, whose caregiver follows the rule at every step.
    :param steps: Environment steps.
    :param settings: PPO's arguments.
    :param isr_kwargs: The ISR's arguments.
    :param trainer_kwargs: The trainer's.
    """

    rule: Rule
    goal: float
    make_venv: Callable[[], VecEnv]
    steps: int
    settings: dict[str, Any]
    isr_kwargs: dict[str, Any] = field(default_factory=dict)
    trainer_kwargs: dict[str, Any] = field(default_factory=dict)

    def env(self) -> VecISRReward:
        """
        Make the environments.

        :return: As a learner gets them.
        """
        return VecISRReward(self.make_venv())


class RuleCaregiver(Caregiver):
    """
    Follows a rule at every step, and knows of no other reward.

    :param rule: The rule.
    """

    def __init__(self, rule: Rule) -> None:
        self.rule = rule

    def social_reward(self, transition: Transition) -> float:
        """
        Label a transition.

        :param transition: The transition.
        :return: What the rule gives.
        """
        parts = transition.observation, transition.action, transition.next_observation, transition.terminated
        return float(self.rule(Transitions(*(np.asarray(part)[None] for part in parts)))[0])

    def environment_reward(self, transition: Transition) -> float:
        """
        Get the part of the reward that is not social.

        :param transition: The transition.
        :return: 0.
        """
        return 0.0


def coins(transitions: Transitions) -> Array:
    """
    Praise each goal that is reached in the coin game.

    :param transitions: ``k`` transitions.
    :return: float32 ``[k]``: 0.4 where the learner, who faces up, moves onto the goal; otherwise 0.
    """
    observations = np.asarray(transitions.observations)
    middle = observations.shape[1] // 2
    is_goal = observations[:, middle, middle - 1, 0] == GOAL[0]
    return np.where(is_goal & (transitions.actions == 2), PRAISE, 0.0).astype(np.float32)


def door_and_goal(transitions: Transitions) -> Array:
    """
    Praise in DoorKey: a little for unlocking the door, which can be done once, and more for the goal.

    :param transitions: ``k`` transitions.
    :return: float32 ``[k]``: 1 at the goal, 0.2 where the locked door in front is opened, otherwise 0.
    """
    before, after = (np.asarray(batch)[:, 3, 5] for batch in (transitions.observations, transitions.next_observations))
    was_locked = (before[:, 0] == OBJECT_TO_IDX["door"]) & (before[:, 2] == STATE_TO_IDX["locked"])
    unlocks = was_locked & (after[:, 0] == OBJECT_TO_IDX["door"]) & (after[:, 2] == STATE_TO_IDX["open"])
    return np.where(transitions.terminated, 1.0, np.where(unlocks, 0.2, 0.0)).astype(np.float32)


class Reach(gym.Env[Any, Any]):
    """
    A mass on a field is pushed onto a mark. Without a caregiver there is no reward.

    The observation is position, velocity, and the way to the mark, each of two numbers; the action is the push. An
    episode terminates on the mark and outside of the field, and is truncated after 50 steps.
    """

    observation_space = spaces.Box(-4, 4, (6,), np.float32)
    action_space = spaces.Box(-1, 1, (2,), np.float32)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """
        Place mass and mark at random, not less than half a unit apart.

        :param seed: Seeds it.
        :param options: None.
        :return: The first observation, and an empty info.
        """
        super().reset(seed=seed)
        self._steps, self._velocity = 0, np.zeros(2)
        self._position = self._mark = np.zeros(2)
        while np.linalg.norm(self._mark - self._position) < 0.5:
            self._position, self._mark = self.np_random.uniform(-0.8, 0.8, (2, 2))
        return self._observe(), {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """
        Push the mass.

        :param action: The push.
        :return: Observation, 0, whether it is on the mark or outside, whether the time is up, and an empty info.
        """
        self._steps += 1
        self._velocity = 0.8 * self._velocity + 0.02 * np.clip(action, -1, 1)
        self._position = self._position + self._velocity
        observation = self._observe()
        terminated = bool(_is_on_mark(observation[None])[0] or _is_outside(observation[None])[0])
        return observation, 0.0, terminated, self._steps >= 50, {}

    def _observe(self) -> Any:
        return np.concatenate([self._position, self._velocity, self._mark - self._position]).astype(np.float32)


def reach(transitions: Transitions) -> Array:
    """
    Praise reaching the mark, and scold leaving the field.

    :param transitions: ``k`` transitions of :class:`Reach`.
    :return: float32 ``[k]``: 1, -0.5, or 0.
    """
    after = np.asarray(transitions.next_observations)
    return np.where(_is_on_mark(after), 1.0, np.where(_is_outside(after), -0.5, 0.0)).astype(np.float32)


def _is_on_mark(observations: Array) -> Array:
    return np.asarray(np.linalg.norm(observations[:, 4:], axis=1) < 0.3)


def _is_outside(observations: Array) -> Array:
    return np.asarray((np.abs(observations[:, :2]) > 1.5).any(axis=1))


def _with_rule(make: Callable[[], gym.Env[Any, Any]], rule: Rule, n_envs: int) -> VecEnv:
    return make_vec_env(lambda: SocialRewardWrapper(make(), RuleCaregiver(rule)), n_envs)


def _door_key() -> gym.Env[Any, Any]:
    env: gym.Env[Any, Any] = ImgObsWrapper(gym.make("MiniGrid-DoorKey-5x5-v0"))  # type: ignore[no-untyped-call]
    return env


_FEW: dict[str, Any] = {"gradient_steps": 500, "batch_size": 64}

TEACH_TASKS: dict[str, TeachTask] = {
    "coin game": TeachTask(
        coins,
        PRAISE,
        partial(CoinGameVecEnv, 32, n_walls=3),
        TASKS["coin game"].steps,
        TASKS["coin game"].settings,
        {**ONE_HOT, "use_next_observation": False},  # after a goal it is another map
        {**_FEW, "l1_coef": 0.006, "action_contrast": True},
    ),
    "DoorKey": TeachTask(
        door_and_goal,
        1.0,
        partial(_with_rule, _door_key, door_and_goal, 16),
        TASKS["DoorKey"].steps,
        TASKS["DoorKey"].settings,
        trainer_kwargs=_FEW,
    ),
    "reach": TeachTask(
        reach,
        1.0,
        partial(_with_rule, Reach, reach, 16),
        98_304,
        {"n_steps": 64, "batch_size": 256, "n_epochs": 4, "learning_rate": 1e-3},
        trainer_kwargs={**_FEW, "l1_coef": 0.006},
    ),
}
