"""The study of teaching: its rules are those of its tasks, and its persons err as they should."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from minigrid.wrappers import ImgObsWrapper

from reproduction.results import Results
from reproduction.study_runs import TeachRun
from reproduction.teach import teach_runs, write_teach
from reproduction.teach_persons import Habits, SimulatedPerson
from reproduction.teach_run import METHODS, run_teach
from reproduction.teach_tasks import TEACH_TASKS, Reach, coins, door_and_goal, reach
from sb3_isr.common.batches import Array
from sb3_isr.envs import CoinGameVecEnv
from sb3_isr.labels import Transitions
from sb3_isr.labels.transitions import last_observations
from sb3_isr.respondents import Question
from tests.labels.made_labels import make_labels


def test_the_coin_games_rule_praises_what_the_game_praises() -> None:
    env, rng = CoinGameVecEnv(32, n_walls=3), np.random.default_rng(0)
    env.seed(0)
    observations: Any = env.reset()
    n_praises = 0
    for _ in range(60):
        actions = rng.integers(3, size=32)
        following: Any
        following, _, dones, infos = env.step(actions)
        given = [info["social_reward"] for info in infos]
        last = last_observations(following, dones, infos)
        np.testing.assert_allclose(coins(Transitions(observations, actions, last, np.zeros(32, bool))), given)
        observations = following
        n_praises += sum(reward > 0 for reward in given)
    assert n_praises > 5


def test_the_rule_of_door_key_praises_unlocking_once_and_the_goal() -> None:
    env: Any = ImgObsWrapper(gym.make("MiniGrid-DoorKey-5x5-v0"))  # type: ignore[no-untyped-call]
    praised: list[float] = []
    for seed in range(40):
        observation, _ = env.reset(seed=seed)
        rng, was_locked, done = np.random.default_rng(seed), True, False
        while not done:
            action = int(rng.integers(6))
            following, _, terminated, truncated, _ = env.step(action)
            grid = env.unwrapped.grid.grid
            is_locked = any(cell is not None and cell.type == "door" and cell.is_locked for cell in grid)
            step = Transitions(observation[None], np.array([action]), following[None], np.array([terminated]))
            expected = 1.0 if terminated else 0.2 if was_locked and not is_locked else 0.0
            assert door_and_goal(step)[0] == pytest.approx(expected)
            praised.append(expected)
            observation, was_locked, done = following, is_locked, terminated or truncated
    assert {0.0, 0.2, 1.0} == set(praised)


def test_reaching_the_mark_is_praised_and_leaving_the_field_is_scolded() -> None:
    env, given = Reach(), set()
    for seed in range(30):
        observation, _ = env.reset(seed=seed)
        ends = False
        while not ends:
            action = (np.clip(2 * observation[4:], -1, 1) if seed % 2 else np.array([1, 0])).astype(np.float32)
            following, _, terminated, truncated, _ = env.step(action)
            step = Transitions(observation[None], action[None], following[None], np.array([terminated]))
            given.add((float(reach(step)[0]), terminated))
            observation, ends = following, terminated or truncated
        if seed % 2:
            assert reach(step)[0] == 1.0  # who pushes towards the mark gets there
    assert given == {(0.0, False), (1.0, True), (-0.5, True)}


@pytest.mark.parametrize("name", TEACH_TASKS)
def test_the_caregiver_of_each_task_follows_its_rule(name: str) -> None:
    env = TEACH_TASKS[name].env()
    env.reset()
    _, rewards, _, infos = env.step(np.array([env.action_space.sample() for _ in range(env.num_envs)]))
    assert all("social_reward" in info for info in infos)
    assert np.isfinite(rewards).all()


def questions(n: int, k: int = 10) -> list[Question]:
    """Questions about transitions of which every fourth terminates."""
    return [Question(f"q{i}", make_labels([0.0] * k).transitions, 0, 0, "") for i in range(n)]


def ends(transitions: Transitions) -> Array:
    return transitions.terminated.astype(np.float32)


def test_key_presses_are_marks_and_enter_and_a_person_stops_when_there_are_no_more() -> None:
    person = SimulatedPerson(ends, Habits(key_presses=10), 0)
    person.put(questions(9))
    assert [answer.rewards.nonzero()[0].tolist() for answer in person.take()] == [[3, 7]] * 3
    assert person.key_presses == 9
    person.put(questions(3, k=1))
    assert (len(person.take()), person.key_presses) == (1, 10)


def test_persons_err() -> None:
    def marks(habits: Habits) -> list[list[int]]:
        person = SimulatedPerson(ends, habits, 0)
        person.put(questions(200))
        return [answer.rewards.nonzero()[0].tolist() for answer in person.take()]

    assert marks(Habits(late=True, key_presses=10**6)) == [[4, 8]] * 200
    skipped = [len(each) == 10 for each in marks(Habits(skipped=0.2, key_presses=10**6))]  # NaN is not 0
    assert 20 < sum(skipped) < 60
    wrong = [each != [3, 7] for each in marks(Habits(wrong=0.05, key_presses=10**6))]
    assert 5 < sum(wrong) < 40
    delayed = SimulatedPerson(ends, Habits(delay=2), 0)
    delayed.put(questions(1))
    assert [len(delayed.take()) for _ in range(4)] == [0, 0, 1, 0]


@pytest.mark.slow
@pytest.mark.parametrize("method", ["every step", "episodes", "steps by uncertainty"])
def test_a_run_records_goals_answers_and_key_presses(method: str) -> None:
    result = run_teach("coin game", method, 0, 4_096, lambda steps: None)
    assert len(result["goals"]) == len(result["answers"]) == len(result["key_presses"]) == 10
    assert max(result["goals"]) > 0
    assert (result["key_presses"][-1] > 0) == (result["answers"][-1] > 0) == (method != "every step")
    assert result["key_presses"][-1] <= 60


def cells(table: str) -> list[list[str]]:
    """The first three cells of each row."""
    return [[cell.strip() for cell in line.split("|")[1:4]] for line in table.splitlines()]


def test_table_and_figure_show_what_is_done(tmp_path: Path) -> None:
    results = Results(tmp_path / "results", tmp_path / "work")
    runs = [run for run in teach_runs() if run.task == "coin game" and run.method in ("every step", "episodes")]
    for run in runs[:4]:
        goals = 3.0 if run.method == "every step" else 2.0 + run.seed
        curve = {name: [value] * 10 for name, value in (("goals", goals), ("answers", 50), ("key_presses", 58))}
        results.write(run, {**curve, "praises": 9})
    table = write_teach(results, tmp_path / "out")
    assert ["every step", "2/10", "3.00 (n=2); 3.00"] in cells(table)
    assert ["episodes", "2/10", "2.50 (n=2); 2.00"] in cells(table)
    assert "0.83 (n=2); 0.67" in table
    assert table.strip() in (tmp_path / "out" / "teach.md").read_text()
    assert (tmp_path / "out" / "images" / "teach.png").stat().st_size > 10_000


def test_runs_come_in_the_order_of_their_importance() -> None:
    runs = teach_runs()
    assert len({run.path for run in runs}) == len(runs) == len(TEACH_TASKS) * len(METHODS) * 10
    assert [run.method for run in runs[:3]] == ["every step", "episodes", "every step"]
    assert all(isinstance(run, TeachRun) and run.task == "coin game" for run in runs[:100])
