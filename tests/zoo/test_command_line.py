"""What users of RL Zoo do, in real processes: train, evaluate, keep checkpoints, continue, override, enjoy, record."""

import re
import sys
from pathlib import Path

import numpy as np
import pytest
import rl_zoo3
import yaml
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from sb3_isr import InternalSocialReward, VecISRReward
from sb3_isr.envs import ProsocialVecEnv
from sb3_isr.zoo.__main__ import main
from sb3_isr.zoo.enjoy import RewardPrinter
from tests.zoo.zoo_process import CONFIGS, run_zoo, shortened, train, write_config

RUNS = Path("logs/ppo")


def logged(folder: Path, run: int) -> dict[str, list[float]]:
    """What a run logged for TensorBoard, by name."""
    events = EventAccumulator(str(folder / "tb" / "CartPole-v1" / f"PPO_{run}"))
    events.Reload()
    return {name: [event.value for event in events.Scalars(name)] for name in events.Tags()["scalars"]}


@pytest.mark.slow
def test_train_evaluate_continue_and_enjoy(tmp_path: Path) -> None:
    entry = yaml.safe_load((CONFIGS / "ppo.yml").read_text())["CartPole-v1"]
    entry["callback"] = [{"sb3_isr.ZooISRCallback": {"trainer_kwargs": {"gradient_steps": 300}}}]
    config = write_config(tmp_path, "ppo", "CartPole-v1", entry)
    quick = ("--eval-freq", "256", "--eval-episodes", "2", "--save-freq", "256", "-tb", "tb")
    train(config, "CartPole-v1", "-n", "1024", *quick, cwd=tmp_path)
    first = tmp_path / RUNS / "CartPole-v1_1"
    for name in ("CartPole-v1", "best_model", "rl_model_256_steps"):
        assert (first / f"{name}.zip").exists()
        assert (first / f"{name}.isr" / "isr.safetensors").exists()
    # CartPole's true reward is 1 a step, whoever rewards the learner: also after the departure at step 512.
    evaluations = np.load(first / "evaluations.npz")
    assert np.array_equal(evaluations["results"], evaluations["ep_lengths"])
    assert evaluations["timesteps"].tolist() == [256, 512, 768, 1024]

    # From a checkpoint at a quarter of the way: the caregiver is present, and leaves at its time.
    checkpoint = RUNS / "CartPole-v1_1/rl_model_256_steps.zip"
    train(config, "CartPole-v1", "-n", "1024", *quick, "-i", checkpoint, cwd=tmp_path)
    presence = logged(tmp_path, 2)["isr/presence"]
    assert presence[0] == 1.0
    assert presence[-1] == 0.0
    assert logged(tmp_path, 2)["isr/labels"][0] == 256 + 256

    show = ("--algo", "ppo", "--env", "CartPole-v1", "-f", "logs", "-n", "300", "--exp-id", "1")
    assert "Mean reward:" in run_zoo("rl_zoo3.enjoy", *show, "--no-render", "--gym-packages", "sb3_isr", cwd=tmp_path)
    shown = run_zoo("sb3_isr.zoo enjoy", *show, "--no-render", cwd=tmp_path)
    printed = re.findall(
        r"Environment reward: (\S+), social: (\S+), internal: (\S+)\nEpisode Reward: (\S+)\nEpisode Length (\d+)", shown
    )
    assert printed
    for environment, social, internal, true_reward, length in printed:
        assert (float(environment), float(social)) == (0.0, float(true_reward))
        assert abs(float(internal) / int(length) - 1.0) < 0.5  # the ISR has learned that each step is worth 1

    run_zoo("rl_zoo3.record_video", *show[:-4], "-n", "20", "--no-render", "--exp-id", "1", cwd=tmp_path)
    assert list((first / "videos").glob("*.mp4"))


@pytest.mark.slow
def test_params_override_schedule_and_isr_in_subprocesses_too(tmp_path: Path) -> None:
    config = write_config(tmp_path, "ppo", "CartPole-v1", shortened("ppo", "CartPole-v1"))
    callback = "callback:{'sb3_isr.ZooISRCallback': dict(presence='always', isr_kwargs=dict(net_arch=[8]))}"
    quick = ("-n", "512", "-tb", "tb", "--vec-env", "subproc", "--eval-freq", "256", "--eval-episodes", "1")
    train(config, "CartPole-v1", *quick, "-params", callback, "n_envs:2", cwd=tmp_path)
    assert set(logged(tmp_path, 1)["isr/presence"]) == {1.0}


@pytest.mark.slow
def test_env_kwargs_of_a_configuration_reach_all_of_sb3_isr_zoo(tmp_path: Path) -> None:
    entry = {**shortened("ppo", "sb3_isr/CoinGame-v0"), "env_kwargs": {"max_steps": 7}, "n_envs": 2}
    config = write_config(tmp_path, "ppo", "sb3_isr/CoinGame-v0", entry)
    options = ("--algo", "ppo", "--env", "sb3_isr/CoinGame-v0")
    quick = ("--conf-file", config, "-n", "64", "--eval-freq", "32", "--seed", "0", "--num-threads", "1")
    run_zoo("sb3_isr.zoo train", *options, *quick, cwd=tmp_path)
    run = tmp_path / RUNS / "sb3_isr-CoinGame-v0_1"
    assert set(np.load(run / "evaluations.npz")["ep_lengths"].flat) == {7}
    assert "Mean episode length: 7.00" in run_zoo(
        "sb3_isr.zoo enjoy", *options, "-f", "logs", "--no-render", "-n", "30", cwd=tmp_path
    )
    run_zoo("sb3_isr.zoo record_video", *options, "-f", "logs", "-n", "10", "--no-render", cwd=tmp_path)
    assert list((run / "videos").glob("*.mp4"))


MASKED_ENV = """
import gymnasium
from sb3_isr.envs import CoinGameEnv


class NoLeftTurns(CoinGameEnv):
    def action_masks(self):
        return [False, True, True]

    def step(self, action):
        assert action != 0, "a masked action was taken"
        return super().step(action)


gymnasium.register(id="NoLeftTurns-v0", entry_point="masked_env:NoLeftTurns")
"""


@pytest.mark.slow
def test_maskable_ppo_takes_no_masked_action(tmp_path: Path) -> None:
    (tmp_path / "masked_env.py").write_text(MASKED_ENV)
    entry = {**shortened("ppo", "sb3_isr/CoinGame-v0"), "n_envs": 2}
    config = write_config(tmp_path, "ppo_mask", "NoLeftTurns-v0", entry)
    options = ("--algo", "ppo_mask", "--env", "NoLeftTurns-v0")
    packages = ("--gym-packages", "masked_env")
    quick = ("--conf-file", config, "-n", "128", "--eval-freq", "32", "--seed", "0", "--num-threads", "1")
    run_zoo("sb3_isr.zoo train", *options, *packages, *quick, cwd=tmp_path)
    show = ("-f", "logs", "--no-render", "-n", "60", "--stochastic")
    assert "internal: " in run_zoo("sb3_isr.zoo enjoy", *options, *packages, *show, cwd=tmp_path)


def test_enjoy_prints_internal_rewards_of_the_actions_that_the_isr_is_given(capsys: pytest.CaptureFixture[str]) -> None:
    games = VecISRReward(ProsocialVecEnv(1, max_steps=5))
    isr = InternalSocialReward(*games.isr_spaces(), net_arch=[4], device="cpu")
    venv = RewardPrinter(games, isr)
    observations = venv.reset()
    internal = 0.0
    for _ in range(5):
        forward = np.array([3])
        venv.step_async(forward)
        seen = observations
        observations, _, _, infos = venv.step_wait()
        assert isinstance(seen, np.ndarray)
        assert isinstance(observations, np.ndarray)
        last = infos[0].get("terminal_observation", observations[0])[None]  # the fifth step is truncated
        internal += float(isr.predict(seen, np.array([infos[0]["isr_action"]]), last, np.zeros(1, bool))[0])
    assert f"Environment reward: -0.90, social: 0.00, internal: {internal:.2f}" in capsys.readouterr().out


def test_sb3_isr_zoo_lists_what_it_can_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["zoo", "plot_train"])
    with pytest.raises(SystemExit, match=r"one of train, enjoy, record_video, got 'plot_train'"):
        main()
    assert "ppo_mask" not in rl_zoo3.ALGOS, "nothing was changed"
