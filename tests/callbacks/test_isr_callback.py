"""ISRCallback with real algorithms, on environments whose every number is known."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch
from stable_baselines3 import DQN, SAC
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.callbacks import EvalCallback
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.evaluation import evaluate_policy
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.vec_env import DummyVecEnv, SubprocVecEnv, VecEnv

from sb3_isr import (
    InternalSocialReward,
    ISRCallback,
    ISRRewardWrapper,
    SocialRewardWrapper,
    TaskRewardCaregiver,
    VecISRReward,
)
from tests.callbacks.learners import QUICK, SCRIPTS, Watch, off_policy, ppo, scripted, weights_of
from tests.scripted_env import ScriptedEnv, scripted_vec_env


def continuous(n_envs: int) -> VecEnv:
    return make_vec_env(lambda: SocialRewardWrapper(gym.make("Pendulum-v1"), TaskRewardCaregiver()), n_envs)


def subprocesses(n_envs: int) -> VecEnv:
    return make_vec_env(lambda: ScriptedEnv(SCRIPTS[0], truncates=True), n_envs, vec_env_cls=SubprocVecEnv)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("make_env", "make_model"),
    [
        (lambda: scripted_vec_env(SCRIPTS), ppo),
        (lambda: subprocesses(2), ppo),
        (lambda: make_vec_env("sb3_isr/CoinGame-v0", 2), ppo),
        (lambda: make_vec_env("sb3_isr/CoinGame-v0", 1), lambda env: off_policy(DQN, env)),
        (lambda: continuous(1), lambda env: off_policy(SAC, env)),
    ],
    ids=["PPO", "PPO-subproc", "PPO-coin", "DQN-coin", "SAC"],
)
def test_a_caregiver_who_stays_is_training_without_the_plugin_bit_for_bit(
    make_env: Callable[[], VecEnv], make_model: Callable[[VecEnv], BaseAlgorithm]
) -> None:
    plain = make_model(make_env())
    plain.learn(128)
    socialized = make_model(VecISRReward(make_env()))
    callback = ISRCallback("always", train_every=32, **QUICK)
    socialized.learn(128, callback=callback)
    assert len(callback.store) == 128  # meanwhile it stored labels
    assert callback.internalizer.trainer.n_trainings >= 3  # and trained
    assert torch.equal(weights_of(socialized.policy), weights_of(plain.policy))
    for model in (plain, socialized):
        model.get_env().close()  # type: ignore[union-attr]


def test_the_whole_way_of_a_transition() -> None:
    """Present: the true reward. At departure the ISR is trained. Absent: R_e + R_i, and no more labels."""
    watch, callback = Watch(), ISRCallback("leave_at_0.5", **QUICK)
    ppo().learn(64, callback=[callback, watch])
    rewards = np.array(watch.rewards)
    assert rewards.shape == (32, 2)
    np.testing.assert_array_equal(rewards[:16], np.tile([-0.5, -0.5, -0.5, 1.0], 4)[:, None].repeat(2, 1))
    assert callback.store.n_added == 32
    observations = np.array([[number, step] for step in range(4) for number in range(2)], np.float32)
    outcome = observations + np.array([0, 1], np.float32), observations[:, 1] == 3
    by_action = np.stack([callback.isr.predict(observations, np.full(8, action), *outcome) for action in range(3)])
    environment_reward = np.array([-0.5, -0.5, -0.5, 0.0]).repeat(2)
    possible = (by_action + environment_reward).reshape(3, 4, 2)
    for step, reward in enumerate(rewards[16:]):
        assert (np.abs(possible[:, step % 4] - reward).min(axis=0) < 1e-6).all()


class ChangesItsMind(ScriptedEnv):
    """Its caregiver gives 1 in its first 32 steps, and -77 after that."""

    steps = 0

    def step(self, action: Any) -> Any:
        observation, _, terminated, truncated, _ = super().step(action)
        self.steps += 1
        social_reward = 1.0 if self.steps <= 32 else -77.0
        return observation, social_reward, terminated, truncated, {"social_reward": social_reward}


def test_r_i_is_learned_from_what_the_learner_did_and_not_from_rewards_in_autonomy() -> None:
    """The simulated caregiver knows the truth after it has left; nothing of it may reach the labels."""
    callback = ISRCallback(
        "leave_at_0.5", trainer_kwargs={"gradient_steps": 5}, store_kwargs={"held_out": 0.0}, train_every=8
    )
    watch = Watch()
    ppo(VecISRReward(make_vec_env(lambda: ChangesItsMind(SCRIPTS[0])))).learn(64, callback=[callback, watch])
    assert callback.store.n_added == 32
    assert (callback.store.labels().social_rewards == 1.0).all()
    assert min(reward for (reward,) in watch.rewards) > -10


def test_labels_hold_the_action_that_the_environment_was_told() -> None:
    """A replay buffer holds scaled actions; Pendulum's go from -2 to 2."""
    callback = ISRCallback("always")
    off_policy(SAC, VecISRReward(continuous(1))).learn(60, callback=callback)
    largest = np.abs(callback.store.labels().transitions.actions).max()
    assert 1.0 < largest <= 2.0


def test_no_internal_reward_is_the_environments_reward_alone() -> None:
    watch = Watch()
    ppo().learn(64, callback=[ISRCallback("never", coefficient=0.0), watch])
    np.testing.assert_array_equal(np.array(watch.rewards), np.tile([-0.5, -0.5, -0.5, 0.0], 8)[:, None].repeat(2, 1))


def test_evaluation_sees_the_true_reward_and_uses_up_no_label() -> None:
    evaluation = VecISRReward(scripted_vec_env(SCRIPTS[:1]))
    evaluate = EvalCallback(evaluation, n_eval_episodes=3, eval_freq=8, verbose=0)
    callback = ISRCallback("leave_at_0.5", **QUICK)
    ppo().learn(64, callback=[callback, evaluate])
    assert evaluate.last_mean_reward == evaluate.best_mean_reward == -0.5
    assert callback.store.n_added == 32


@pytest.mark.parametrize("presence", ["always", "leave_at_0.5"])
def test_after_training_the_training_environment_is_unconnected(presence: str) -> None:
    training = scripted()
    model = ppo(training)
    model.learn(64, callback=ISRCallback(presence, **QUICK))
    assert evaluate_policy(model, training, n_eval_episodes=3)[0] == -0.5
    training.reset()
    rewards = [training.step(np.zeros(2, int))[1].tolist() for _ in range(4)]
    assert rewards == [[-0.5, -0.5]] * 3 + [[1.0, 1.0]]
    assert training.composer.collect().labels is None


@pytest.mark.parametrize("vec_env_cls", [DummyVecEnv, SubprocVecEnv])
def test_the_gymnasium_wrapper_internalizes_too(vec_env_cls: type[VecEnv]) -> None:
    def make() -> gym.Env[Any, Any]:
        return ISRRewardWrapper(Monitor(ScriptedEnv(SCRIPTS[0])))

    watch, callback = Watch(), ISRCallback("leave_at_0.5", **QUICK)
    venv = vec_env_cls([make, make])  # type: ignore[call-arg, arg-type]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ppo(venv).learn(64, callback=[callback, watch])
    venv.close()
    rewards = np.array(watch.rewards)
    np.testing.assert_array_equal(rewards[:16], np.tile([-0.5, -0.5, -0.5, 1.0], 4)[:, None].repeat(2, 1))
    assert callback.store.n_added == 32
    observations = np.array([[0, step] for step in range(4)], np.float32)
    outcome = observations + np.array([0, 1], np.float32), observations[:, 1] == 3
    by_action = np.stack([callback.isr.predict(observations, np.full(4, action), *outcome) for action in range(3)])
    possible = by_action + np.array([-0.5, -0.5, -0.5, 0.0])
    for step, reward in enumerate(rewards[16:]):
        assert (np.abs(possible[:, step % 4, None] - reward).min(axis=0) < 1e-6).all()


class Trainings(ISRCallback):
    """Keeps the steps at which the ISR is trained."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs, **QUICK)
        self.steps: list[int] = []

    def train(self) -> Any:
        self.steps.append(self.num_timesteps)
        return super().train()


@pytest.mark.parametrize(
    ("kwargs", "steps"),
    [
        ({"presence": "leave_at_0.5"}, [64]),
        ({"presence": "leave_at_0.25", "train_every": 16}, [16, 32]),  # later there are no new labels
        ({"presence": "always"}, []),
        ({"presence": "always", "train_every": 40}, [40, 80, 120]),
        # Fading starts after step 32 and ends at step 96.
        ({"presence": "fade_0.25_0.75"}, [34, 96]),
        # Leaves at 64 and at each end of a visit: 64 + 32 and 64 + 64.
        ({"presence": "visits_0.5_0.25_0.125"}, [64, 96, 128]),
    ],
)
def test_when_the_isr_is_trained(kwargs: dict[str, Any], steps: list[int]) -> None:
    callback = Trainings(**kwargs)
    ppo().learn(128, callback=callback)
    assert callback.steps == steps


def test_one_seed_is_one_run() -> None:
    def run(seed: int) -> torch.Tensor:
        model = ppo(seed=seed)
        callback = ISRCallback("fade_0.2_0.8", train_every=16, **QUICK)
        model.learn(128, callback=callback)
        return weights_of(callback.isr, model.policy)

    assert torch.equal(run(0), run(0))
    assert not torch.equal(run(0), run(1))


def test_an_isr_trained_before_rewards_from_the_first_step(tmp_path: Path) -> None:
    env = scripted_vec_env(SCRIPTS)
    isr = InternalSocialReward(env.observation_space, env.action_space)
    isr.save(tmp_path / "isr.safetensors")
    rewards = []
    for given in (isr, tmp_path / "isr.safetensors", str(tmp_path / "isr.safetensors")):
        watch = Watch()
        ppo().learn(32, callback=[ISRCallback("never", isr=given), watch])
        rewards.append(watch.rewards)
    assert rewards[0] == rewards[1] == rewards[2]
    assert np.ptp(rewards[0]) > 0.5


def test_learning_again_continues_with_the_same_isr_and_labels() -> None:
    callback = ISRCallback("always", **QUICK)
    model = ppo()
    model.learn(64, callback=callback)
    isr, store = callback.isr, callback.store
    model.learn(64, callback=callback, reset_num_timesteps=False)
    assert callback.isr is isr
    assert callback.store is store
    assert store.n_added == 128


def test_arguments_of_trainer_and_store_reach_them_also_by_dotted_names() -> None:
    trainer_kwargs = {"gradient_steps": 3, "batch_size": 7, "optimizer_class": "torch.optim.SGD", "learning_rate": 0.5}
    isr_kwargs = {"activation_fn": "torch.nn.Tanh", "features_extractor_class": "sb3_isr.AnySpaceExtractor"}
    callback = ISRCallback(
        "always",
        isr_kwargs=isr_kwargs,
        trainer_kwargs=trainer_kwargs,
        store_kwargs={"capacity": 50, "held_out": 0.25},
        train_every=32,
    )
    ppo().learn(64, callback=callback)
    trainer, store = callback.internalizer.trainer, callback.store
    assert (trainer.gradient_steps, trainer.batch_size, trainer.n_trainings) == (3, 7, 2)
    assert isinstance(trainer.optimizer, torch.optim.SGD)
    assert trainer.optimizer.param_groups[0]["lr"] == 0.5
    assert (store.capacity, store.held_out, store.n_added, len(store)) == (50, 0.25, 64, 50)
    assert any(isinstance(module, torch.nn.Tanh) for module in callback.isr.net.modules())
    assert trainer_kwargs["optimizer_class"] == "torch.optim.SGD"  # RL Zoo shares its dictionaries
