"""SocialRewardWrapper: the caregiver's reward is added, and info tells which part of the reward is social."""

import gymnasium as gym
import pytest
from gymnasium.utils.env_checker import check_env
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.evaluation import evaluate_policy
from stable_baselines3.common.monitor import Monitor

from sb3_isr import (
    DelayedCaregiver,
    FunctionCaregiver,
    PraiseCaregiver,
    SocialRewardWrapper,
    SparseCaregiver,
    TaskRewardCaregiver,
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


@pytest.mark.parametrize("label", [float("nan"), float("inf")])
def test_a_label_that_is_not_a_finite_number_is_refused(label: float) -> None:
    env = SocialRewardWrapper(ScriptedEnv(SCRIPT), FunctionCaregiver(lambda t: label))
    env.reset()
    with pytest.raises(ValueError, match="finite number, or None"):
        env.step(0)


def test_check_env() -> None:
    check_env(SocialRewardWrapper(gym.make("CartPole-v1"), TaskRewardCaregiver()), skip_render_check=True)
