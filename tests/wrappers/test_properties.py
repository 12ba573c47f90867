"""
What must hold for any environment, wrapper and schedule.

What environments were told is what is stored, utilities are the equation by hand, and what plain SB3 learns from is
what the plugin learns from while the caregiver stays. ``HYPOTHESIS_EXAMPLES=1000`` runs more examples.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import pytest
import torch
from gymnasium import spaces
from gymnasium.wrappers import TimeLimit
from hypothesis import HealthCheck, given, reject, settings
from hypothesis import strategies as st
from stable_baselines3 import A2C, DQN, PPO, SAC, TD3
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.vec_env import DummyVecEnv, VecEnv, VecEnvWrapper, VecMonitor, VecNormalize

from sb3_isr import ISRRewardWrapper, PraiseCaregiver, SocialRewardWrapper, VecISRReward
from sb3_isr.common.batches import Array, Observations, copy_batch
from tests.scripted_env import ScriptedEnv, Told, labels_by_hand, transitions_by_hand
from tests.wrappers.learners import Rewards, in_order, internalizing, stored, told_by, weights

slowly = settings(suppress_health_check=list(HealthCheck))
#: Training takes longer.
more_slowly = settings(slowly, max_examples=max(1, slowly.max_examples // 8))

FLAT = spaces.Box(0, 1000, (2,), np.float32)
OBSERVATION_SPACES = [
    FLAT,
    spaces.Box(0, 1000, (2, 2), np.float64),
    spaces.Box(0, 255, (5, 5, 3), np.uint8),
    spaces.Discrete(16),
    spaces.MultiDiscrete([2, 8]),
    spaces.MultiBinary(4),
    spaces.Dict({"flat": FLAT, "number": spaces.Discrete(16), "bits": spaces.MultiBinary(4)}),
]
ACTION_SPACES = [
    spaces.Discrete(3),
    spaces.MultiDiscrete([3, 2]),
    spaces.MultiBinary(3),
    spaces.Box(-1, 1, (2,), np.float32),
    spaces.Box(-5, 5, (1,), np.int64),
    spaces.Box(0, 200, (2,), np.uint8),
]
QUARTERS = st.integers(-16, 16).map(lambda n: n / 4)  # exact in float32
STEPS = st.tuples(QUARTERS, st.none() | QUARTERS)
SCRIPTS = st.lists(st.lists(STEPS, min_size=1, max_size=7), min_size=1, max_size=3)
AS_LABEL = [float, np.float32, np.float64, np.array, lambda x: np.array([x]), lambda x: [x], torch.tensor, Fraction]


class Reusing(ScriptedEnv):
    """
    May write into what it gave and took, and gives labels in any form.

    It does not write at a reset: SB3's DummyVecEnv hands over an episode's last observation without a copy.
    """

    def __init__(self, *args: Any, reuses: bool, as_label: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.reuses, self.as_label = reuses, as_label
        self.given: Any = None
        self.info: dict[str, Any] = {}

    def give(self, observation: Any) -> Any:
        if self.reuses and isinstance(observation, np.ndarray) and self.given is not None:
            self.given[...] = observation
        else:
            self.given = observation
        return self.given

    def reset(self, **kwargs: Any) -> Any:
        self.given, info = super().reset(**kwargs)
        return self.given, info

    def step(self, action: Any) -> Any:
        observation, reward, terminated, truncated, info = super().step(action)
        if "social_reward" in info:
            info["social_reward"] = self.as_label(info["social_reward"])
        if self.reuses:
            self.info.clear()
            self.info.update(info)
            info = self.info
            if isinstance(action, np.ndarray) and action.ndim:
                action[...] = 0
        return self.give(observation), reward, terminated, truncated, info


class ReusingVec(VecEnvWrapper):
    """Returns the same arrays at each step, with the newest numbers in them."""

    def reset(self) -> Any:
        observations: Any = self.venv.reset()
        self.kept: list[Any] = [copy_batch(observations)]
        return self.kept[0]

    def step_wait(self) -> Any:
        observations, rewards, dones, infos = self.venv.step_wait()
        if len(self.kept) == 1:
            self.kept += [rewards, dones, infos]
        write(self.kept[0], observations)
        write(self.kept[1], rewards)
        write(self.kept[2], dones)
        self.kept[3][:] = infos
        return tuple(self.kept)


class Scribbling(VecEnvWrapper):
    """Gives the learner copies, and writes into what it got itself."""

    def reset(self) -> Any:
        return self.scribbled(self.venv.reset())

    def step_wait(self) -> Any:
        observations, rewards, dones, infos = self.venv.step_wait()
        copies = rewards.copy(), dones.copy()
        rewards[:] = 99
        dones[:] = True
        return self.scribbled(observations), *copies, infos

    def scribbled(self, observations: Any) -> Any:
        copies = copy_batch(observations)
        write(observations, 1)
        return copies


def write(into: Any, values: Any) -> None:
    if isinstance(into, dict):
        for key, array in into.items():
            array[...] = values[key] if isinstance(values, dict) else values
    else:
        into[...] = values


@st.composite
def stacks(draw: st.DrawFn) -> tuple[VecEnv, VecEnv]:
    """The same environments and wrappers, with one or the other ISR wrapper and without."""
    scripts, observation_space = draw(SCRIPTS), draw(st.sampled_from(OBSERVATION_SPACES))
    action_space = draw(st.sampled_from(ACTION_SPACES))
    reuses, as_label, truncates = draw(st.booleans()), draw(st.sampled_from(AS_LABEL)), draw(st.booleans())
    inside = draw(st.permutations([Monitor, "praise", "limit"]))[: draw(st.integers(0, 3))]
    one_by_one, reuses_vec, monitored = draw(st.booleans()), draw(st.booleans()), draw(st.booleans())
    outside = draw(st.sampled_from(["nothing", "scribbling", "normalized"]))

    def make_env(number: int, has_isr: bool) -> Any:
        env: Any = Reusing(
            scripts[number],
            number % 2,
            action_space,
            truncates,
            observation_space,
            reuses=reuses,
            as_label=as_label,
        )
        for wrapper in inside:
            if wrapper == "praise":
                env = SocialRewardWrapper(env, PraiseCaregiver())
            else:
                env = TimeLimit(env, 5) if wrapper == "limit" else Monitor(env)
        return ISRRewardWrapper(env) if has_isr and one_by_one else env

    def make(has_isr: bool) -> VecEnv:
        venv: VecEnv = DummyVecEnv([lambda n=n: make_env(n, has_isr) for n in range(len(scripts))])  # type: ignore[misc]
        venv = ReusingVec(venv) if reuses_vec else venv
        venv = VecMonitor(venv) if monitored else venv
        venv = VecISRReward(venv) if has_isr and not one_by_one else venv
        if outside == "normalized":
            return VecNormalize(venv, norm_obs=observation_space == FLAT, norm_reward=False)
        return Scribbling(venv) if outside == "scribbling" else venv

    return make(True), make(False)


def composers(venv: VecEnv) -> list[Any]:
    while isinstance(venv, VecEnvWrapper):
        if isinstance(venv, VecISRReward):
            return [venv.composer]
        venv = venv.venv
    assert isinstance(venv, DummyVecEnv)
    return [env.get_wrapper_attr("_composer") for env in venv.envs]


def internal_reward(
    observations: Observations, actions: Array, next_observations: Observations, terminated: Array
) -> Array:
    """R_i that depends on all numbers of a transition."""
    seen = [part.values() if isinstance(part, dict) else [part] for part in (observations, next_observations)]
    parts = [*seen[0], *seen[1], actions, terminated]
    columns = [np.reshape(part, (len(actions), -1)).astype(float) for part in parts]
    together = np.concatenate(columns, axis=1)
    return together @ (1 + np.arange(together.shape[1])) / 64


def of_one(t: Told) -> float:
    return float(internal_reward(*transitions_by_hand([t]))[0])


@slowly
@given(
    stacks(), st.lists(st.sampled_from([0.0, 0.3, 0.7, 1.0]), min_size=2, max_size=30), st.integers(0, 9), st.booleans()
)
def test_told_is_stored_and_utilities_are_the_equation_by_hand(
    envs: tuple[VecEnv, VecEnv], probabilities: list[float], seed: int, is_weighted: bool
) -> None:
    venv, coefficient = envs[0], 0.5 if is_weighted else 1.0
    venv.action_space.seed(seed)
    venv.reset()
    all_composers = composers(venv)
    rngs = np.random.default_rng(seed).spawn(venv.num_envs)
    for i, composer in enumerate(all_composers):
        own = rngs if len(all_composers) == 1 else rngs[i : i + 1]
        composer.connect(internal_reward, probabilities[0], coefficient, own, keeps_unattended=True)
    utilities, present = [], []
    for probability in probabilities:
        for composer in all_composers:
            composer.update(internal_reward, probability, coefficient)
        actions = np.array([venv.action_space.sample() for _ in range(venv.num_envs)])
        if isinstance(venv.action_space, spaces.Box):
            actions = actions - np.float32(0.25)  # SB3 tells fractions to a Box of integers
        utilities.append(venv.step(actions)[1].copy())
        present.append(np.concatenate([composer.attendance.present.copy() for composer in all_composers]))

    told = [list(of_env) for of_env in venv.get_attr("told")]
    by_hand, sums = np.zeros((len(utilities), venv.num_envs)), np.zeros(4)
    attended: list[Told] = []
    missed: list[Told] = []
    for i, of_env in enumerate(told):
        for step, t in enumerate(of_env):
            p, r_s, r_i = present[step][i], t.social_reward or 0.0, coefficient * of_one(t)
            by_hand[step, i] = t.environment_reward + (r_s if p else r_i)
            sums += (by_hand[step, i], t.environment_reward, r_s, 0.0 if p else r_i)
            (attended if p else missed).append(t)
    np.testing.assert_allclose(utilities, by_hand, rtol=1e-6, atol=1e-5)
    records = [composer.collect() for composer in all_composers]
    given_labels = [label for record in records if record.labels for label in in_order(record.labels)]
    expected = in_order(labels_by_hand(attended)) if any(t.social_reward is not None for t in attended) else []
    assert sorted(given_labels) == expected
    assert sum(len(record.unattended) for record in records if record.unattended) == len(missed)
    together = np.array([record.statistics[1:5] for record in records]).sum(axis=0)
    np.testing.assert_allclose(together, sums, rtol=1e-5, atol=1e-4)


ALGORITHMS: dict[type[spaces.Space[Any]], list[Any]] = {
    spaces.Discrete: [PPO, A2C, DQN],
    spaces.Box: [PPO, A2C, SAC, TD3],
    spaces.MultiDiscrete: [PPO, A2C],
    spaces.MultiBinary: [PPO, A2C],
}


@more_slowly
@given(stacks(), st.data())
@pytest.mark.filterwarnings("ignore")
def test_where_plain_sb3_trains_the_plugin_trains_and_a_caregiver_who_stays_changes_nothing(
    envs: tuple[VecEnv, VecEnv], data: st.DataObject
) -> None:
    algorithm = data.draw(st.sampled_from(ALGORITHMS[type(envs[0].action_space)]))
    on_policy = algorithm in (PPO, A2C)
    kwargs: dict[str, Any] = {"n_steps": 12} if on_policy else {"buffer_size": 200, "learning_starts": 4}
    kwargs |= {PPO: {"n_epochs": 1, "batch_size": 12}, A2C: {}}.get(algorithm, {"batch_size": 8})
    policy = "MultiInputPolicy" if isinstance(envs[0].observation_space, spaces.Dict) else "MlpPolicy"

    def learned(venv: VecEnv, *callbacks: Any) -> tuple[Any, Any]:
        rewards = Rewards()
        model = algorithm(policy, venv, policy_kwargs={"net_arch": [4]}, seed=0, device="cpu", **kwargs)
        model.learn(24 * venv.num_envs, callback=[rewards, *callbacks])
        return model, (np.array(rewards.steps).tolist(), weights(model.policy))

    try:
        _, expected = learned(envs[1])
    except Exception:  # small images under VecNormalize, for example
        reject()
    callback = internalizing("always")
    model, got = learned(envs[0], callback)
    assert got == expected
    labelled = [t for of_env in told_by(model) for t in of_env if t.social_reward is not None]
    assert callback.store.n_added == len(labelled)
    assert not labelled or stored(callback) == in_order(labels_by_hand(labelled))
