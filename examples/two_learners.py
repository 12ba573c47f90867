"""
Two learners in one PettingZoo world, each with its own ISR, after nobody praises them any more.

SuperSuit turns a parallel environment into an SB3 ``VecEnv``, in which each agent has a row in each world. A learner
takes the rows of one agent; in the other rows the other agent's policy acts. They learn in turns: first with praise,
which trains their ISRs, then with their internal rewards.

    python examples/two_learners.py
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

import gymnasium as gym
import numpy as np
import supersuit
import torch
from stable_baselines3 import PPO
from stable_baselines3.common.vec_env import VecEnv, VecEnvWrapper, VecMonitor
from stable_baselines3.common.vec_env.base_vec_env import VecEnvObs, VecEnvStepReturn

from sb3_isr import GridOneHot, ISRCallback, VecISRReward
from sb3_isr.envs.prosocial import prosocial_v0

Space = gym.Space[Any]
Policy = Callable[[np.ndarray], np.ndarray]

#: Which codes matter in the game's five channels: wall and ball; the other agent and its direction; what it and oneself
#: carry; the goal.
CODES = [[2, 6], [2], [1, 2, 3], [6], [1]]
NETWORK: dict[str, Any] = {
    "features_extractor_class": GridOneHot,
    "features_extractor_kwargs": {"codes": CODES},
    "normalize_images": False,
}


class OneAgent(VecEnvWrapper):
    """
    The rows of one agent.

    It adds what SuperSuit lacks and SB3 needs: seeding, and which episodes were truncated.

    :param venv: SuperSuit's, of a parallel environment whose episodes end by truncation.
    :param isr_action_space: The environment's attribute, which SuperSuit does not pass on.
    :param agent: The agent's index in ``possible_agents``.
    :param policies: The policy of each agent, from observations to actions; the agent's own is not used.
    """

    def __init__(self, venv: VecEnv, isr_action_space: Space, agent: int, policies: list[Policy]) -> None:
        super().__init__(venv)
        self.isr_action_space = isr_action_space
        self.num_envs = venv.num_envs // len(policies)
        self.policies = policies
        self.rows = [slice(i, None, len(policies)) for i in range(len(policies))]
        self.agent = agent
        self.seed_of_reset: int | None = None

    def seed(self, seed: int | None = None) -> list[int | None]:
        """Seed the next reset: without it all copies of the world would be the same, since SuperSuit pickles one."""
        self.seed_of_reset = seed
        return [seed] * self.num_envs

    def reset(self) -> VecEnvObs:
        """Reset all worlds."""
        self.observations, _ = self.venv.venv.reset(seed=self.seed_of_reset)  # type: ignore[attr-defined]
        self.seed_of_reset = None
        return self.observations[self.rows[self.agent]]  # type: ignore[no-any-return]

    def step_async(self, actions: np.ndarray) -> None:
        """Tell the worlds to step; the other agents act, too."""
        actions_of_all = np.empty(self.venv.num_envs, dtype=int)
        for agent, (rows, policy) in enumerate(zip(self.rows, self.policies, strict=True)):
            actions_of_all[rows] = actions if agent == self.agent else policy(self.observations[rows])
        self.venv.step_async(actions_of_all)

    def step_wait(self) -> VecEnvStepReturn:
        """Wait for the step."""
        observations, rewards, dones, infos = self.venv.step_wait()
        assert isinstance(observations, np.ndarray)
        self.observations = observations
        mine = self.rows[self.agent]
        for info, done in zip(infos[mine], dones[mine], strict=True):
            info["TimeLimit.truncated"] = bool(done)
        return observations[mine], rewards[mine], dones[mine].astype(bool), infos[mine]


def worlds(agent: int, policies: list[Policy], n_worlds: int) -> VecEnv:
    """Make worlds in which one of the agents learns."""
    world = prosocial_v0.parallel_env()
    venv = supersuit.concat_vec_envs_v1(
        supersuit.pettingzoo_env_to_vec_env_v1(world), n_worlds, base_class="stable_baselines3"
    )
    return VecISRReward(VecMonitor(OneAgent(venv, world.isr_action_space, agent, policies)))


def make_learners(n_worlds: int) -> list[PPO]:
    """Make a learner for each agent; in its worlds the other agent acts by the policy of its own learner."""
    learners: list[PPO] = []
    policies: list[Policy] = [lambda obs: learners[0].predict(obs)[0], lambda obs: learners[1].predict(obs)[0]]
    for agent in range(len(policies)):
        venv = worlds(agent, policies, n_worlds)
        learners.append(PPO("MlpPolicy", venv, n_steps=64, policy_kwargs=NETWORK, seed=agent, device="cpu"))
    return learners


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=20, help="turns of each learner, with praise and then without")
    parser.add_argument("--steps", type=int, default=8192, help="environment steps in a turn")
    parser.add_argument("--worlds", type=int, default=16, help="worlds that step together")
    arguments = parser.parse_args()
    torch.set_num_threads(1)

    learners = make_learners(arguments.worlds)
    callbacks = [ISRCallback("always", isr_kwargs=NETWORK) for _ in learners]
    take_turns("praised", learners, callbacks, arguments.rounds, arguments.steps)
    for callback in callbacks:
        callback.train()
    alone = [ISRCallback("never", isr=callback.isr) for callback in callbacks]
    take_turns("unpraised", learners, alone, arguments.rounds, arguments.steps)


def take_turns(name: str, learners: list[PPO], callbacks: list[ISRCallback], rounds: int, steps: int) -> None:
    """Train all learners in turns; each acts in the worlds of the others by the policy it has so far."""
    for number in range(1, rounds + 1):
        for learner, callback in zip(learners, callbacks, strict=True):
            learner.learn(steps, callback=callback, reset_num_timesteps=False)
        returns = [np.mean([episode["r"] for episode in learner.ep_info_buffer or ()]) for learner in learners]
        print(f"{name}, round {number}: true returns", *(f"{r:.2f}" for r in returns), flush=True)


if __name__ == "__main__":
    main()
