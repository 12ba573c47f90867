"""VecISRReward, the ISR wrapper for vectorized environments."""

from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium import spaces
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.vec_env import SubprocVecEnv, VecNormalize

from sb3_isr import InternalSocialReward, ISRRewardWrapper, VecISRReward
from sb3_isr.common.batches import Array
from tests.scripted_env import ScriptedEnv, scripted_vec_env
from tests.wrappers.connected import SCRIPTS, internal_reward


class IntEnv(ScriptedEnv):
    """Rewards are ints, as MiniGrid's may be."""

    def __init__(self) -> None:
        super().__init__([(0, 1)] * 4)


@pytest.mark.parametrize("start_method", ["fork", "forkserver"])
def test_int_rewards_from_subprocesses_take_fractions(start_method: str) -> None:
    """SubprocVecEnv's rewards are int64 where every environment returns ints, and fractions written there vanish."""
    venv = VecISRReward(SubprocVecEnv([IntEnv, IntEnv], start_method=start_method))
    try:
        venv.reset()
        venv.composer.connect(lambda *transitions: np.array([0.25, 0.75]), 0.0)
        rewards = venv.step(np.array([0, 0]))[1]
        np.testing.assert_array_equal(rewards, [0.25, 0.75])
        rewards[0] += 0.5  # as PPO does at a timeout
        assert rewards[0] == 0.75
    finally:
        venv.close()


def test_an_isr_of_its_own_is_connected_for_good() -> None:
    venv = scripted_vec_env(SCRIPTS)
    isr = InternalSocialReward(venv.observation_space, venv.action_space)
    wrapped = VecISRReward(venv, isr=isr)
    transitions = np.array([[0, 0], [1, 0]]), np.array([1, 2]), np.array([[0, 1], [1, 1]]), np.zeros(2, bool)
    expected = isr.predict(*transitions) + np.array([-0.25, 0.5])
    wrapped.reset()
    np.testing.assert_allclose(wrapped.step(np.array([1, 2]))[1], expected, rtol=1e-6)
    with pytest.raises(ValueError, match=r"ISRCallback\(presence=\.\.\., isr=isr\)"):
        wrapped.composer.connect(internal_reward, 1.0)

    env = ISRRewardWrapper(ScriptedEnv(SCRIPTS[0]), isr=isr)
    env.reset()
    assert env.step(1)[1] == pytest.approx(expected[0], rel=1e-6)


def test_an_isr_of_other_spaces_is_refused() -> None:
    venv = scripted_vec_env(SCRIPTS)
    isr = InternalSocialReward(venv.observation_space, spaces.Discrete(9))
    with pytest.raises(ValueError, match=r"Discrete\(9\), got"):
        VecISRReward(venv, isr=isr)
    with pytest.raises(ValueError, match=r"Discrete\(9\), got"):
        ISRRewardWrapper(ScriptedEnv(SCRIPTS[0]), isr=isr)


def test_outside_vec_normalize_it_is_refused() -> None:
    """Off-policy algorithms would store VecNormalize's reward and silently drop the internal one."""
    with pytest.raises(ValueError, match=r"VecNormalize\(VecISRReward\(venv\)\)"):
        VecISRReward(VecNormalize(scripted_vec_env(SCRIPTS)))


class DictEnv(gym.ObservationWrapper[Any, Any, Any]):
    """Shows only the step, in a dictionary."""

    def __init__(self) -> None:
        super().__init__(ScriptedEnv(SCRIPTS[0]))
        self.observation_space = spaces.Dict({"step": spaces.Discrete(10)})

    def observation(self, observation: Any) -> Any:
        return {"step": int(observation[1])}


def test_dict_observations() -> None:
    def of_step(observations: Any, actions: Array, next_observations: Any, terminated: Array) -> Array:
        return np.asarray(observations["step"] + 10 * next_observations["step"] + 100 * terminated)

    venv, env = VecISRReward(make_vec_env(DictEnv, n_envs=2)), ISRRewardWrapper(DictEnv())
    venv.reset()
    env.reset()
    venv.composer.connect(of_step, 0.0)
    env.isr_connect(of_step, 0.0, 1.0, np.random.default_rng(0), False)
    for step in (0, 1):
        expected = -0.25 + step + 10 * (step + 1) + 100 * (step == 1)
        assert venv.step(np.array([0, 0]))[1].tolist() == [expected] * 2
        assert env.step(0)[1] == expected


def test_action_masks_are_still_reachable() -> None:
    class Masked(ScriptedEnv):
        def action_masks(self) -> list[bool]:
            return [True, False, True]

    for venv in (
        VecISRReward(make_vec_env(lambda: Masked(SCRIPTS[0]), n_envs=1)),
        make_vec_env(lambda: ISRRewardWrapper(Masked(SCRIPTS[0])), n_envs=1),
    ):
        assert venv.env_method("action_masks") == [[True, False, True]]
