"""What the plugin costs in calls and bytes; benchmarks/ has the seconds."""

from __future__ import annotations

import gc
import tracemalloc
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from gymnasium import spaces
from stable_baselines3 import A2C, DQN, PPO
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.vec_env import VecEnv

from sb3_isr import InternalSocialReward, ISRCallback, LabelBatch, LabelStore, Transitions, VecISRReward
from sb3_isr.envs.coin_game.vec_env import CoinGameVecEnv
from sb3_isr.labels.next_observations import OWN
from sb3_isr.wrappers.composer import RewardComposer
from sb3_isr.wrappers.isr_actions import ISRActions

SMALL: dict[str, Any] = {"net_arch": (4,)}
#: Bytes by which memory may grow between one step and another: 5 for each transition between them.
SLACK = 20_000


def ppo(env: VecEnv) -> BaseAlgorithm:
    return PPO("MlpPolicy", env, n_steps=16, n_epochs=1, seed=0, device="cpu", policy_kwargs={"net_arch": [4]})


def dqn(env: VecEnv) -> BaseAlgorithm:
    kwargs: dict[str, Any] = {"learning_starts": 10**9, "buffer_size": 1000, "policy_kwargs": {"net_arch": [4]}}
    return DQN("MlpPolicy", env, seed=0, device="cpu", **kwargs)


def a2c(env: VecEnv) -> BaseAlgorithm:
    return A2C("MlpPolicy", env, seed=0, device="cpu", policy_kwargs={"net_arch": [4]})


class MemoryLog(BaseCallback):
    """Records how many bytes Python and NumPy hold after every 20 calls of the environments' step."""

    def __init__(self) -> None:
        super().__init__()
        self.held: list[int] = []

    def _on_step(self) -> bool:
        if self.n_calls % 20 == 0:
            gc.collect()
            self.held.append(tracemalloc.get_traced_memory()[0])
        return True


@pytest.fixture
def traced() -> Iterator[None]:
    tracemalloc.start()
    yield
    tracemalloc.stop()


def peak_of(call: Callable[[], Any]) -> int:
    """The most bytes that a call held at once."""
    before, _ = tracemalloc.get_traced_memory()
    tracemalloc.reset_peak()
    call()
    return tracemalloc.get_traced_memory()[1] - before


@pytest.mark.parametrize("presence", ["never", "always"])
@pytest.mark.parametrize(
    ("make", "defer_rewards", "expected"),
    # PPO's rollouts have 64 steps, DQN's 4.
    [(ppo, True, [128] * 4), (dqn, True, [32] * 16), (ppo, False, [8] * 64), (dqn, False, [8] * 64)],
)
def test_the_isr_is_evaluated_for_all_environments_and_a_whole_rollout(
    make: Callable[[VecEnv], BaseAlgorithm], defer_rewards: bool, expected: list[int], presence: str
) -> None:
    venv = VecISRReward(CoinGameVecEnv(8))
    isr = InternalSocialReward(venv.observation_space, venv.action_space, **SMALL)
    batches: list[int] = []
    isr.register_forward_hook(lambda _, inputs, __: batches.append(len(inputs[1])))
    make(venv).learn(8 * 64, callback=ISRCallback(presence, isr=isr, defer_rewards=defer_rewards))
    assert batches == (expected if presence == "never" else [])


@pytest.mark.slow
@pytest.mark.usefixtures("traced")
@pytest.mark.parametrize(("make", "presence"), [(a2c, "always"), (dqn, "fade_0_1")])
def test_memory_does_not_grow_with_the_number_of_steps(make: Callable[[VecEnv], BaseAlgorithm], presence: str) -> None:
    """Neither labels in the wrapper nor logged values nor anything else of a step may accumulate."""
    venv = VecISRReward(CoinGameVecEnv(100))
    isr = InternalSocialReward(venv.observation_space, venv.action_space, **SMALL)
    log = MemoryLog()
    callback = ISRCallback(presence, isr=isr, store_kwargs={"capacity": 1_000}, trainer_kwargs={"gradient_steps": 1})
    make(venv).learn(12_000, callback=[callback, log])
    assert len(log.held) == 6
    assert max(log.held[4:]) < max(log.held[2:4]) + SLACK


OBSERVATIONS = np.zeros((1000, 9, 9, 4), np.uint8)
TRANSITIONS = Transitions(OBSERVATIONS, np.zeros(1000, np.int64), OBSERVATIONS.copy(), np.zeros(1000, bool))


@pytest.mark.usefixtures("traced")
@pytest.mark.parametrize(("probability", "copies"), [(1.0, 2.0), (0.0, 0.0)])
def test_a_step_copies_observations_only_if_they_become_labels(probability: float, copies: float) -> None:
    composer = RewardComposer(1000, ISRActions(spaces.Discrete(3), None))
    composer.connect(lambda _, actions, *outcome: np.zeros(len(actions), np.float32), probability)
    rewards, dones = np.zeros(1000, np.float32), np.zeros(1000, bool)
    infos: list[dict[str, Any]] = [{"social_reward": 0.0}] * 1000
    composer.compose(TRANSITIONS, rewards, dones, infos)
    peak = peak_of(lambda: composer.compose(TRANSITIONS, rewards, dones, infos))
    assert copies * OBSERVATIONS.nbytes <= peak < (copies + 0.5) * OBSERVATIONS.nbytes


@pytest.mark.usefixtures("traced")
def test_a_store_takes_the_memory_of_its_labels_and_drawing_makes_no_copy_of_them() -> None:
    grids = np.random.default_rng(0).integers(3, size=(100_000, 9, 9, 4), dtype=np.uint8)
    n = len(grids)
    # Each next observation is the next label's observation.
    transitions = Transitions(grids, np.zeros(n, np.int64), np.roll(grids, -1, axis=0), np.zeros(n, bool))
    batch = LabelBatch(transitions, np.zeros(n, np.float32))
    data = grids.nbytes + transitions.actions.nbytes + transitions.terminated.nbytes + batch.social_rewards.nbytes
    before, _ = tracemalloc.get_traced_memory()
    store = LabelStore(spaces.Box(0, 255, (9, 9, 4), np.uint8), spaces.Discrete(3), capacity=100_000, seed=0)
    store.add(batch)
    assert peak_of(lambda: store.sample(256)) < 0.6 * data
    # Pages of zeros are traced too, but take no memory; here one row of them was written.
    next_observations = store._rows._next_observations
    assert isinstance(next_observations.own, np.ndarray)
    assert (next_observations.rows == OWN).sum() == 1
    held = tracemalloc.get_traced_memory()[0] - before - next_observations.own.nbytes
    assert held < 1.03 * data + next_observations.rows.nbytes


def test_training_makes_one_forward_pass_a_gradient_step() -> None:
    callback = ISRCallback(
        "always", isr_kwargs=SMALL, trainer_kwargs={"gradient_steps": 7}, store_kwargs={"held_out": 0.0}
    )
    ppo(VecISRReward(CoinGameVecEnv(8))).learn(128, callback=callback)
    passes: list[str] = []
    callback.isr.net.register_forward_hook(lambda *_: passes.append("forward"))
    callback.internalizer.trainer.optimizer.register_step_post_hook(lambda *_: passes.append("step"))
    callback.train()
    assert passes == ["forward", "step"] * 7
