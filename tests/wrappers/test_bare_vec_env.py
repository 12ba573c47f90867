"""Whatever Stable-Baselines3 trains on, the plugin trains on: more than it asks of a VecEnv is not asked."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
import torch
from gymnasium import spaces
from stable_baselines3 import DQN, PPO
from stable_baselines3.common.vec_env import VecEnv, VecNormalize

from sb3_isr import VecISRReward
from sb3_isr.common.batches import Array
from tests.wrappers.learners import Rewards, internalizing, tiny


class Bare(VecEnv):
    """Has reset and step, and what VecEnv's own constructor needs."""

    def __init__(self) -> None:
        super().__init__(2, spaces.Box(0, 99, (1,)), spaces.Discrete(2))
        self.time = 0

    def reset(self) -> Any:
        return np.zeros((2, 1), np.float32)

    def step_async(self, actions: Array) -> None:
        pass

    def step_wait(self) -> Any:
        self.time = (self.time + 1) % 3
        return np.full((2, 1), self.time, np.float32), self.rewards(), self.dones(), self.infos()

    def rewards(self) -> Any:
        return np.ones(2, np.float32)

    def dones(self) -> Any:
        return np.full(2, self.time == 0)

    def infos(self) -> Any:
        return [{"social_reward": 1.0}] * 2  # one dictionary for both

    def close(self) -> None:
        pass

    def get_attr(self, attr_name: str, indices: Any = None) -> Any:
        if attr_name == "render_mode":
            return [None, None]
        raise NotImplementedError

    def _refuse(self, *args: Any, **kwargs: Any) -> Any:
        raise NotImplementedError

    set_attr = env_method = env_is_wrapped = _refuse


class NoAnswers(Bare):
    """Does without VecEnv's constructor, since that asks for an attribute."""

    def __init__(self) -> None:
        self.num_envs, self.time = 2, 0
        self.observation_space, self.action_space = spaces.Box(0, 99, (1,)), spaces.Discrete(2)
        self.render_mode, self.reset_infos = None, [{}, {}]

    def get_attr(self, attr_name: str, indices: Any = None) -> Any:
        raise NotImplementedError

    has_attr = Bare._refuse

    def seed(self, seed: int | None = None) -> Any:
        return [seed, seed]


class OddAnswers(Bare):
    """Knows every attribute, and answers for fewer or more environments than there are."""

    answers: Any = ()

    def get_attr(self, attr_name: str, indices: Any = None) -> Any:
        return [None, None] if attr_name == "render_mode" else self.answers

    def env_is_wrapped(self, wrapper_class: Any, indices: Any = None) -> Any:
        return self.answers


class StrangeSignatures(Bare):
    def env_is_wrapped(self) -> Any:  # type: ignore[override]
        return [True, True]

    def has_attr(self) -> Any:  # type: ignore[override]
        return True


class OneCall(Bare):
    """Has step only, not in two calls."""

    step_async = Bare._refuse

    def step(self, actions: Array) -> Any:
        return Bare.step_wait(self)

    step_wait = Bare._refuse


def made(base: type[Bare] = Bare, **methods: Any) -> Callable[[], Bare]:
    """A class whose methods return something else."""
    return type("Made", (base,), {name: staticmethod(method) for name, method in methods.items()})


SIMS: dict[str, Callable[[], VecEnv]] = {
    "bare": Bare,
    "no answers": NoAnswers,
    "no list": type("A", (OddAnswers,), {"answers": ()}),
    "one answer": type("B", (OddAnswers,), {"answers": [None]}),
    "five answers": type("C", (OddAnswers,), {"answers": [False] * 5}),
    "None": type("D", (OddAnswers,), {"answers": None}),
    "signatures": StrangeSignatures,
    "one call": OneCall,
    "list of rewards": made(rewards=lambda: [1.0, 1.0]),
    "list of ints": made(rewards=lambda: [1, 1]),
    "ints": made(rewards=lambda: np.ones(2, np.int64)),
    "bytes": made(rewards=lambda: np.ones(2, np.uint8)),
    "bools": made(rewards=lambda: np.ones(2, bool)),
    "half": made(rewards=lambda: np.ones(2, np.float16)),
    "double": made(rewards=lambda: np.ones(2)),
    "tensor": made(rewards=lambda: torch.ones(2)),
    "read-only": made(rewards=lambda: np.broadcast_to(np.float32(1), 2)),
    "tuple of infos": made(infos=lambda: ({"social_reward": 1.0}, {"social_reward": 1.0})),
    "other labels": made(infos=lambda: [{"social_reward": torch.ones(1)}, {"social_reward": np.ones((), int)}]),
    "no info": made(infos=lambda: [{}, {}]),
    "no label": made(infos=lambda: [{"social_reward": None}, {}]),
}


@pytest.mark.parametrize("sim", SIMS)
@pytest.mark.parametrize("outside", [lambda venv: venv, lambda venv: VecNormalize(venv, norm_reward=False)])
@pytest.mark.filterwarnings("ignore:The `render_mode` attribute")
def test_the_plugin_trains_on_it_and_learns_from_the_same_rewards(sim: str, outside: Any) -> None:
    tiny(PPO, SIMS[sim]()).learn(48)
    callback, rewards = internalizing("always"), Rewards()
    venv = VecISRReward(SIMS[sim]())
    if sim == "one call":
        outside = lambda venv: venv  # noqa: E731 (VecNormalize itself asks for two calls)
    tiny(PPO, outside(venv)).learn(48, callback=[callback, rewards])
    assert (rewards.learned_from() == 1.0).all()
    n_labels = 0 if sim in ("no info", "no label") else 48
    assert callback.store.n_added == n_labels


@pytest.mark.parametrize(
    ("algorithm", "dones"),
    [
        (PPO, np.ones(2, np.uint8)),
        (PPO, np.ones(2, np.float32)),
        (DQN, np.ones(2, int)),
        (DQN, [1, 1]),
        (DQN, [True, True]),
        (DQN, (np.True_, np.True_)),
    ],
)
def test_dones_may_be_lists_and_ints(algorithm: Any, dones: Any) -> None:
    """Not for on-policy algorithms, which call a method of the array."""
    sim = made(dones=lambda: dones)
    tiny(algorithm, sim()).learn(48)
    callback = internalizing("leave_at_0.5")
    tiny(algorithm, VecISRReward(sim())).learn(48, callback=callback)
    assert 22 <= callback.store.n_added <= 24


def test_where_infos_are_missing_altogether() -> None:
    sim = made(infos=list, dones=lambda: np.zeros(2, bool))
    tiny(PPO, sim()).learn(48)
    tiny(PPO, VecISRReward(sim())).learn(48, callback=internalizing("always"))


@pytest.mark.parametrize("reward", [1.0, np.float64(1), np.ones(1, np.float32)])
def test_one_reward_for_all_environments(reward: Any) -> None:
    sim = made(rewards=lambda: reward, dones=lambda: np.zeros(2, bool))
    tiny(PPO, sim()).learn(48)
    rewards = Rewards()
    tiny(PPO, VecISRReward(sim())).learn(48, callback=[internalizing("always"), rewards])
    assert (rewards.learned_from() == 1.0).all()


BAD: list[tuple[Any, str]] = [
    ([1.0, 2.0], r"got \[1.0, 2.0\] of type list"),
    ("1.0", r"got '1.0' of type str"),
    (float("nan"), "got nan of type float"),
    (np.float32("inf"), "got .*inf.* of type float32"),
    (1e300, "got 1e.300 of type float"),
    (torch.tensor([1.0, 2.0]), "of type Tensor"),
    (1j, "of type complex"),
]


@pytest.mark.parametrize(("label", "got"), BAD, ids=[str(label) for label, _ in BAD])
def test_a_label_that_is_no_number_says_where_and_when_it_was_given(label: Any, got: str) -> None:
    calls: list[None] = []

    def infos() -> Any:
        calls.append(None)
        return [{"social_reward": 1.0}, {"social_reward": 1.0 if len(calls) < 5 else label}]

    with pytest.raises(
        ValueError, match=rf"social_reward'\] is wrong in environment 1 at step 5: .*{got}.*leave the key"
    ):
        tiny(PPO, VecISRReward(made(infos=infos)())).learn(48, callback=internalizing("always"))


@pytest.mark.parametrize(
    "label", [True, np.bool_(True), np.float16(1), Fraction(1), np.ones((1, 1)), [1], torch.ones(())]
)
def test_anything_that_is_one_number_is_a_label(label: Any) -> None:
    callback = internalizing("always")
    tiny(PPO, VecISRReward(made(infos=lambda: [{"social_reward": label}] * 2)())).learn(48, callback=callback)
    assert callback.store.labels().social_rewards.tolist() == [1.0] * 48
