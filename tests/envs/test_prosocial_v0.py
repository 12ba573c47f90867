"""The prosocial game for PettingZoo."""

import numpy as np
import pytest
import supersuit
from pettingzoo.test import parallel_api_test, parallel_seed_test

from sb3_isr import VecISRReward
from sb3_isr.envs.prosocial import prosocial_v0
from sb3_isr.envs.prosocial.env import ProsocialEnv
from sb3_isr.envs.prosocial.helper import helpful_action


def test_keeps_pettingzoos_contracts() -> None:
    parallel_api_test(prosocial_v0.parallel_env(), num_cycles=500)
    parallel_seed_test(prosocial_v0.parallel_env, num_cycles=50)


def test_with_the_scripted_caregiver_it_is_the_gymnasium_game() -> None:
    both, single = prosocial_v0.parallel_env(), ProsocialEnv()
    observations, _ = both.reset(seed=5)
    np.testing.assert_array_equal(observations["learner"], single.reset(seed=5)[0])
    goals = 0
    for _ in range(100):
        action = helpful_action(single.world)
        actions = {"learner": action, "caregiver": both.scripted_action()}
        observations, rewards, terminations, truncations, infos = both.step(actions)
        obs, reward, terminated, truncated, info = single.step(action)
        np.testing.assert_array_equal(observations["learner"], obs)
        assert rewards["learner"] == reward
        assert terminations == dict.fromkeys(("learner", "caregiver"), terminated)
        assert truncations == dict.fromkeys(("learner", "caregiver"), truncated)
        assert str(infos["learner"]) == str(infos["caregiver"]) == str(info)
        cost = 0.009 if actions["caregiver"] == 3 else 0.0
        assert rewards["caregiver"] == pytest.approx(info["social_reward"] - cost)
        goals += info["social_reward"] > 0
    assert goals == info["goals_reached"] > 2
    assert both.agents == []


def test_each_agent_sees_itself_in_the_center_and_the_other_in_its_colour() -> None:
    env = prosocial_v0.parallel_env()
    observations, _ = env.reset(seed=0)
    assert observations["learner"][4, 4].tolist() == [10, 0, 0, 0, 0]
    assert observations["caregiver"][4, 4].tolist() == [10, 2, 0, 0, 0]
    others = [cell.tolist() for cell in observations["caregiver"].reshape(-1, 5) if cell[0] == 10 and cell[1] == 0]
    assert len(others) == 1
    assert others[0][2] == (env.world.directions[0, 0] - env.world.directions[0, 1]) % 4


def test_a_caregiver_that_is_not_scripted_can_carry_the_ball_itself() -> None:
    env = prosocial_v0.parallel_env()
    env.reset(seed=0)
    for _ in range(30):
        env.step({"learner": 0, "caregiver": env.scripted_action()})
    observations, *_ = env.step({"learner": 0, "caregiver": 4})
    assert observations["caregiver"][4, 4].tolist() == [10, 2, 0, 6, 0]


def test_supersuits_vec_env_can_be_wrapped() -> None:
    """It cannot return attributes of its environments; `examples/two_learners.py` shows what else has to be added."""
    markov = supersuit.pettingzoo_env_to_vec_env_v1(prosocial_v0.parallel_env())
    venv = VecISRReward(supersuit.concat_vec_envs_v1(markov, 2, base_class="stable_baselines3"))
    assert isinstance(venv.reset(), np.ndarray)
    assert venv.step(np.full(4, 3))[1].tolist() == [np.float32(-0.009)] * 4
    assert venv.isr_spaces() == (venv.observation_space, venv.action_space)


def test_an_unknown_action_is_refused() -> None:
    env = prosocial_v0.parallel_env()
    env.reset(seed=0)
    with pytest.raises(ValueError, match=r"5 \(drop\), got \[0 6\]"):
        env.step({"learner": 0, "caregiver": 6})


def test_it_shows_the_same_picture_as_the_gymnasium_game() -> None:
    env, single = prosocial_v0.parallel_env(render_mode="rgb_array"), ProsocialEnv(render_mode="rgb_array")
    env.reset(seed=0)
    single.reset(seed=0)
    picture = single.render()
    assert picture is not None
    assert picture.shape == (224, 224, 3)
    np.testing.assert_array_equal(env.render(), picture)
    assert prosocial_v0.parallel_env().render() is None
