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
from gymnasium import spaces
from stable_baselines3 import DQN, PPO, SAC, HerReplayBuffer
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.callbacks import BaseCallback, EvalCallback
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.evaluation import evaluate_policy
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.vec_env import DummyVecEnv, SubprocVecEnv, VecEnv, VecMonitor, VecNormalize

from sb3_isr import (
    InternalSocialReward,
    ISRCallback,
    ISRRewardWrapper,
    SocialRewardWrapper,
    TaskRewardCaregiver,
    VecISRReward,
)
from tests.scripted_env import ScriptedEnv, scripted_vec_env

#: Two environments whose caregiver praises the last of four steps.
SCRIPTS: list[list[tuple[float, float | None]]] = [[(-0.5, 0.0), (-0.5, 0.0), (-0.5, 0.0), (0.0, 1.0)]] * 2
UNLABELLED: list[list[tuple[float, float | None]]] = [[(-0.5, None)] * 4] * 2
QUICK: dict[str, Any] = {"gradient_steps": 5, "isr_kwargs": {"net_arch": (4,)}}


def ppo(env: VecEnv | gym.Env[Any, Any], **kwargs: Any) -> PPO:
    kwargs = {"n_steps": 16, "batch_size": 32, "n_epochs": 1, "seed": 0, "device": "cpu", **kwargs}
    return PPO("MlpPolicy", env, policy_kwargs={"net_arch": [4]}, **kwargs)


def off_policy(cls: type[BaseAlgorithm], env: VecEnv) -> BaseAlgorithm:
    kwargs: dict[str, Any] = {"learning_starts": 20, "batch_size": 8, "policy_kwargs": {"net_arch": [4]}}
    return cls("MlpPolicy", env, seed=0, device="cpu", **kwargs)


class Watch(BaseCallback):
    """Keeps the learner's rewards, and what was logged."""

    def __init__(self) -> None:
        super().__init__()
        self.rewards: list[list[float]] = []
        self.logged: list[dict[str, float]] = []

    def _on_step(self) -> bool:
        self.rewards.append(self.locals["rewards"].tolist())
        return True

    def _on_rollout_end(self) -> None:
        self.logged.append(dict(self.logger.name_to_value))


def weights_of(model: BaseAlgorithm) -> torch.Tensor:
    return torch.cat([p.detach().flatten() for p in model.policy.parameters()])


def continuous(n_envs: int) -> VecEnv:
    return make_vec_env(lambda: SocialRewardWrapper(gym.make("Pendulum-v1"), TaskRewardCaregiver()), n_envs)


def subprocesses(n_envs: int) -> VecEnv:
    return make_vec_env(lambda: ScriptedEnv(SCRIPTS[0], truncates=True), n_envs, vec_env_cls=SubprocVecEnv)


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
    assert len(callback.store) == 128  # it was not idle meanwhile: it stored, and trained
    assert torch.equal(weights_of(socialized), weights_of(plain))
    for model in (plain, socialized):
        model.get_env().close()  # type: ignore[union-attr]


def test_the_whole_way_of_a_transition() -> None:
    """Present: the true reward. At departure the ISR is trained. Absent: R_e + R_i, and no label more."""
    watch, callback = Watch(), ISRCallback("leave_at_0.5", **QUICK)
    model = ppo(VecISRReward(scripted_vec_env(SCRIPTS)))
    model.learn(64, callback=[callback, watch])
    rewards = np.array(watch.rewards)
    assert rewards.shape == (32, 2)
    np.testing.assert_array_equal(rewards[:16], np.tile([-0.5, -0.5, -0.5, 1.0], 4)[:, None].repeat(2, 1))
    assert callback.store.n_added == 32
    observations = np.array([[number, step] for step in range(4) for number in range(2)], np.float32)
    by_action = np.stack([callback.isr.predict(observations, np.full(8, action)) for action in range(3)])
    environment_reward = np.array([-0.5, -0.5, -0.5, 0.0]).repeat(2)
    possible = (by_action + environment_reward).reshape(3, 4, 2)
    for step, reward in enumerate(rewards[16:]):
        assert (np.abs(possible[:, step % 4] - reward).min(axis=0) < 1e-6).all()


def test_r_i_is_learned_from_what_the_learner_did_and_not_from_what_is_said_in_autonomy() -> None:
    """The simulated caregiver knows the truth after it has left; nothing of it may reach the labels."""

    class ChangesItsMind(ScriptedEnv):
        steps = 0

        def step(self, action: Any) -> Any:
            observation, _, terminated, truncated, _ = super().step(action)
            self.steps += 1
            social_reward = 1.0 if self.steps <= 32 else -77.0
            return observation, social_reward, terminated, truncated, {"social_reward": social_reward}

    callback = ISRCallback("leave_at_0.5", train_every=8, held_out=0.0, gradient_steps=5)
    model = ppo(VecISRReward(make_vec_env(lambda: ChangesItsMind(SCRIPTS[0]))))
    watch = Watch()
    model.learn(64, callback=[callback, watch])
    assert callback.store.n_added == 32
    assert (callback.store.sample(1000).social_rewards == 1.0).all()
    assert min(reward for (reward,) in watch.rewards) > -10


def test_labels_hold_the_action_that_the_environment_was_told() -> None:
    """A replay buffer holds scaled actions; Pendulum's go from -2 to 2."""
    callback = ISRCallback("always")
    model = off_policy(SAC, VecISRReward(continuous(1)))
    model.learn(60, callback=callback)
    stored = np.abs(callback.store.sample(1000).actions)
    assert 1.0 < stored.max() <= 2.0


def test_no_internal_reward_is_the_environments_reward_alone() -> None:
    watch = Watch()
    model = ppo(VecISRReward(scripted_vec_env(SCRIPTS)))
    model.learn(64, callback=[ISRCallback("never", coefficient=0.0), watch])
    np.testing.assert_array_equal(np.array(watch.rewards), np.tile([-0.5, -0.5, -0.5, 0.0], 8)[:, None].repeat(2, 1))


def test_what_is_logged() -> None:
    watch, callback = Watch(), ISRCallback("leave_at_0.5", **QUICK)
    model = ppo(VecISRReward(scripted_vec_env(SCRIPTS)))
    model.learn(64, callback=[callback, watch])
    present, absent = watch.logged
    assert present["isr/presence"] == 1.0
    assert present["isr/utility"] == present["isr/environment_reward"] + present["isr/social_reward"] == -0.125
    assert "isr/internal_reward" not in present
    assert absent["isr/presence"] == 0.0
    assert absent["isr/environment_reward"] == -0.375
    assert absent["isr/utility"] == pytest.approx(-0.375 + absent["isr/internal_reward"], abs=1e-6)
    assert present["isr/social_return"] == absent["isr/social_return"] == 1.0  # the truth, also in autonomy
    assert present["isr/labels"] == absent["isr/labels"] == 32
    assert present["isr/held_out_mse"] > 0
    # The Monitor inside reports the true return, 3 * -0.5 + 1, and SB3 logs it as rollout/ep_rew_mean.
    assert {episode["r"] for episode in model.ep_info_buffer} == {-0.5}  # type: ignore[union-attr]


def test_evaluation_sees_the_true_reward_and_uses_up_no_label() -> None:
    evaluation = VecISRReward(scripted_vec_env(SCRIPTS[:1]))
    evaluate = EvalCallback(evaluation, n_eval_episodes=3, eval_freq=8, verbose=0)
    callback = ISRCallback("leave_at_0.5", **QUICK)
    training = VecISRReward(scripted_vec_env(SCRIPTS))
    model = ppo(training)
    model.learn(64, callback=[callback, evaluate])
    assert evaluate.last_mean_reward == evaluate.best_mean_reward == -0.5
    assert callback.store.n_added == 32


@pytest.mark.parametrize("presence", ["always", "leave_at_0.5"])
def test_after_training_the_training_environment_changes_nothing_either(presence: str) -> None:
    training = VecISRReward(scripted_vec_env(SCRIPTS))
    model = ppo(training)
    model.learn(64, callback=ISRCallback(presence, **QUICK))
    assert evaluate_policy(model, training, n_eval_episodes=3)[0] == -0.5
    training.reset()
    rewards = [training.step(np.zeros(2, int))[1].tolist() for _ in range(4)]
    assert rewards == [[-0.5, -0.5]] * 3 + [[1.0, 1.0]]
    assert training.isr_call("take_labels") is None


@pytest.mark.parametrize("vec_env_cls", [DummyVecEnv, SubprocVecEnv])
def test_the_gymnasium_wrapper_internalizes_too(vec_env_cls: type[VecEnv]) -> None:
    def make() -> gym.Env[Any, Any]:
        return ISRRewardWrapper(Monitor(ScriptedEnv(SCRIPTS[0])))

    watch, callback = Watch(), ISRCallback("leave_at_0.5", **QUICK)
    venv = vec_env_cls([make, make])  # type: ignore[call-arg, arg-type]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model = ppo(venv)
        model.learn(64, callback=[callback, watch])
    venv.close()
    rewards = np.array(watch.rewards)
    np.testing.assert_array_equal(rewards[:16], np.tile([-0.5, -0.5, -0.5, 1.0], 4)[:, None].repeat(2, 1))
    assert callback.store.n_added == 32
    observations = np.array([[0, step] for step in range(4)], np.float32)
    by_action = np.stack([callback.isr.predict(observations, np.full(4, action)) for action in range(3)])
    possible = by_action + [-0.5, -0.5, -0.5, 0.0]  # noqa: RUF005
    for step, reward in enumerate(rewards[16:]):
        assert (np.abs(possible[:, step % 4, None] - reward).min(axis=0) < 1e-6).all()


class Trainings(ISRCallback):
    """Notes when the ISR is trained."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs, **QUICK)
        self.at: list[int] = []

    def train(self) -> Any:
        self.at.append(self.num_timesteps)
        return super().train()


@pytest.mark.parametrize(
    ("kwargs", "at"),
    [
        ({"presence": "leave_at_0.5"}, [64]),
        ({"presence": "leave_at_0.25", "train_every": 16}, [16, 32]),  # later there is nothing new
        ({"presence": "always"}, []),
        ({"presence": "always", "train_every": 40}, [40, 80, 120]),
        # Fading starts after step 32 and ends at step 96.
        ({"presence": "fade_0.25_0.75"}, [34, 96]),
        # Leaves at 64 and at each end of a visit: 64 + 32 and 64 + 64.
        ({"presence": "visits_0.5_0.25_0.125"}, [64, 96, 128]),
    ],
)
def test_when_the_isr_is_trained(kwargs: dict[str, Any], at: list[int]) -> None:
    callback = Trainings(**kwargs)
    ppo(VecISRReward(scripted_vec_env(SCRIPTS))).learn(128, callback=callback)
    assert callback.at == at


def test_one_seed_is_one_run() -> None:
    def run(seed: int) -> torch.Tensor:
        model = ppo(VecISRReward(scripted_vec_env(SCRIPTS)), seed=seed)
        callback = ISRCallback("fade_0.2_0.8", train_every=16, **QUICK)
        model.learn(128, callback=callback)
        return torch.cat([p.detach().flatten() for p in (*callback.isr.parameters(), *model.policy.parameters())])

    assert torch.equal(run(0), run(0))
    assert not torch.equal(run(0), run(1))


def test_an_isr_trained_before_serves_from_the_first_step(tmp_path: Path) -> None:
    env = scripted_vec_env(SCRIPTS)
    isr = InternalSocialReward(env.observation_space, env.action_space)
    isr.save(tmp_path / "isr.safetensors")
    rewards = []
    for given in (isr, tmp_path / "isr.safetensors", str(tmp_path / "isr.safetensors")):
        watch = Watch()
        ppo(VecISRReward(scripted_vec_env(SCRIPTS))).learn(32, callback=[ISRCallback("never", isr=given), watch])
        rewards.append(watch.rewards)
    assert rewards[0] == rewards[1] == rewards[2]
    assert np.ptp(rewards[0]) > 0.5


def test_learning_again_goes_on_with_the_same_isr_and_labels() -> None:
    callback = ISRCallback("always", **QUICK)
    model = ppo(VecISRReward(scripted_vec_env(SCRIPTS)))
    model.learn(64, callback=callback)
    isr, store = callback.isr, callback.store
    model.learn(64, callback=callback, reset_num_timesteps=False)
    assert callback.isr is isr
    assert callback.store is store
    assert store.n_added == 128


# --- bad input: rule, value met, remedy, before time is lost


def learn(env: VecEnv | gym.Env[Any, Any], callback: ISRCallback) -> None:
    ppo(env).learn(64, callback=callback)


def test_an_environment_without_a_wrapper_is_refused() -> None:
    with pytest.raises(ValueError, match=r"needs a training environment with an ISR wrapper.*VecISRReward\(venv\)"):
        learn(scripted_vec_env(SCRIPTS), ISRCallback())


def test_two_wrappers_are_refused() -> None:
    venv = VecISRReward(make_vec_env(lambda: ISRRewardWrapper(ScriptedEnv(SCRIPTS[0]))))
    with pytest.raises(ValueError, match="one ISR wrapper"):
        learn(venv, ISRCallback())


@pytest.mark.parametrize("presence", ["never", "leave_at_0.0"])
def test_departure_before_any_label_is_refused_at_once(presence: str) -> None:
    watch = Watch()
    model = ppo(VecISRReward(scripted_vec_env(SCRIPTS)))
    with pytest.raises(ValueError, match=r"must give labels before it leaves.*step 0.*ISRCallback\(isr=\.\.\.\)"):
        model.learn(64, callback=[ISRCallback(presence), watch])
    assert watch.rewards == []


def test_a_caregiver_who_never_says_anything_is_warned_of_early_and_refused_at_departure() -> None:
    model = ppo(VecISRReward(scripted_vec_env(UNLABELLED)))
    with (
        pytest.warns(UserWarning, match='no info had the key "social_reward"') as seen,
        pytest.raises(ValueError, match="there is none and it leaves at step 64"),
    ):
        model.learn(128, callback=ISRCallback())
    assert len([w for w in seen if "social_reward" in str(w.message)]) == 1


def test_an_isr_of_other_spaces_is_refused() -> None:
    env = scripted_vec_env(SCRIPTS)
    isr = InternalSocialReward(env.observation_space, spaces.Discrete(7))
    with pytest.raises(ValueError, match=r"Discrete\(7\), got"):
        learn(VecISRReward(env), ISRCallback("never", isr=isr))


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"presence": "leave_at_2"}, r"\[0, 1\], got 2\.0"),
        ({"presence": "on_sundays"}, "got 'on_sundays'"),
        ({"train_every": 0}, "1 or more, got 0"),
        ({"coefficient": float("nan")}, "finite, got nan"),
        ({"isr": "isr.safetensors", "isr_kwargs": {"net_arch": [4]}}, "leave one of them out"),
    ],
)
def test_bad_arguments_are_refused_when_the_callback_is_made(kwargs: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ISRCallback(**kwargs)


def test_a_schedule_that_returns_no_probability_is_refused_at_once() -> None:
    with pytest.raises(ValueError, match=r"in \[0, 1\].*returned 2\.0"):
        learn(VecISRReward(scripted_vec_env(SCRIPTS)), ISRCallback(lambda progress_remaining: 2.0))


def test_hindsight_replay_is_refused() -> None:
    class Goals(gym.Env[Any, Any]):
        observation_space = spaces.Dict(
            {key: spaces.Box(-1, 1, (1,)) for key in ("observation", "achieved_goal", "desired_goal")}
        )
        action_space = spaces.Box(-1, 1, (1,))

        def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
            super().reset(seed=seed)
            return self.observation_space.sample(), {}

        def compute_reward(self, achieved_goal: Any, desired_goal: Any, info: Any) -> Any:
            return np.zeros(len(achieved_goal))

    model = SAC("MultiInputPolicy", VecISRReward(make_vec_env(Goals)), replay_buffer_class=HerReplayBuffer)
    with pytest.raises(ValueError, match="HerReplayBuffer asks the environment for rewards anew"):
        model.learn(10, callback=ISRCallback())


@pytest.mark.parametrize(
    ("make_env", "message"),
    [
        (lambda: VecNormalize(VecISRReward(scripted_vec_env(SCRIPTS))), "norm_reward=False"),
        (lambda: VecMonitor(VecISRReward(scripted_vec_env(SCRIPTS))), r"VecISRReward\(VecMonitor\(venv\)\)"),
        (lambda: ISRRewardWrapper(ScriptedEnv(SCRIPTS[0])), r"ISRRewardWrapper\(Monitor\(env\)\)"),
    ],
)
def test_wrappers_that_would_mislead_are_warned_of(make_env: Callable[[], Any], message: str) -> None:
    with pytest.warns(UserWarning, match=message):
        learn(make_env(), ISRCallback("always"))


def test_normalized_observations_outside_are_fine() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        learn(VecNormalize(VecISRReward(scripted_vec_env(SCRIPTS)), norm_reward=False), ISRCallback(**QUICK))
