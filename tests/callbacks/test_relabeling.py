"""Internal rewards in a replay buffer follow the ISR; everything else in it stays."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium import spaces
from stable_baselines3 import DQN, PPO, SAC
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.vec_env import DummyVecEnv, VecEnv, VecFrameStack, VecNormalize

from sb3_isr import ISRCallback, ISRRewardWrapper, Transitions, VecISRReward
from tests.scripted_env import ScriptedEnv, batch_of, scripted_vec_env

SCRIPTS: list[list[tuple[float, float | None]]] = [
    [(-0.5, 0.0), (-0.25, 2.0), (0.75, None), (0.0, -1.0)],
    [(0.5, 1.0), (-1.0, 0.0)],
]
#: The episodes of the second environment are truncated.
TRUNCATES = [False, True]
BOX = spaces.Box(-2, 2, (2,), np.float32)
NET: dict[str, Any] = {"net_arch": [4]}
#: A buffer that holds next observations only as those of the next row.
MEMORY: dict[str, Any] = {
    "optimize_memory_usage": True,
    "replay_buffer_kwargs": {"handle_timeout_termination": False},
}
N_STEPS = 120  # vectorized steps; the caregiver leaves after half of them


class Seen(gym.ObservationWrapper[Any, Any, Any]):
    """Shows the scripted observation in another form."""

    def __init__(self, env: gym.Env[Any, Any], form: str) -> None:
        super().__init__(env)
        self.form = form
        box = env.observation_space
        if form == "dict":
            self.observation_space = spaces.Dict({"a": box, "b": spaces.Discrete(8)})
        elif form == "image":
            self.observation_space = spaces.Box(0, 255, (36, 36, 3), np.uint8)
        elif form == "discrete":
            self.observation_space = spaces.Discrete(8)

    def observation(self, observation: Any) -> Any:
        return seen(self.form, observation)


def seen(form: str, observation: Any) -> Any:
    number, step = observation.astype(int)
    if form == "dict":
        return {"a": observation, "b": int(number + 2 * step) % 8}
    if form == "image":
        image = np.zeros((36, 36, 3), np.uint8)
        image[step, :, number] = 200
        return image
    if form == "discrete":
        return int(number + 2 * step) % 8
    return observation


def make_env(form: str, action_space: gym.Space[Any] | None = None) -> VecEnv:
    numbers = iter(range(2))

    def make() -> gym.Env[Any, Any]:
        number = next(numbers)
        return Seen(ScriptedEnv(SCRIPTS[number], number, action_space, truncates=TRUNCATES[number]), form)

    return make_vec_env(make, 2)


def relabelling(presence: str = "leave_at_0.5", **kwargs: Any) -> ISRCallback:
    """A callback whose trainings are short, of an ISR that tells all transitions apart."""
    isr_kwargs = {"net_arch": (8,), "limit_to_labels": "no", "standardize": False}
    trainer_kwargs = {"gradient_steps": 20, "max_cycles": 1}
    return ISRCallback(presence, isr_kwargs=isr_kwargs, trainer_kwargs=trainer_kwargs, **{"relabel": True, **kwargs})


class Recorded(VecISRReward):
    """Keeps the actions of each step."""

    def __init__(self, venv: VecEnv) -> None:
        super().__init__(venv)
        self.actions: list[Any] = []

    def _compose(self, *outcome: Any) -> Any:
        self.actions.append(np.copy(self._actions))
        return super()._compose(*outcome)


def transitions_by_hand(form: str, env: Recorded) -> list[Transitions]:
    """The transitions of each step, of both environments."""
    result = []
    for n, actions in enumerate(env.actions):
        steps = np.array([n % len(script) for script in SCRIPTS])
        now, then = (
            [seen(form, np.array([number, step], np.float32)) for number, step in enumerate(each)]
            for each in (steps, steps + 1)
        )
        terminated = [step + 1 == len(SCRIPTS[i]) and not TRUNCATES[i] for i, step in enumerate(steps)]
        result.append(Transitions(batch_of(now), actions, batch_of(then), np.array(terminated)))
    return result


def learned(form: str, algorithm: Any, **kwargs: Any) -> tuple[Any, ISRCallback, Recorded]:
    env = Recorded(make_env(form, BOX if algorithm is SAC else None))
    policy = {"dict": "MultiInputPolicy", "image": "CnnPolicy"}.get(form, "MlpPolicy")
    net = {"net_arch": [4]}
    if form == "image":
        net["features_extractor_kwargs"] = {"features_dim": 4}  # type: ignore[assignment]
    model = algorithm(
        policy, env, buffer_size=160, learning_starts=4, batch_size=4, seed=0, policy_kwargs=net, **kwargs
    )
    callback = relabelling(coefficient=2.0)
    model.learn(2 * N_STEPS, callback=callback)
    return model, callback, env


def expected_rewards(callback: ISRCallback, env: Recorded, form: str = "box") -> np.ndarray[Any, Any]:
    """U of every step by hand, with the ISR as it is now: ``[n_steps, 2]``. Both scripts' episodes end at step 60."""
    rows = []
    for step, transitions in enumerate(transitions_by_hand(form, env)):
        rewards = [script[step % len(script)] for script in SCRIPTS]
        internal = 2.0 * callback.isr.predict(*transitions)
        social = np.array([social or 0.0 for _, social in rewards])
        rows.append([e for e, _ in rewards] + (social if step < N_STEPS // 2 else internal))
    return np.array(rows)


@pytest.mark.parametrize(
    ("form", "algorithm", "kwargs"),
    [
        ("box", DQN, {}),
        ("box", DQN, {"n_steps": 3}),
        ("box", DQN, MEMORY),
        ("discrete", DQN, MEMORY),
        ("box", SAC, {}),  # the buffer holds scaled actions
        ("dict", SAC, {}),
        ("dict", DQN, {}),
        ("discrete", DQN, {}),
        pytest.param("image", DQN, {"train_freq": 30}, marks=pytest.mark.slow),  # SB3 transposes it outside
    ],
    ids=["box", "n-step", "memory", "memory-discrete", "scaled-actions", "dict-scaled", "dict", "discrete", "image"],
)
def test_stored_rewards_are_those_of_the_isr_as_it_is_now(form: str, algorithm: Any, kwargs: dict[str, Any]) -> None:
    model, callback, env = learned(form, algorithm, **kwargs)
    buffer = model.replay_buffer
    assert buffer.full  # 80 rows for 120 steps: it has wrapped around
    assert len(env.actions) == N_STEPS
    rows = np.arange(N_STEPS - 80, N_STEPS)
    stale = buffer.rewards.copy()
    np.testing.assert_allclose(stale[rows % 80], expected_rewards(callback, env, form)[rows], atol=1e-5)
    for _ in range(2):
        callback.train()
        fresh = expected_rewards(callback, env, form)[rows]
        np.testing.assert_allclose(buffer.rewards[rows % 80], fresh, atol=1e-5)
    assert np.abs(fresh[20:] - stale[rows[20:] % 80]).max() > 1e-3  # the ISR did learn
    # What the caregiver gave is left bit for bit: steps 40 to 59.
    np.testing.assert_array_equal(buffer.rewards[rows[:20] % 80], stale[rows[:20] % 80])


@pytest.mark.parametrize("memory", [{}, MEMORY], ids=["", "memory"])
def test_rewards_are_relabelled_under_vec_normalize(memory: dict[str, Any]) -> None:
    env = Recorded(make_env("box"))
    normalized = VecNormalize(env, norm_reward=False)
    model = DQN("MlpPolicy", normalized, buffer_size=1000, learning_starts=4, seed=0, **memory)
    callback = relabelling(coefficient=2.0)
    model.learn(2 * N_STEPS, callback=callback)
    assert model.replay_buffer is not None
    stale = model.replay_buffer.rewards.copy()
    for _ in range(2):
        callback.train()
        np.testing.assert_allclose(model.replay_buffer.rewards[:N_STEPS], expected_rewards(callback, env), atol=1e-5)
    assert np.abs(model.replay_buffer.rewards - stale).max() > 1e-3


@pytest.mark.slow
def test_training_in_autonomy_leaves_no_stored_reward_stale() -> None:
    """The caregiver fades out, so that the ISR is trained again and again while it rewards."""
    env = Recorded(make_env("box"))
    model = DQN("MlpPolicy", env, buffer_size=1000, learning_starts=4, batch_size=4, seed=0, policy_kwargs=NET)
    callback = relabelling("fade_0.2_1.0", train_every=14)
    model.learn(2 * N_STEPS, callback=callback)
    callback.train()
    assert model.replay_buffer is not None
    for step, transitions in enumerate(transitions_by_hand("box", env)):
        internal = callback.isr.predict(*transitions)
        for i, script in enumerate(SCRIPTS):
            environment, social = script[step % len(script)]
            attended_or_not = environment + np.array([social or 0.0, internal[i]])
            assert np.abs(model.replay_buffer.rewards[step, i] - attended_or_not).min() < 1e-5


def test_the_gymnasium_wrapper_can_be_relabelled_too() -> None:
    env = DummyVecEnv([lambda: ISRRewardWrapper(ScriptedEnv(SCRIPTS[0]))])
    model = DQN("MlpPolicy", env, learning_starts=4, buffer_size=200, seed=0)
    callback = relabelling()
    model.learn(80, callback=callback)
    buffer = model.replay_buffer
    assert buffer is not None
    for _ in range(2):
        steps = np.arange(40) % 4
        observations, next_observations = (np.stack([0 * n, n], axis=1) for n in (steps, steps + 1))
        internal = callback.isr.predict(observations, buffer.actions[40:80, 0, 0], next_observations, steps == 3)
        environment = np.tile([-0.5, -0.25, 0.75, 0.0], 10)
        np.testing.assert_allclose(buffer.rewards[40:80, 0], environment + internal, atol=1e-5)
        callback.train()


def test_without_relabelling_stored_rewards_stay_as_they_were() -> None:
    env = VecISRReward(scripted_vec_env(SCRIPTS))
    model = DQN("MlpPolicy", env, learning_starts=4, buffer_size=1000, seed=0)
    callback = relabelling(relabel=False)
    model.learn(200, callback=callback)
    assert model.replay_buffer is not None
    before = model.replay_buffer.rewards.copy()
    callback.train()
    np.testing.assert_array_equal(model.replay_buffer.rewards, before)


def test_where_relabelling_cannot_work_it_is_refused_when_training_starts() -> None:
    with pytest.raises(ValueError, match="PPO has none; leave it out"):
        PPO("MlpPolicy", VecISRReward(scripted_vec_env(SCRIPTS))).learn(8, callback=ISRCallback(relabel=True))
    stacked = VecFrameStack(VecISRReward(scripted_vec_env(SCRIPTS)), 2)
    with pytest.raises(ValueError, match=r"put wrappers that change observations.*inside"):
        DQN("MlpPolicy", stacked, buffer_size=10).learn(8, callback=ISRCallback(relabel=True))
