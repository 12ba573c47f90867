"""
The promise "any VecEnv": in whatever process environments live, whatever is wrapped around them, however the learner
keeps its rewards, and in however many pieces it learns.
"""

from __future__ import annotations

import copy
import multiprocessing
from collections.abc import Callable, Sequence
from contextlib import closing
from functools import cache, partial
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from gymnasium import spaces
from stable_baselines3 import DQN, PPO, SAC
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.callbacks import BaseCallback, EvalCallback, StopTrainingOnMaxEpisodes
from stable_baselines3.common.running_mean_std import RunningMeanStd
from stable_baselines3.common.vec_env import (
    DummyVecEnv,
    SubprocVecEnv,
    VecEnv,
    VecFrameStack,
    VecMonitor,
    VecNormalize,
    VecTransposeImage,
)

from sb3_isr import (
    FunctionCaregiver,
    InternalSocialReward,
    ISRCallback,
    ISRRewardWrapper,
    SocialRewardWrapper,
    VecISRReward,
)
from sb3_isr.common.spaces import Array
from sb3_isr.labels.store import LabelBatch
from sb3_isr.wrappers.composer import InternalReward
from tests.scripted_env import (
    Script,
    ScriptedEnv,
    Told,
    labels_by_hand,
    scripted_vec_env,
    utilities_by_hand,
)

# Sixty-four processes that each import torch take minutes; forked from one that has it they take seconds.
multiprocessing.set_forkserver_preload(["stable_baselines3"])

#: Two environments with episodes of three and of four steps, each with a step that nothing is said about.
SCRIPTS: list[Script] = [
    [(-0.5, 0.0), (0.25, 1.0), (0.0, None)],
    [(-0.25, 0.5), (0.5, None), (0.0, -2.0), (0.25, 0.0)],
]
#: One environment that is told something at each of four steps.
FOUR: list[Script] = [[(-0.5, 0.0), (0.25, 1.0), (0.5, -1.0), (0.0, 0.5)]]
IMAGE = spaces.Box(0, 255, (36, 36, 3), np.uint8)
PARTS = spaces.Dict({"numbers": spaces.MultiDiscrete([2, 8]), "bits": spaces.MultiBinary(4)})
THRUST = spaces.Box(np.array([-0.5, 0.0], np.float32), np.array([0.25, 8.0], np.float32))

Make = Callable[..., VecEnv]
SPAWN = partial(SubprocVecEnv, start_method="spawn")
FORKSERVER = partial(SubprocVecEnv, start_method="forkserver")


def vectorized(scripts: Sequence[Script], inside: Callable[[VecEnv], VecEnv] | None = None, **kwargs: Any) -> VecEnv:
    """VecISRReward around all environments."""
    venv = scripted_vec_env(scripts, **kwargs)
    return VecISRReward(inside(venv) if inside else venv)


def one_by_one(scripts: Sequence[Script], **kwargs: Any) -> VecEnv:
    """ISRRewardWrapper around each environment, in its own process."""
    return scripted_vec_env(scripts, wrapper=ISRRewardWrapper, **kwargs)


either_wrapper = pytest.mark.parametrize("make", [vectorized, one_by_one])
HERE_OR_FORKED = [
    pytest.param(vectorized, DummyVecEnv, id="vectorized-dummy"),
    pytest.param(vectorized, FORKSERVER, id="vectorized-forkserver"),
    pytest.param(one_by_one, DummyVecEnv, id="one_by_one-dummy"),
    pytest.param(one_by_one, FORKSERVER, id="one_by_one-forkserver"),
]
SPAWNED = [
    pytest.param(vectorized, SPAWN, id="vectorized-spawn", marks=pytest.mark.slow),
    pytest.param(one_by_one, SPAWN, id="one_by_one-spawn", marks=pytest.mark.slow),
]
here_or_forked = pytest.mark.parametrize(("make", "vec_env_cls"), HERE_OR_FORKED)
in_any_process = pytest.mark.parametrize(("make", "vec_env_cls"), HERE_OR_FORKED + SPAWNED)


def tiny(algorithm: type[BaseAlgorithm], env: VecEnv, **kwargs: Any) -> BaseAlgorithm:
    """A learner whose networks have eight units."""
    policy_kwargs: dict[str, Any] = {"net_arch": [8]}
    policy = "MlpPolicy"
    if isinstance(env.observation_space, spaces.Dict):
        policy = "MultiInputPolicy"
    elif env.observation_space.dtype == np.uint8:
        policy, policy_kwargs["features_extractor_kwargs"] = "CnnPolicy", {"features_dim": 8}
    if algorithm is PPO:
        kwargs = {"n_steps": 12, "batch_size": 12, "n_epochs": 1, **kwargs}
    else:
        kwargs = {"buffer_size": 200, "learning_starts": 10, "batch_size": 8, "train_freq": 1, **kwargs}
    return algorithm(policy, env, policy_kwargs=policy_kwargs, seed=0, device="cpu", **kwargs)


def internalizing(presence: Any = "leave_at_0.5", learning_rate: float = 1e-2, **kwargs: Any) -> ISRCallback:
    """A callback whose ISR is tiny too; at a learning rate of 0 its R_i are the same from first to last."""
    if "isr" not in kwargs:
        kwargs["isr_kwargs"] = {"net_arch": (16,), "learning_rate": learning_rate, "limit_to_labels": "no"}
    return ISRCallback(presence, held_out=0.0, gradient_steps=5, **kwargs)


class Rewards(BaseCallback):
    """Keeps what comes out of the training environment, and what PPO's buffer is filled with."""

    def __init__(self) -> None:
        super().__init__()
        self.steps: list[Array] = []
        self.rollouts: list[Array] = []

    def _on_step(self) -> bool:
        self.steps.append(self.locals["rewards"].copy())
        return True

    def _on_rollout_end(self) -> None:
        if isinstance(self.model, PPO):
            self.rollouts.append(self.model.rollout_buffer.rewards.copy())

    def learned_from(self) -> Array:
        """`[steps, n_envs]`"""
        if isinstance(self.model, PPO):
            return np.concatenate(self.rollouts)
        rewards: Array = self.model.replay_buffer.rewards[: len(self.steps)]  # type: ignore[attr-defined]
        return rewards


def told_by(model: BaseAlgorithm) -> list[list[Told]]:
    """For each environment, what it was told."""
    env = model.get_env()
    assert env is not None
    return [list(told) for told in env.get_attr("told")]


def stored(callback: ISRCallback) -> list[Any]:
    """All labels ever given."""
    assert callback.store.n_added == len(callback.store)
    return in_order(callback.store._at(np.arange(len(callback.store))))


def in_order(labels: LabelBatch) -> list[Any]:
    """Labels as a sorted list: from several processes they come one process after the other."""
    observations, actions, social_rewards = labels
    parts = [observations[key] for key in sorted(observations)] if isinstance(observations, dict) else [observations]
    columns = [np.reshape(part, (len(social_rewards), -1)) for part in (*parts, actions, social_rewards)]
    return sorted(np.concatenate(columns, axis=1).tolist())


def weights(module: torch.nn.Module) -> list[float]:
    flat: list[float] = torch.nn.utils.parameters_to_vector(module.parameters()).tolist()
    return flat


# --- processes


class Run(NamedTuple):
    """What must not depend on where environments live."""

    utilities: list[list[float]]
    labels: list[Any]
    policy: list[float]
    isr: list[float]


def run(n_envs: int, make: Make, vec_env_cls: Any) -> Run:
    """PPO, with a caregiver who attends ever fewer episodes."""
    with closing(make((SCRIPTS * n_envs)[:n_envs], vec_env_cls=vec_env_cls)) as venv:
        # Of many environments the other wrapper gives labels in another order, which would train another ISR.
        learning_rate = 1e-2 if n_envs == 1 else 0.0
        callback = internalizing("fade_0.2_0.8", learning_rate, train_every=7 * n_envs)
        rewards, model = Rewards(), tiny(PPO, venv)
        model.learn(36 * n_envs, callback=[callback, rewards])
        if learning_rate == 0.0:
            check_episodes_by_hand(np.array(rewards.steps), told_by(model), callback)
        return Run(np.array(rewards.steps).tolist(), stored(callback), weights(model.policy), weights(callback.isr))


def check_episodes_by_hand(utilities: Array, told: list[list[Told]], callback: ISRCallback) -> None:
    """A caregiver attends whole episodes, and what it says in these is all that is stored."""
    attended: list[Told] = []
    for i, of_one in enumerate(told):
        if_present, if_absent = (utilities_by_hand(of_one, [p] * 36, callback.isr.predict) for p in (True, False))
        present = np.isclose(utilities[:, i], if_present, atol=1e-6)
        np.testing.assert_array_equal(np.isclose(utilities[:, i], if_absent, atol=1e-6), ~present)
        goes_on = np.array([t.step > 0 for t in of_one])
        np.testing.assert_array_equal(present[goes_on], np.roll(present, 1)[goes_on])
        attended += [t for t, here in zip(of_one, present, strict=True) if here]
    assert 0 < len(attended) < utilities.size
    assert stored(callback) == in_order(labels_by_hand(attended))


@cache
def reference(n_envs: int) -> Run:
    return run(n_envs, vectorized, DummyVecEnv)


def check_against_reference(run: Run, reference: Run) -> None:
    assert run.labels == reference.labels
    # DummyVecEnv's rewards are float32, SubprocVecEnv's are what environments return.
    for name in ("utilities", "policy", "isr"):
        np.testing.assert_allclose(getattr(run, name), getattr(reference, name), atol=1e-5)


@in_any_process
def test_one_environment_in_any_process_and_either_wrapper_is_one_run(make: Make, vec_env_cls: Any) -> None:
    check_against_reference(run(1, make, vec_env_cls), reference(1))


@pytest.mark.slow
@here_or_forked
def test_sixty_four_environments_in_any_process_and_either_wrapper_are_one_run(make: Make, vec_env_cls: Any) -> None:
    check_against_reference(run(64, make, vec_env_cls), reference(64))


class Values(BaseCallback):
    """Keeps what PPO thinks of the two observations after the last of three steps, before it learns from a rollout."""

    def __init__(self) -> None:
        super().__init__()
        self.values: list[Array] = []

    def _on_step(self) -> bool:
        return True

    @torch.no_grad()
    def _on_rollout_end(self) -> None:
        seen_last = torch.tensor([[0.0, 3.0], [1.0, 3.0]])
        self.values.append(self.model.policy.predict_values(seen_last).numpy().ravel())  # type: ignore[operator]


@in_any_process
def test_timeouts_are_bootstrapped_with_fractions_although_rewards_are_ints(make: Make, vec_env_cls: Any) -> None:
    """PPO adds gamma * V(last observation) in place, and from subprocesses rewards are int64."""
    ints: list[Script] = [[(-1, 1), (0, 2), (1, 0)]] * 2
    with closing(make(ints, vec_env_cls=vec_env_cls, truncates=True)) as venv:
        callback, rewards, values = internalizing(), Rewards(), Values()
        model = tiny(PPO, venv, gamma=0.5)
        model.learn(48, callback=[callback, rewards, values])
        for i, told in enumerate(told_by(model)):
            utilities = utilities_by_hand(told, [True] * 12 + [False] * 12, callback.isr.predict)
            np.testing.assert_allclose(np.array(rewards.steps)[:, i], utilities, atol=1e-6)
            utilities[2:12:3] += 0.5 * values.values[0][i]  # the ends of four episodes in each rollout
            utilities[14::3] += 0.5 * values.values[1][i]
            np.testing.assert_allclose(rewards.learned_from()[:, i], utilities, atol=1e-6)


class Rewrites(ScriptedEnv):
    """Writes into the arrays that it gave and took. SB3 copies both, so with SB3 such environments work."""

    def reset(self, **kwargs: Any) -> Any:
        self.given, info = super().reset(**kwargs)
        return self.given, info

    def step(self, action: Any) -> Any:
        observation, *others = super().step(action)
        action[:] = 0.0
        self.given[:] = observation
        return self.given, *others


@either_wrapper
def test_an_environment_that_rewrites_its_arrays_does_not_rewrite_labels(make: Make) -> None:
    callback, rewards = internalizing(), Rewards()
    model = tiny(SAC, make(SCRIPTS, env_cls=Rewrites, action_space=THRUST))
    model.learn(48, callback=[callback, rewards])
    check_by_hand(rewards.learned_from(), told_by(model), callback)


def test_an_environment_that_rewrites_its_arrays_does_not_rewrite_what_a_caregiver_sees() -> None:
    caregiver = FunctionCaregiver(lambda t: float(t.observation[1] + 10 * t.action[0]))
    env = SocialRewardWrapper(Rewrites(SCRIPTS[0], action_space=THRUST), caregiver)
    env.reset()
    said = [env.step(np.array([0.25, 8.0]))[4]["social_reward"] for _ in range(3)]
    assert said == [2.5, 3.5, 4.5]


# --- wrappers around wrappers


def check_by_hand(utilities: Array, told: list[list[Told]], callback: ISRCallback) -> None:
    """The caregiver left both environments after 12 of 24 steps, of which it had spoken at 8 and at 9."""
    assert utilities.shape == (24, 2)
    for i in range(2):
        by_hand = utilities_by_hand(told[i], [True] * 12 + [False] * 12, callback.isr.predict)
        np.testing.assert_allclose(utilities[:, i], by_hand, atol=1e-5)
    assert callback.store.n_added == 8 + 9
    assert stored(callback) == in_order(labels_by_hand(told[0][:12] + told[1][:12]))


@either_wrapper
@pytest.mark.parametrize("algorithm", [PPO, DQN])
@pytest.mark.parametrize(
    ("outside", "observation_space"),
    [
        (lambda venv: VecNormalize(venv, norm_reward=False), None),
        (lambda venv: VecFrameStack(venv, 2), None),
        (VecTransposeImage, IMAGE),
        (lambda venv: venv, IMAGE),  # SB3 adds VecTransposeImage
        (lambda venv: VecNormalize(VecTransposeImage(VecFrameStack(venv, 2)), True, False, False), IMAGE),
    ],
    ids=["normalized", "stacked", "transposed", "transposed by SB3", "all"],
)
def test_wrappers_outside_change_what_the_learner_sees_and_neither_utilities_nor_labels(
    make: Make, algorithm: type[BaseAlgorithm], outside: Callable[[VecEnv], VecEnv], observation_space: Any
) -> None:
    callback, rewards = internalizing(), Rewards()
    model = tiny(algorithm, outside(make(SCRIPTS, observation_space=observation_space)))
    model.learn(48, callback=[callback, rewards])
    check_by_hand(rewards.learned_from(), told_by(model), callback)


def stacked(told: list[Told]) -> list[Told]:
    """As seen through VecFrameStack: before an episode's first observation there is nothing."""
    previous = [np.zeros(2) if t.step == 0 else told[i - 1].observation for i, t in enumerate(told)]
    return [t._replace(observation=np.append(before, t.observation)) for before, t in zip(previous, told, strict=True)]


def transposed(told: list[Told]) -> list[Told]:
    """As seen through VecTransposeImage."""
    return [t._replace(observation=t.observation.transpose(2, 0, 1)) for t in told]


@pytest.mark.filterwarnings("ignore:The environment is already wrapped with a `Monitor`")
@pytest.mark.parametrize("algorithm", [PPO, DQN])
@pytest.mark.parametrize(
    ("inside", "observation_space", "seen"),
    [
        (VecMonitor, None, lambda told: told),
        (lambda venv: VecFrameStack(venv, 2), None, stacked),
        (VecTransposeImage, IMAGE, transposed),
    ],
    ids=["monitored", "stacked", "transposed"],
)
def test_with_wrappers_inside_the_isr_sees_what_they_show(
    algorithm: type[BaseAlgorithm], inside: Any, observation_space: Any, seen: Callable[[list[Told]], list[Told]]
) -> None:
    callback, rewards = internalizing(), Rewards()
    model = tiny(algorithm, vectorized(SCRIPTS, inside, observation_space=observation_space))
    model.learn(48, callback=[callback, rewards])
    check_by_hand(rewards.learned_from(), [seen(told) for told in told_by(model)], callback)


def normalized(utilities: Array, told: list[list[Told]]) -> Array:
    """As VecNormalize has it: over the spread of the discounted returns so far."""
    spread, returns, normalized = RunningMeanStd(shape=()), np.zeros(2), np.zeros_like(utilities)
    for step, rewards in enumerate(utilities):
        returns = 0.99 * returns + rewards
        spread.update(returns)
        normalized[step] = np.clip(rewards / np.sqrt(spread.var + 1e-8), -10, 10)
        returns[[of_one[step].step == len(script) - 1 for of_one, script in zip(told, SCRIPTS, strict=True)]] = 0.0
    return normalized


@either_wrapper
@pytest.mark.parametrize("algorithm", [PPO, DQN])
def test_normalized_rewards_are_utilities_and_what_is_stored_off_policy_is_not_normalized(
    make: Make, algorithm: type[BaseAlgorithm]
) -> None:
    callback, rewards = internalizing(), Rewards()
    model = tiny(algorithm, VecNormalize(make(SCRIPTS), norm_reward=True))
    with pytest.warns(UserWarning, match="norm_reward=False"):
        model.learn(48, callback=[callback, rewards])
    told = told_by(model)
    present = [True] * 12 + [False] * 12
    utilities = np.stack([utilities_by_hand(of_one, present, callback.isr.predict) for of_one in told], axis=1)
    np.testing.assert_allclose(rewards.steps, normalized(utilities, told), atol=1e-5)
    np.testing.assert_allclose(
        rewards.learned_from(), utilities if algorithm is DQN else normalized(utilities, told), atol=1e-5
    )
    assert stored(callback) == in_order(labels_by_hand(told[0][:12] + told[1][:12]))


@either_wrapper
def test_evaluation_under_vec_normalize_sees_the_true_reward_and_what_training_knows(make: Make) -> None:
    """SB3 walks through both stacks together, so the same wrappers must be in both."""
    evaluation = VecNormalize(make(SCRIPTS), training=False, norm_reward=False)
    evaluate = EvalCallback(evaluation, n_eval_episodes=2, eval_freq=20, verbose=0)
    callback, training = internalizing(), VecNormalize(make(SCRIPTS), norm_reward=False)
    tiny(PPO, training).learn(48, callback=[callback, evaluate])
    assert evaluate.last_mean_reward == (0.75 - 1.0) / 2  # the true returns, after the caregiver has left
    assert isinstance(evaluation.obs_rms, RunningMeanStd)
    assert round(evaluation.obs_rms.count) == 2 + 40  # the reset, and what training had seen by then
    assert callback.store.n_added == 8 + 9


# --- replay buffers


def n_step_returns(utilities: Array, told: Sequence[Told], n_steps: int) -> list[float]:
    """From each step on, as far as n steps, the episode and the data go, each worth half as much as the one before."""
    returns = []
    for i in range(len(utilities)):
        same_episode = [k for k in range(n_steps) if i + k < len(told) and told[i + k].step == told[i].step + k]
        returns.append(sum(0.5**k * utilities[i + k] for k in same_episode))
    return returns


@either_wrapper
@pytest.mark.parametrize("buffer_size", [50, 20])
@pytest.mark.parametrize(
    ("algorithm", "kwargs", "spaces_of"),
    [
        (DQN, {}, {}),
        (DQN, {"n_steps": 3}, {}),
        (DQN, {"optimize_memory_usage": True, "replay_buffer_kwargs": {"handle_timeout_termination": False}}, {}),
        (DQN, {}, {"observation_space": PARTS}),
        (SAC, {"n_steps": 3}, {"action_space": THRUST}),
        (SAC, {}, {"observation_space": PARTS, "action_space": THRUST}),
    ],
    ids=["DQN", "DQN-3-steps", "DQN-less-memory", "DQN-dict", "SAC-3-steps", "SAC-dict"],
)
def test_rewards_that_are_sampled_from_a_replay_buffer(
    make: Make, buffer_size: int, algorithm: type[BaseAlgorithm], kwargs: dict[str, Any], spaces_of: dict[str, Any]
) -> None:
    """Of 50 steps it holds all, or the last 20: it has wrapped around twice. The caregiver leaves after 40."""
    callback = internalizing("leave_at_0.8")
    model: Any = tiny(algorithm, make(FOUR, **spaces_of), buffer_size=buffer_size, gamma=0.5, **kwargs)
    model.learn(50, callback=callback)
    (told,) = told_by(model)
    utilities = utilities_by_hand(told, [True] * 40 + [False] * 10, callback.isr.predict)
    times = np.arange(50)[-buffer_size:]
    sampled = model.replay_buffer._get_samples(times % buffer_size).rewards.numpy().ravel()
    by_hand = n_step_returns(utilities[times], [told[time] for time in times], kwargs.get("n_steps", 1))
    np.testing.assert_allclose(sampled, by_hand, atol=1e-5)
    assert stored(callback) == in_order(labels_by_hand(told[:40]))


# --- staying and coming back


@either_wrapper
@pytest.mark.parametrize("algorithm", [PPO, DQN])
def test_learning_in_pieces_is_learning_at_one_go(make: Make, algorithm: type[BaseAlgorithm]) -> None:
    """Each piece ends in mid-episode. A caregiver attends every other episode or so, whatever the progress."""

    def learn(pieces: list[int]) -> tuple[Any, ...]:
        venv = make(SCRIPTS)
        isr = InternalSocialReward(venv.observation_space, venv.action_space, net_arch=(16,))
        callback, rewards = internalizing(lambda progress_remaining: 0.5, isr=isr, train_every=22), Rewards()
        constant = {} if algorithm is PPO else {"exploration_initial_eps": 0.3, "exploration_final_eps": 0.3}
        model = tiny(algorithm, venv, **({"n_steps": 4, "batch_size": 8} if algorithm is PPO else constant))
        for i, steps in enumerate(pieces):
            model.learn(steps, callback=[callback, rewards], reset_num_timesteps=i == 0)
        return np.array(rewards.steps).tolist(), stored(callback), weights(model.policy), weights(isr)

    at_one_go = learn([96])
    assert learn([40, 40, 16]) == at_one_go
    assert 0 < len(at_one_go[1]) < 96


@here_or_forked
def test_presence_goes_on_in_mid_episode_from_one_piece_to_the_next(make: Make, vec_env_cls: Any) -> None:
    with closing(make(FOUR, vec_env_cls=vec_env_cls)) as venv:
        callback, rewards = internalizing("leave_at_0.7", learning_rate=0.0), Rewards()
        model = tiny(DQN, venv)
        # It leaves after 7 of 10 steps, and stays for the episode's last one: the third episode starts without it.
        model.learn(10, callback=[callback, rewards])
        # Now 10 of 20 steps are over, so it is back, but not in the third episode; it leaves after 14 and stays to 16.
        model.learn(10, callback=[callback, rewards], reset_num_timesteps=False)
        (told,) = told_by(model)
    present = [True] * 8 + [False] * 4 + [True] * 4 + [False] * 4
    by_hand = utilities_by_hand(told, present, callback.isr.predict)
    np.testing.assert_allclose(np.ravel(rewards.steps), by_hand, atol=1e-6)
    assert stored(callback) == in_order(labels_by_hand(told[:8] + told[12:16]))


@here_or_forked
def test_training_that_is_stopped_in_mid_rollout_keeps_all_labels(make: Make, vec_env_cls: Any) -> None:
    with closing(make(FOUR, vec_env_cls=vec_env_cls)) as venv:
        callback, model = internalizing("always"), tiny(PPO, venv)
        model.learn(96, callback=[callback, StopTrainingOnMaxEpisodes(4)])
        (told,) = told_by(model)
    assert len(told) == 16  # four steps into the second rollout of twelve
    assert stored(callback) == in_order(labels_by_hand(told))


@here_or_forked
@pytest.mark.parametrize(("reset_num_timesteps", "present"), [(False, 0), (True, 12)])
def test_another_environment_between_two_pieces(
    make: Make, vec_env_cls: Any, reset_num_timesteps: bool, present: int
) -> None:
    """The caregiver left after 12 steps of 24: it is still gone, or comes with a clock that starts anew."""
    mirrored: list[Script] = [[(-e, None if s is None else -s) for e, s in script] for script in FOUR]
    with (
        closing(make(FOUR, vec_env_cls=vec_env_cls)) as first,
        closing(make(mirrored, vec_env_cls=vec_env_cls)) as other,
    ):
        callback, rewards = internalizing(learning_rate=0.0), Rewards()
        model = tiny(DQN, first)
        model.learn(24, callback=[callback, rewards])
        told_first = told_by(model)[0]
        model.set_env(other)
        model.learn(24, callback=[callback, rewards], reset_num_timesteps=reset_num_timesteps)
        told_other = told_by(model)[0]
        first.reset()
        left_alone = [first.step(np.array([0]))[1].item() for _ in range(4)]
    here = [True] * 12 + [False] * 12 + [True] * present + [False] * (24 - present)
    by_hand = utilities_by_hand(told_first + told_other, here, callback.isr.predict)
    np.testing.assert_allclose(rewards.learned_from().ravel(), by_hand, atol=1e-6)
    assert stored(callback) == in_order(labels_by_hand(told_first[:12] + told_other[:present]))
    assert left_alone == [-0.5, 1.25, -0.5, 0.5]  # nothing is connected to the first one any more


@cache
def draws_over_two_environments(make: Make, vec_env_cls: Any) -> Array:
    """Utilities of 32 steps in each; the caregiver attends every other episode or so."""
    with closing(make(FOUR, vec_env_cls=vec_env_cls)) as first, closing(make(FOUR, vec_env_cls=vec_env_cls)) as other:
        isr = InternalSocialReward(first.observation_space, first.action_space, net_arch=(16,))
        callback, rewards = internalizing(lambda progress_remaining: 0.5, isr=isr), Rewards()
        model = tiny(DQN, first)
        model.learn(32, callback=[callback, rewards])
        model.set_env(other)
        model.learn(32, callback=[callback, rewards], reset_num_timesteps=False)
    return np.array(rewards.steps)


@here_or_forked
def test_presence_is_not_drawn_anew_in_another_environment(make: Make, vec_env_cls: Any) -> None:
    """In a subprocess the generators go on there; what was drawn must be known here when the next one needs it."""
    expected = draws_over_two_environments(vectorized, DummyVecEnv)
    np.testing.assert_allclose(draws_over_two_environments(make, vec_env_cls), expected, atol=1e-6)
    assert not np.array_equal(expected[:32], expected[32:])


class Trainings(ISRCallback):
    """Keeps the ISR as it was after each training."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.trained: list[InternalReward] = []
        self.at: list[int] = []

    def train(self) -> Any:
        metrics = super().train()
        self.trained.append(copy.deepcopy(self.isr).predict)
        self.at.append(self.num_timesteps)
        return metrics


@here_or_forked
def test_a_caregiver_who_returns_teaches_anew_and_the_isr_is_trained_at_each_departure(
    make: Make, vec_env_cls: Any
) -> None:
    """Of 64 steps it is there for 32, gone for 8, back for 8, gone for 8, back for 8."""
    isr_kwargs = {"net_arch": (16,), "learning_rate": 1e-2}
    callback = Trainings("visits_0.5_0.25_0.125", held_out=0.0, gradient_steps=5, isr_kwargs=isr_kwargs)
    with closing(make(FOUR, vec_env_cls=vec_env_cls)) as venv:
        rewards, model = Rewards(), tiny(DQN, venv)
        model.learn(64, callback=[callback, rewards])
        (told,) = told_by(model)
    assert callback.at == [32, 48, 64]
    present = [True] * 32 + [False] * 8 + [True] * 8 + [False] * 8 + [True] * 8
    first, second = (utilities_by_hand(told, present, isr) for isr in callback.trained[:2])
    np.testing.assert_allclose(np.ravel(rewards.steps), [*first[:48], *second[48:]], atol=1e-6)
    assert np.abs(first - second)[48:56].min() > 1e-3  # it had learned more
    assert stored(callback) == in_order(labels_by_hand([t for t, here in zip(told, present, strict=True) if here]))
