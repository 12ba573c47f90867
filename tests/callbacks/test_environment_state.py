"""What environments hold is restored, or resume says that it is not."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium import spaces
from stable_baselines3 import DQN
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.vec_env import (
    DummyVecEnv,
    SubprocVecEnv,
    VecEnv,
    VecFrameStack,
    VecMonitor,
    VecNormalize,
    VecVideoRecorder,
)

from sb3_isr import Caregiver, ISRRewardWrapper, SocialRewardWrapper
from sb3_isr import VecISRReward as Wrapped
from sb3_isr.callbacks.environment_state import dumps_with_environments, layers_of, loads_with_environments
from sb3_isr.callbacks.state_pickle import dumps, loads
from tests.callbacks.counting import NOT_RESTORED, RESTORED, Counting, EzPickled, Locked, vec
from tests.callbacks.learners import off_policy
from tests.callbacks.resumed import Laps, check_resumed_equals_uninterrupted, small_ppo


@pytest.mark.parametrize("env", RESTORED)
@pytest.mark.parametrize("wrapper", ["one for all", "one for each"])
def test_an_environment_whose_pickle_leaves_its_state_out_continues_in_mid_episode(
    env: Any, wrapper: str, tmp_path: Path
) -> None:
    def make() -> VecEnv:
        if wrapper == "one for all":
            return vec(env=env, n=2)
        return DummyVecEnv([lambda: ISRRewardWrapper(Monitor(env()))] * 2)

    check_resumed_equals_uninterrupted(tmp_path, make, small_ppo)


@pytest.mark.parametrize("env", NOT_RESTORED)
@pytest.mark.parametrize("algorithm", ["PPO", "DQN"])
def test_an_environment_that_cannot_be_pickled_starts_a_new_episode_and_says_so(
    env: Any, algorithm: str, tmp_path: Path
) -> None:
    make_model = small_ppo if algorithm == "PPO" else partial(off_policy, DQN, n_steps=3)
    laps = Laps(tmp_path, partial(vec, env=env, n=2), make_model)
    with pytest.warns(UserWarning, match=rf"After a resume, .* new episodes.*{env.__name__}\.simulator cannot be"):
        laps.run(96, interrupt_at=48)
    with pytest.warns(UserWarning, match=r"Resumed at step \d+, .* new episodes.*\.simulator cannot be"):
        laps.run(192)
    assert [label - observation for observation, label in laps.labels] == [1.0] * len(laps.labels)
    assert laps.model.ep_info_buffer
    assert all((info["r"], info["l"]) == (210.0, 20) for info in laps.model.ep_info_buffer)


def test_transitions_of_an_old_and_a_new_episode_do_not_become_one_return(tmp_path: Path) -> None:
    """In a replay buffer of n-step returns the last transition before a resume must end its episode."""
    laps = Laps(tmp_path, partial(vec, env=Locked), partial(off_policy, DQN, n_steps=3, learning_starts=1000))
    with pytest.warns(UserWarning, match="new episodes"):
        laps.run(60, interrupt_at=50).run(80)
    buffer: Any = laps.model.replay_buffer  # type: ignore[attr-defined]
    starts = np.flatnonzero(buffer.observations[:80, 0, 0] == 0)
    assert 60 not in starts, "the run was resumed in mid-episode"
    for start in starts[starts > 0]:
        assert buffer.dones[start - 1, 0] or buffer.timeouts[start - 1, 0], start


def test_new_episodes_after_a_resume_are_not_those_of_the_start(tmp_path: Path) -> None:
    class Drawing(Locked):
        def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[Any, dict[str, Any]]:
            super().reset(seed=seed)
            self.first = float(self.np_random.integers(20, 99))
            return np.full(1, self.first, np.float32), {}

    laps = Laps(tmp_path, partial(vec, env=Drawing), small_ppo)
    with pytest.warns(UserWarning, match="new episodes"):
        laps.run(96, interrupt_at=48).run(64)
    firsts = [observation for observation, _ in laps.labels if observation >= 20]
    assert len(firsts) == len(set(firsts)) > 3


@pytest.mark.slow
@pytest.mark.parametrize("env", [Counting, Locked])
@pytest.mark.parametrize("processes", ["in this one", "in others"])
def test_statistics_of_vec_normalize_are_restored_even_if_episodes_start_anew(
    env: Any, processes: str, tmp_path: Path
) -> None:
    def make() -> VecEnv:
        if processes == "in this one":
            return vec(partial(VecNormalize, norm_reward=False), env=env)
        return VecNormalize(Wrapped(SubprocVecEnv([partial(_monitored, env)])), norm_reward=False)

    laps = Laps(tmp_path, make, small_ppo)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        count = laps.run(96, interrupt_at=48).env.obs_rms.count
        laps.env.close()
        laps.run(64)
    assert laps.env.obs_rms.count > count > 32
    laps.env.close()


def _monitored(env: Callable[[], Any]) -> Any:
    return Monitor(env())


def test_stacks_statistics_and_running_returns_of_all_wrappers_are_restored(tmp_path: Path) -> None:
    def make() -> VecEnv:
        def single() -> Any:
            env: Any = gym.wrappers.NormalizeObservation(gym.wrappers.TimeLimit(EzPickled(), 17))
            return gym.wrappers.RecordEpisodeStatistics(Monitor(env), stats_key="statistics")

        return VecNormalize(VecFrameStack(Wrapped(VecMonitor(DummyVecEnv([single] * 2))), 3), norm_reward=False)

    check_resumed_equals_uninterrupted(tmp_path, make, small_ppo)


@pytest.mark.slow
def test_random_generators_of_environments_their_spaces_and_wrappers_are_restored(tmp_path: Path) -> None:
    class Random(EzPickled):
        def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
            _, _, ends, truncated, info = super().step(action)
            self.action_space.sample()  # the learner's own space, in a DummyVecEnv
            observation = self.observation_space.sample() + self.np_random.random(1, np.float32)
            return np.minimum(observation, 99), info["social_reward"], ends, truncated, info

    def make() -> VecEnv:
        def single() -> Any:
            env = Random()
            env.action_space = spaces.Discrete(2, seed=0)
            env.observation_space = spaces.Box(0, 99, (1,), np.float32, seed=0)
            return Monitor(env)

        return Wrapped(DummyVecEnv([single]))

    check_resumed_equals_uninterrupted(tmp_path / "ppo", make, small_ppo)
    check_resumed_equals_uninterrupted(tmp_path / "dqn", make, partial(off_policy, DQN, learning_starts=60))


def test_files_of_monitors_go_on_where_they_were(tmp_path: Path) -> None:
    def make() -> VecEnv:
        return Wrapped(DummyVecEnv([lambda: Monitor(EzPickled(), str(tmp_path / "log"), override_existing=False)]))

    (tmp_path / "log.monitor.csv").write_text('#{"t_start": 0.0}\nr,l,t\n')
    with warnings.catch_warnings():
        warnings.filterwarnings("error", ".*new episodes.*")
        Laps(tmp_path / "ck", make, small_ppo).run(96, interrupt_at=32).run(96)
    rows = [line.rsplit(",", 1)[0] for line in (tmp_path / "log.monitor.csv").read_text().splitlines()[2:]]
    assert rows == ["210.0,20"] * 4 + ["210.0,20"] * (len(rows) - 4)
    assert 4 <= len(rows) <= 5


class Remembering(Caregiver):
    """Praises each transition by the number of transitions that it has seen."""

    def __init__(self) -> None:
        self.n_seen = 0

    def social_reward(self, transition: Any) -> float:
        self.n_seen += 1
        return float(self.n_seen)


def test_caregivers_get_their_state_back_and_remain_the_objects_that_others_talk_to(tmp_path: Path) -> None:
    caregivers: list[Any] = []

    def make() -> VecEnv:
        env = SocialRewardWrapper(EzPickled(), Remembering())
        caregivers.append(env.caregiver)
        return Wrapped(DummyVecEnv([lambda: Monitor(env)]))

    laps = Laps(tmp_path, make, small_ppo).run(96, interrupt_at=48).run(64)
    assert [label for _, label in laps.labels] == list(range(1, 65))
    assert caregivers[1].n_seen == 64
    assert laps.env.venv.envs[0].env.caregiver is caregivers[1]


def test_what_layers_share_is_shared_again_and_links_lead_to_the_new_layers() -> None:
    def make() -> Any:
        venv = vec(env=EzPickled, n=2)
        first, second = (monitor.env for monitor in venv.venv.envs)  # type: ignore[attr-defined]
        first.other, second.other, first.shared = second, first, []
        second.shared = venv.shared = first.shared  # type: ignore[attr-defined]
        return venv

    old, new = make(), make()
    old.shared.append(1)
    data, obstacle = dumps_with_environments({"shared": old.shared}, old)
    state, _ = loads_with_environments(data, new)
    assert obstacle is None
    first, second = (monitor.env for monitor in new.venv.envs)
    assert (first.other, second.other) == (second, first)
    assert first.shared is second.shared is new.shared is state["shared"]
    assert new.shared == [1]


def test_an_outer_wrapper_that_cannot_be_pickled_is_named(tmp_path: Path) -> None:
    def make() -> VecEnv:
        return vec(lambda venv: VecVideoRecorder(venv, str(tmp_path), lambda step: False))

    class Rendered(Counting):
        render_mode = "rgb_array"
        metadata = {"render_modes": ["rgb_array"]}  # noqa: RUF012

    env = vec(partial(VecNormalize, norm_reward=False), env=Rendered)
    env.venv.window = threading.Lock()  # type: ignore[attr-defined]
    _, obstacle = dumps_with_environments({}, env)
    assert obstacle is not None
    assert obstacle.startswith("VecISRReward.window cannot be pickled")


def praise(t: Any) -> float:
    """The script's own function, which pickles only name."""
    return 1.0


def test_the_code_of_a_script_is_the_new_one_after_a_resume(monkeypatch: pytest.MonkeyPatch) -> None:
    """Cloudpickle would take the functions and classes of ``__main__`` along as they were."""
    import __main__

    def named(value: float) -> Any:
        namespace: dict[str, Any] = {"__name__": "__main__"}
        exec(f"def reward(t): return {value}\nclass Thing: value = {value}", namespace)
        return namespace

    for value in (1.0, 2.0):
        names = named(value)
        for name in ("reward", "Thing"):
            monkeypatch.setattr(__main__, name, names[name], raising=False)
        if value == 1.0:
            data = dumps([names["reward"], names["Thing"]()])
    function, thing = loads(data)
    assert function(None) == thing.value == 2.0


def test_layers_come_once_each() -> None:
    shared = Remembering()
    venv = vec(partial(VecNormalize, norm_reward=False), n=2)
    for monitor in venv.venv.venv.envs:  # type: ignore[attr-defined]
        monitor.env.caregiver = shared
    names = [type(layer).__name__ for layer in layers_of(venv)]
    outer, first, second = names[:3], names[3:6], names[6:]
    assert outer == ["VecNormalize", "VecISRReward", "DummyVecEnv"]
    assert first == ["Monitor", "Counting", "Remembering"]
    assert second == ["Monitor", "Counting"]
