"""Both ISR wrappers, without a callback: what they compose, what they keep, and what they leave alone."""

from collections.abc import Callable
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium import spaces
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.vec_env import DummyVecEnv, SubprocVecEnv, VecEnv, VecNormalize

from sb3_isr import InternalSocialReward, ISRRewardWrapper, VecISRReward
from sb3_isr.common.spaces import Array, Observations
from tests.scripted_env import ScriptedEnv, scripted_vec_env

#: R_e and R_s of two environments' episodes; the second one is labelled only sometimes.
SCRIPTS: list[list[tuple[float, float | None]]] = [
    [(-0.25, 0.0), (-0.25, 1.0)],
    [(0.5, None), (0.0, -2.0), (0.25, None)],
]


def internal_reward(observations: Observations, actions: Array) -> Array:
    """R_i that tells which observation and action it was asked about: 100 number + 10 step + action."""
    assert isinstance(observations, np.ndarray)
    return np.asarray(100 * observations[:, 0] + 10 * observations[:, 1] + actions)


def composed(probability: float, coefficient: float = 1.0, steps: int = 3) -> tuple[VecISRReward, np.ndarray[Any, Any]]:
    """Utilities of `steps` steps with action 1 in the first environment and 2 in the second."""
    venv = VecISRReward(scripted_vec_env(SCRIPTS))
    venv.reset()
    venv.isr_call("connect", internal_reward, probability, coefficient)
    return venv, np.stack([venv.step(np.array([1, 2]))[1] for _ in range(steps)])


def test_utility_while_the_caregiver_is_present() -> None:
    _, utilities = composed(probability=1.0)
    np.testing.assert_array_equal(utilities, [[-0.25, 0.5], [0.75, -2.0], [-0.25, 0.25]])


def test_utility_while_the_caregiver_is_absent() -> None:
    # R_e + R_i; the first environment's episode has two steps, so its third step is asked about step 0 again.
    _, utilities = composed(probability=0.0)
    np.testing.assert_array_equal(utilities, [[-0.25 + 1, 0.5 + 102], [-0.25 + 11, 112], [-0.25 + 1, 0.25 + 122]])


def test_coefficient() -> None:
    _, utilities = composed(probability=0.0, coefficient=0.5)
    np.testing.assert_array_equal(utilities[0], [-0.25 + 0.5, 0.5 + 51])
    _, utilities = composed(probability=0.0, coefficient=0.0)
    np.testing.assert_array_equal(utilities, [[-0.25, 0.5], [-0.25, 0.0], [-0.25, 0.25]])


def test_what_is_labelled_is_kept_and_nothing_else() -> None:
    venv, _ = composed(probability=1.0)
    labels = venv.isr_call("take_labels")
    # Environment 0 is labelled at each step, environment 1 only at its step 1. No key is no label: not a label of 0.
    np.testing.assert_array_equal(labels.observations, [[0, 0], [0, 1], [1, 1], [0, 0]])
    np.testing.assert_array_equal(labels.actions, [1, 1, 2, 1])
    np.testing.assert_array_equal(labels.social_rewards, [0.0, 1.0, -2.0, 0.0])
    assert venv.isr_call("take_labels") is None


def test_in_autonomy_neither_utility_nor_labels_know_what_the_caregiver_would_say() -> None:
    """Simulated caregivers go on writing the truth into info after they have left."""

    def autonomy(social_rewards: list[float | None]) -> np.ndarray[Any, Any]:
        venv = VecISRReward(scripted_vec_env([[(0.0, social_reward) for social_reward in social_rewards]]))
        venv.reset()
        venv.isr_call("connect", internal_reward, 0.0)
        utilities = np.stack([venv.step(np.array([1]))[1] for _ in range(9)])
        assert venv.isr_call("take_labels") is None
        return utilities

    truth = autonomy([0.4, 0.1, -0.3])
    np.testing.assert_array_equal(autonomy([-7.7, None, 12.3]), truth)
    assert (truth != 0).all()


def test_what_the_caregiver_would_say_is_still_measured() -> None:
    venv, utilities = composed(probability=0.0, steps=6)
    sums = venv.isr_call("take_sums")
    assert sums.transitions == 12
    assert sums.presence == 0
    assert sums.social_reward == 3 * 1.0 + 2 * -2.0
    assert sums.environment_reward == pytest.approx(6 * -0.25 + 2 * 0.75)
    assert sums.utility == pytest.approx(utilities.sum())
    assert sums.internal_reward == pytest.approx(utilities.sum() - sums.environment_reward)
    assert (sums.episodes, sums.social_return) == (5, 3 * 1.0 + 2 * -2.0)
    assert venv.isr_call("take_sums").transitions == 0


def test_internal_rewards_are_measured_only_where_the_caregiver_is_absent() -> None:
    venv = VecISRReward(scripted_vec_env([[(0.0, 1.0)] * 4] * 8))
    venv.reset()
    venv.isr_call("connect", lambda observations, actions: np.full(8, 0.25), 0.5)
    utilities = venv.step(np.zeros(8, int))[1]
    assert set(utilities) == {0.25, 1.0}
    sums = venv.isr_call("take_sums")
    assert sums.presence == (utilities == 1.0).sum()
    assert sums.internal_reward == 0.25 * (utilities == 0.25).sum()


def test_presence_is_drawn_at_each_episodes_start_and_lasts_for_the_episode() -> None:
    venv = VecISRReward(scripted_vec_env([[(0.0, 1.0)] * 5] * 4))
    venv.reset()
    venv.isr_call("connect", lambda observations, actions: np.zeros(4), 0.5)
    utilities = np.stack([venv.step(np.zeros(4, int))[1] for _ in range(400)]).T.reshape(4 * 80, 5)
    attended = utilities[:, 0]
    np.testing.assert_array_equal(utilities, np.repeat(attended[:, None], 5, axis=1))
    assert abs(attended.mean() - 0.5) < 0.12


def test_the_caregiver_does_not_leave_in_the_middle_of_an_episode() -> None:
    venv = VecISRReward(scripted_vec_env([[(0.0, 1.0)] * 4]))
    venv.reset()
    venv.isr_call("connect", lambda observations, actions: np.array([0.5]), 1.0)
    utilities = [venv.step(np.array([0]))[1][0]]
    venv.isr_call("update", lambda observations, actions: np.array([0.25]), 0.0, 1.0)
    utilities += [venv.step(np.array([0]))[1][0] for _ in range(5)]
    assert utilities == [1.0, 1.0, 1.0, 1.0, 0.25, 0.25]
    assert len(venv.isr_call("take_labels").social_rewards) == 4


def test_who_attends_is_remembered_over_a_pause_in_mid_episode() -> None:
    """`learn` in pieces connects and disconnects between two steps of an episode."""
    venv = VecISRReward(scripted_vec_env([[(0.0, 1.0)] * 4]))
    venv.reset()
    venv.isr_call("connect", lambda observations, actions: np.array([0.5]), 1.0)
    venv.step(np.array([0]))
    venv.isr_call("disconnect")
    venv.isr_call("connect", lambda observations, actions: np.array([0.5]), 0.0)
    assert [venv.step(np.array([0]))[1][0] for _ in range(4)] == [1.0, 1.0, 1.0, 0.5]


def test_nobody_is_asked_for_internal_rewards_while_all_are_attended() -> None:
    def asked(observations: Observations, actions: Array) -> Array:
        raise AssertionError("asked")

    venv = VecISRReward(scripted_vec_env(SCRIPTS))
    venv.reset()
    venv.isr_call("connect", asked, 1.0)
    venv.step(np.array([0, 0]))


@pytest.mark.parametrize("start_method", ["fork", "forkserver"])
def test_int_rewards_from_subprocesses_take_fractions(start_method: str) -> None:
    """SubprocVecEnv's rewards are int64 where every environment returns ints, and fractions written there vanish."""
    venv = VecISRReward(SubprocVecEnv([IntEnv, IntEnv], start_method=start_method))
    try:
        venv.reset()
        venv.isr_call("connect", lambda observations, actions: np.array([0.25, 0.75]), 0.0)
        rewards = venv.step(np.array([0, 0]))[1]
        np.testing.assert_array_equal(rewards, [0.25, 0.75])
        rewards[0] += 0.5  # as PPO does at a timeout
        assert rewards[0] == 0.75
    finally:
        venv.close()


class IntEnv(ScriptedEnv):
    """Rewards are ints, as MiniGrid's may be."""

    def __init__(self) -> None:
        super().__init__([(0, 1)] * 4)


def test_the_gymnasium_wrapper_composes_as_the_vectorized_one_does() -> None:
    def run(make: Callable[[], VecEnv], call: Callable[[VecEnv, str, Any], Any]) -> list[Any]:
        venv = make()
        venv.reset()
        for i in range(2):
            call(venv, "connect", i)
        return [venv.step(np.array([1, 2]))[1].tolist() for _ in range(40)]

    rngs = [np.random.default_rng(i) for i in range(4)]

    def connect_vec(venv: VecEnv, method: str, i: int) -> None:
        if i == 0:
            venv.isr_call(method, internal_reward, 0.5, 1.0, rngs[:2])  # type: ignore[attr-defined]

    def connect_each(venv: VecEnv, method: str, i: int) -> None:
        venv.env_method("isr_call", method, internal_reward, 0.5, 1.0, [np.random.default_rng(i)], indices=i)

    numbers = iter(range(2))
    vectorized = run(lambda: VecISRReward(scripted_vec_env(SCRIPTS)), connect_vec)
    single = run(
        lambda: DummyVecEnv([lambda: ISRRewardWrapper(ScriptedEnv(SCRIPTS[number := next(numbers)], number))] * 2),
        connect_each,
    )
    np.testing.assert_allclose(single, vectorized)


def test_the_gymnasium_wrapper_returns_a_python_float() -> None:
    """check_env rejects np.float32 as a reward."""
    env = ISRRewardWrapper(ScriptedEnv(SCRIPTS[0]))
    env.reset()
    env.isr_call("connect", internal_reward, 0.0)
    assert type(env.step(1)[1]) is float


def isr_for(env: Any) -> InternalSocialReward:
    return InternalSocialReward(env.observation_space, env.action_space)


@pytest.mark.parametrize("unconnected", [True, False])
def test_unconnected_changes_nothing_and_uses_up_no_label(unconnected: bool) -> None:
    plain, wrapped = scripted_vec_env(SCRIPTS), VecISRReward(scripted_vec_env(SCRIPTS))
    plain.reset(), wrapped.reset()
    if not unconnected:
        wrapped.isr_call("connect", internal_reward, 0.0)
        wrapped.isr_call("disconnect")
    for _ in range(7):
        expected, got = plain.step(np.array([0, 1])), wrapped.step(np.array([0, 1]))
        np.testing.assert_array_equal(got[0], expected[0])
        np.testing.assert_array_equal(got[1], expected[1])
        assert got[1].dtype == expected[1].dtype
    assert wrapped.isr_call("take_labels") is None


def test_a_saved_isr_is_connected_for_good() -> None:
    venv = scripted_vec_env(SCRIPTS)
    isr = isr_for(venv)
    wrapped = VecISRReward(venv, isr=isr)
    observations = wrapped.reset()
    assert isinstance(observations, np.ndarray)
    expected = isr.predict(observations, np.array([1, 2])) + np.array([-0.25, 0.5])
    np.testing.assert_allclose(wrapped.step(np.array([1, 2]))[1], expected, rtol=1e-6)
    with pytest.raises(ValueError, match=r"ISRCallback\(presence=\.\.\., isr=isr\)"):
        wrapped.isr_call("connect", internal_reward, 1.0)

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


def test_outside_vec_normalize_is_refused() -> None:
    """Off-policy algorithms would store VecNormalize's reward and drop the internal one without a word."""
    with pytest.raises(ValueError, match=r"VecNormalize\(VecISRReward\(venv\)\)"):
        VecISRReward(VecNormalize(scripted_vec_env(SCRIPTS)))


def test_a_label_that_is_no_number_is_refused() -> None:
    venv = VecISRReward(scripted_vec_env([[(0.0, float("nan"))]]))
    venv.reset()
    venv.isr_call("connect", internal_reward, 1.0)
    with pytest.raises(ValueError, match=r"must be a finite number.*leave the key out"):
        venv.step(np.array([0]))


def test_dict_observations() -> None:
    class DictEnv(gym.ObservationWrapper[Any, Any, Any]):
        def __init__(self) -> None:
            super().__init__(ScriptedEnv(SCRIPTS[0]))
            self.observation_space = spaces.Dict({"step": spaces.Discrete(10)})

        def observation(self, observation: Any) -> Any:
            return {"step": int(observation[1])}

    def of_step(observations: Any, actions: Array) -> Array:
        return np.asarray(observations["step"] + 0.5)

    venv, env = VecISRReward(make_vec_env(DictEnv, n_envs=2)), ISRRewardWrapper(DictEnv())
    venv.reset()
    env.reset()
    for wrapper in (venv, env):
        wrapper.isr_call("connect", of_step, 0.0)
    for step in (0, 1):
        assert venv.step(np.array([0, 0]))[1].tolist() == [-0.25 + step + 0.5] * 2
        assert env.step(0)[1] == -0.25 + step + 0.5


def test_action_masks_are_still_reachable() -> None:
    class Masked(ScriptedEnv):
        def action_masks(self) -> list[bool]:
            return [True, False, True]

    venv = VecISRReward(make_vec_env(lambda: ISRRewardWrapper(Masked(SCRIPTS[0])), n_envs=1))
    assert venv.env_method("action_masks") == [[True, False, True]]
