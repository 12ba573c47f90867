"""Steps in which the learner did nothing are neither rewarded by the ISR nor labelled."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium import spaces
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from gymnasium.wrappers import Autoreset
from stable_baselines3 import PPO
from stable_baselines3.common.vec_env import VecCheckNan, VecEnv

from sb3_isr import ISRRewardWrapper, VecISRReward
from sb3_isr.common.batches import Array
from tests.scripted_env import Script, ScriptedEnv
from tests.wrappers.connected import constant
from tests.wrappers.learners import internalizing, tiny

SCRIPT: Script = [(-0.25, 1.0), (-0.25, 1.0)]


class NextStep(VecEnv):
    """Gymnasium's vectorized environments as they are: the step after an end is a reset, and its action is ignored."""

    def __init__(self, mode: AutoresetMode) -> None:
        self.gym_envs = SyncVectorEnv([lambda: ScriptedEnv(SCRIPT)] * 2, autoreset_mode=mode)
        super().__init__(2, self.gym_envs.single_observation_space, self.gym_envs.single_action_space)
        self.metadata = self.gym_envs.metadata

    def reset(self) -> Any:
        return self.gym_envs.reset()[0]

    def step_async(self, actions: Array) -> None:
        self.actions = actions

    def step_wait(self) -> Any:
        observations, rewards, terminated, truncated, given = self.gym_envs.step(self.actions)
        given = given.get("final_info", given)
        has_label = given.get("_social_reward", [False] * 2)
        infos = [{"social_reward": float(given["social_reward"][i])} if has_label[i] else {} for i in range(2)]
        return observations, rewards, terminated | truncated, infos

    def close(self) -> None:
        self.gym_envs.close()

    def get_attr(self, attr_name: str, indices: Any = None) -> list[Any]:
        return [getattr(env, attr_name) for env in self.gym_envs.envs]

    def set_attr(self, *args: Any, **kwargs: Any) -> None:
        raise NotImplementedError

    env_method = env_is_wrapped = set_attr  # type: ignore[assignment]


def test_nothing_is_paid_for_the_step_of_an_automatic_reset() -> None:
    venv = VecISRReward(VecCheckNan(NextStep(AutoresetMode.NEXT_STEP)))
    venv.reset()
    venv.composer.connect(constant(10.0), 0.0)
    utilities = [venv.step(np.zeros(2, int))[1].tolist() for _ in range(6)]
    assert utilities == [[9.75] * 2, [9.75] * 2, [0.0] * 2] * 2
    assert venv.composer.last_internal_rewards.tolist() == pytest.approx([np.nan] * 2, nan_ok=True)
    venv.reset()
    assert venv.step(np.zeros(2, int))[1].tolist() == [9.75] * 2


def test_nor_is_it_kept_for_queries_or_as_a_label() -> None:
    for probability in (0.0, 1.0):
        venv = VecISRReward(NextStep(AutoresetMode.NEXT_STEP))
        venv.reset()
        venv.composer.connect(constant(10.0), probability, keeps_unattended=True)
        for _ in range(6):
            venv.step(np.zeros(2, int))
        labels, unattended, _ = venv.composer.collect()
        assert len(unattended or ()) == (8 if probability == 0.0 else 0)
        assert (0 if labels is None else len(labels.social_rewards)) == (0 if probability == 0.0 else 8)


def test_environments_that_reset_in_the_same_step_have_no_such_step() -> None:
    venv = VecISRReward(NextStep(AutoresetMode.SAME_STEP))
    venv.reset()
    venv.composer.connect(constant(10.0), 0.0)
    assert [venv.step(np.zeros(2, int))[1][0] > 5 for _ in range(6)] == [True] * 6


def test_gymnasiums_autoreset_around_one_environment() -> None:
    env = ISRRewardWrapper(Autoreset(ScriptedEnv(SCRIPT)))
    env.reset()
    env.isr_connect(constant(10.0), 0.0, 1.0, np.random.default_rng(0), False)
    assert [env.step(0)[1] for _ in range(6)] == [9.75, 9.75, 0.0] * 2
    env.reset()
    assert [env.step(0)[1] for _ in range(2)] == [9.75, 9.75]
    env.reset()
    assert env.step(0)[1] == 9.75


def dying_agents() -> VecEnv:
    """Two agents in SuperSuit, of which the second dies after its second of four steps."""
    supersuit = pytest.importorskip("supersuit")
    from pettingzoo import ParallelEnv

    class Dying(ParallelEnv):  # type: ignore[misc]
        metadata: dict[str, Any] = {"name": "dying"}  # noqa: RUF012
        render_mode = None
        possible_agents = ["long", "short"]  # noqa: RUF012

        def observation_space(self, agent: str) -> gym.Space[Any]:
            return spaces.Box(0, 9, (1,), np.float32)

        def action_space(self, agent: str) -> gym.Space[Any]:
            return spaces.Discrete(2)

        def reset(self, seed: Any = None, options: Any = None) -> Any:
            self.agents, self.time = list(self.possible_agents), 1
            return {agent: np.ones(1, np.float32) for agent in self.agents}, {agent: {} for agent in self.agents}

        def step(self, actions: dict[str, Any]) -> Any:
            self.time += 1
            ends = {agent: self.time > (4 if agent == "long" else 2) for agent in self.agents}
            result = (
                {agent: np.full(1, self.time, np.float32) for agent in self.agents},
                dict.fromkeys(self.agents, 1.0),
                ends,
                ends,
                {agent: {"social_reward": 1.0} for agent in self.agents},
            )
            self.agents = [agent for agent in self.agents if not ends[agent]]
            return result

    vec_env = supersuit.pettingzoo_env_to_vec_env_v1(supersuit.black_death_v3(Dying()))
    return supersuit.concat_vec_envs_v1(vec_env, 1, base_class="stable_baselines3")  # type: ignore[no-any-return]


def test_nothing_is_paid_for_an_agent_that_has_died() -> None:
    venv = VecISRReward(dying_agents())
    venv.reset()
    venv.composer.connect(constant(10.0), 0.0)
    utilities = [venv.step(np.zeros(2, int))[1].tolist() for _ in range(8)]
    assert utilities == [[10.0, 10.0], [10.0, 10.0], [10.0, 0.0], [10.0, 0.0]] * 2


def test_a_learner_among_dying_agents_learns() -> None:
    callback = internalizing("leave_at_0.5")
    tiny(PPO, VecISRReward(dying_agents()), seed=None).learn(48, callback=callback)
    assert callback.store.n_added == 12 + 6
