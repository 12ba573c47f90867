"""The examples run."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from gymnasium import spaces

from examples.two_learners import NETWORK, Policy, make_learners, take_turns, worlds
from sb3_isr import ISRCallback

EXAMPLES = Path(__file__).parents[1] / "examples"


def still(observations: np.ndarray) -> np.ndarray:
    return np.zeros(len(observations), int)


def to_the_right(observations: np.ndarray) -> np.ndarray:
    return np.full(len(observations), 2)


@pytest.mark.parametrize(("agent", "color"), [(0, 0), (1, 2)])
def test_a_learner_has_the_rows_of_one_agent_and_the_other_acts_by_itself(agent: int, color: int) -> None:
    policies: list[Policy] = [still, still]
    policies[1 - agent] = to_the_right
    venv = worlds(agent, policies, n_worlds=3)
    venv.seed(0)
    observations = venv.reset()
    assert isinstance(observations, np.ndarray)
    assert observations[:, 4, 4, 1].tolist() == [color] * 3
    assert len({observation.tobytes() for observation in observations}) == 3, "SuperSuit's copies are not alike"
    for _ in range(100):
        venv.step_async(still(observations))
        _, _, dones, infos = venv.step_wait()
        assert [info["isr_action"][1 - agent] for info in infos] == [2, 2, 2]
    assert dones.all()
    assert all(info["TimeLimit.truncated"] and info["episode"]["l"] == 100 for info in infos)


@pytest.mark.slow
def test_two_learners_in_one_world_have_an_isr_each() -> None:
    learners = make_learners(n_worlds=2)
    callbacks = [
        ISRCallback("leave_at_0.5", isr_kwargs=NETWORK, trainer_kwargs={"gradient_steps": 2}) for _ in learners
    ]
    take_turns("praised", learners, callbacks, rounds=1, steps=256)
    assert callbacks[0].isr is not callbacks[1].isr
    for callback in callbacks:
        assert callback.store.n_added > 0
        assert callback.isr.action_space == spaces.MultiDiscrete([6, 6])


@pytest.mark.slow
def test_rl_zoo_runs_are_drawn_and_counted_and_not_repeated(tmp_path: Path) -> None:
    command = [sys.executable, str(EXAMPLES / "rl_zoo.py"), "--out", str(tmp_path), "--tasks", "cartpole"]
    command += ["--seeds", "1", "--steps-scale", "0.02"]
    first, again = (subprocess.run(command, check=True, capture_output=True, text=True).stdout for _ in range(2))
    assert (tmp_path / "learning_curves.png").stat().st_size > 0
    assert first.count("rl_zoo3.train") == 2
    row = first.splitlines()[-1]
    assert again.splitlines() == [*first.splitlines()[-3:-1], row]
    # CartPole's return is its length: a beginner's episode takes about 20 steps, whoever rewards it.
    assert all(8 < float(cell) < 100 for cell in row.split("|")[2:5])
