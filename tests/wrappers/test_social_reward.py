"""SocialRewardWrapper: the caregiver's reward is added, and info tells which part of the reward is social."""

from fractions import Fraction
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch
from gymnasium.utils.env_checker import check_env
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.evaluation import evaluate_policy
from stable_baselines3.common.monitor import Monitor

from sb3_isr import (
    Caregiver,
    DelayedCaregiver,
    FunctionCaregiver,
    ISRRewardWrapper,
    NoisyCaregiver,
    PraiseCaregiver,
    SocialRewardWrapper,
    SparseCaregiver,
    TaskRewardCaregiver,
    Transition,
    VecISRReward,
)
from tests.scripted_env import ScriptedEnv

SCRIPT = [(-1.0, None), (2.0, None), (-0.5, None)]


def test_the_caregivers_reward_is_added_and_written_to_info() -> None:
    env = SocialRewardWrapper(ScriptedEnv(SCRIPT), FunctionCaregiver(lambda t: 10.0 if t.reward > 0 else None))
    env.reset()
    assert [env.step(0)[1] for _ in range(3)] == [-1.0, 12.0, -0.5]
    env.reset()
    assert [env.step(0)[4] for _ in range(3)] == [
        {"environment_reward": -1.0},
        {"environment_reward": 2.0, "social_reward": 10.0},
        {"environment_reward": -0.5},
    ]


def test_the_caregiver_sees_the_transition() -> None:
    seen = []
    env = SocialRewardWrapper(ScriptedEnv(SCRIPT), FunctionCaregiver(lambda t: seen.append(t)))
    env.reset()
    env.step(1)
    env.step(2)
    second = seen[1]
    assert (second.observation[1], second.action, second.reward, second.next_observation[1]) == (1.0, 2, 2.0, 2.0)
    assert (second.terminated, second.truncated) == (False, False)


def test_a_task_reward_changes_no_number() -> None:
    env = SocialRewardWrapper(ScriptedEnv(SCRIPT), TaskRewardCaregiver())
    env.reset()
    for reward, _ in SCRIPT:
        _, true_reward, _, _, info = env.step(0)
        assert true_reward == info["social_reward"] == reward


def test_an_imperfect_caregiver_takes_the_place_of_the_environments_own_praise() -> None:
    env = SocialRewardWrapper(ScriptedEnv([(-1.0, 4.0)] * 3), DelayedCaregiver(PraiseCaregiver(), 2))
    env.reset()
    steps = [env.step(0) for _ in range(3)]
    assert [step[1] for step in steps] == [-1.0, -1.0, 3.0]
    assert [step[4].get("social_reward") for step in steps] == [None, None, 4.0]


def test_a_monitor_inside_reports_the_true_return() -> None:
    """make_vec_env and RL Zoo put Monitor inside wrappers, and evaluate_policy believes it."""
    env = SocialRewardWrapper(Monitor(ScriptedEnv(SCRIPT)), FunctionCaregiver(lambda t: 10.0))
    for _ in range(2):
        env.reset()
        returns = sum(float(env.step(0)[1]) for _ in range(2))
        _, reward, _, _, info = env.step(0)
        assert info["episode"]["r"] == returns + float(reward) == 30.5


class _FirstAction:
    def predict(self, observations: object, **_: object) -> tuple[list[int], None]:
        return [0], None


def test_evaluate_policy_reports_the_true_return() -> None:
    venv = make_vec_env(
        lambda: ScriptedEnv(SCRIPT),
        wrapper_class=SocialRewardWrapper,  # type: ignore[arg-type]
        wrapper_kwargs={"caregiver": FunctionCaregiver(lambda t: 10.0)},
    )
    mean, _ = evaluate_policy(_FirstAction(), venv, n_eval_episodes=2)  # type: ignore[arg-type]
    assert mean == 30.5


def test_environments_given_the_same_caregiver_do_not_share_its_memory() -> None:
    """RL Zoo hands one keyword dictionary to all environments."""
    caregiver = DelayedCaregiver(TaskRewardCaregiver(), 1)
    with pytest.warns(UserWarning, match="remembers an episode"):
        one, other = (SocialRewardWrapper(ScriptedEnv(SCRIPT), caregiver) for _ in range(2))
    one.reset()
    other.reset()
    assert "social_reward" not in one.step(0)[4]
    assert "social_reward" not in other.step(0)[4]
    assert one.step(0)[4]["social_reward"] == -1.0


def test_the_seed_reaches_the_caregiver() -> None:
    def labelled(seed: int) -> list[bool]:
        env = SocialRewardWrapper(ScriptedEnv(SCRIPT * 10), SparseCaregiver(TaskRewardCaregiver(), 0.5))
        env.reset(seed=seed)
        return ["social_reward" in env.step(0)[4] for _ in range(30)]

    assert labelled(0) == labelled(0) != labelled(1)


class Judge(Caregiver):
    """Gives one number and then something else."""

    def __init__(self, label: Any) -> None:
        self.labels = [1.0, label]

    def social_reward(self, transition: Transition) -> Any:
        return self.labels.pop(0)


@pytest.mark.parametrize(
    ("label", "got"),
    [
        (float("nan"), "got nan of type float"),
        (float("inf"), "got inf of type float"),
        ([1.0, 2.0], r"got \[1.0, 2.0\] of type list"),
        ("praise", "got 'praise' of type str"),
        (np.ones(2), "of type ndarray"),
        (object(), "of type object"),
    ],
)
@pytest.mark.parametrize(
    "around", [lambda judge: judge, lambda judge: SparseCaregiver(NoisyCaregiver(judge, 0.1), 1.0)]
)
def test_a_label_that_is_no_number_says_whose_it_was_and_when(around: Any, label: Any, got: str) -> None:
    env = SocialRewardWrapper(ScriptedEnv(SCRIPT), around(Judge(label)))
    env.reset()
    env.step(0)
    with pytest.raises(ValueError, match=rf"finite number.*Judge object.*{got}.*at step 2 of <SocialReward"):
        env.step(0)


def test_so_does_an_environment_reward_that_is_no_number() -> None:
    class Forgets(Caregiver):
        def social_reward(self, transition: Transition) -> float:
            return 1.0

        def environment_reward(self, transition: Transition) -> Any:
            return None

    env = SocialRewardWrapper(ScriptedEnv(SCRIPT), Forgets())
    env.reset()
    with pytest.raises(ValueError, match=r"environment_reward must return .*Forgets.*got None.*at step 1 of <Social"):
        env.step(0)


@pytest.mark.parametrize(
    "label", [1, True, np.bool_(True), np.float32(1), np.ones(()), np.ones(1), [1.0], torch.ones(1), Fraction(1)]
)
def test_anything_that_is_one_number_is_a_label(label: Any) -> None:
    env = SocialRewardWrapper(ScriptedEnv(SCRIPT), lambda transition: label)
    env.reset()
    _, reward, _, _, info = env.step(0)
    assert (reward, info["social_reward"]) == (0.0, 1.0)
    assert type(reward) is type(info["social_reward"]) is float


def test_outside_of_an_isr_wrapper_it_is_refused() -> None:
    """The caregiver's reward would be added to U, also after it has left."""
    with pytest.raises(ValueError, match=r"got it outside; write ISRRewardWrapper\(SocialRewardWrapper\(env"):
        SocialRewardWrapper(Monitor(ISRRewardWrapper(ScriptedEnv(SCRIPT))), lambda transition: 1.0)


def praise(transition: Transition) -> float:
    return 1.0


def with_praise(env: Any) -> Any:
    return SocialRewardWrapper(env, praise)


def vectorized_env() -> Any:
    return make_vec_env(lambda: ScriptedEnv(SCRIPT))


@pytest.mark.parametrize(
    ("wrap", "make", "message"),
    [
        (with_praise, vectorized_env, "SocialRewardWrapper wraps one Gymnasium.*DummyVecEnv"),
        (with_praise, lambda: "CartPole-v1", "one Gymnasium environment, got 'CartPole-v1'"),
        (with_praise, lambda: ScriptedEnv, "got <class"),
        (ISRRewardWrapper, vectorized_env, "ISRRewardWrapper wraps one.*wrap a VecEnv in VecISRReward"),
        (ISRRewardWrapper, lambda: None, "got None"),
        (VecISRReward, lambda: ScriptedEnv(SCRIPT), "VecISRReward wraps a VecEnv.*Scripted.*make_vec_env"),
        (VecISRReward, lambda: vectorized_env, "VecISRReward wraps a VecEnv.*got <function"),
        (VecISRReward, lambda: gym.make_vec("CartPole-v1", 2), "VecISRReward wraps a VecEnv.*got CartPoleVector"),
    ],
)
def test_a_wrapper_around_something_else_than_an_environment_says_so(wrap: Any, make: Any, message: str) -> None:
    with pytest.raises(TypeError, match=message):
        wrap(make())


def test_check_env() -> None:
    check_env(SocialRewardWrapper(gym.make("CartPole-v1"), TaskRewardCaregiver()), skip_render_check=True)
