"""From an environment's id to an entry with internalization, and from an entry to a learner."""

from pathlib import Path

import pytest
from stable_baselines3.common.vec_env import DummyVecEnv, VecEnvWrapper

from sb3_isr import ZooISRCallback
from sb3_isr.envs import CoinGameVecEnv
from sb3_isr.tuning.entry import build, callback_kwargs, changed, read_entry
from tests.tuning.small import ENTRY

ROOT = Path(__file__).parents[2]


def test_our_own_entries_come_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    assert read_entry("CartPole-v1", "ppo", None)["learning_rate"] == "lin_0.001"
    assert callback_kwargs(read_entry("CartPole-v1", "ppo", None)) == {"presence": "leave_at_0.5"}


def test_rl_zoo_s_own_entry_gets_what_internalization_needs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    entry = read_entry("BipedalWalker-v3", "ppo", None)
    assert entry["n_steps"] == 2048
    assert entry["normalize"] == {"norm_obs": True, "norm_reward": False}
    assert entry["env_wrapper"] == [{"sb3_isr.SocialRewardWrapper": {"caregiver": "sb3_isr.TaskRewardCaregiver"}}]


@pytest.mark.parametrize(("env_id", "has_key"), [("sb3_isr/CoinGame-v0", True), ("MountainCarContinuous-v0", False)])
def test_an_environment_with_social_rewards_gets_no_caregiver(
    env_id: str, has_key: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    entry = changed(read_entry(env_id, "a2c", None), {"presence": "always"}, {"n_envs": 2})
    assert ("env_wrapper" not in entry) == has_key
    entry = changed(entry, {"trainer_kwargs": {"gradient_steps": 5}}, {})
    model, callback = build({**entry, "n_timesteps": 100}, env_id, "a2c", 0)
    model.learn(100, callback=callback)
    assert callback.store.n_added == model.num_timesteps


def test_what_is_not_known_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"--algo must be one of .*ppo.*, got pppo"):
        read_entry("CartPole-v1", "pppo", None)
    with pytest.raises(ValueError, match="ENV_ID must be registered with Gymnasium, got CartPole-v7"):
        read_entry("CartPole-v7", "ppo", None)
    with pytest.raises(ValueError, match="--config must have an entry for Taxi-v4"):
        read_entry("Taxi-v4", "ppo", ROOT / "zoo_configs/ppo.yml")


def test_changes_are_merged_and_the_entry_is_left() -> None:
    entry = changed(ENTRY, {"isr_kwargs": {"net_arch": [8]}, "coefficient": 2.0}, {"n_envs": 2})
    entry = changed(entry, {"isr_kwargs": {"n_members": 2}}, {})
    kwargs = callback_kwargs(entry)
    assert kwargs["isr_kwargs"] == {"net_arch": [8], "n_members": 2}
    assert (kwargs["presence"], kwargs["coefficient"], entry["n_envs"]) == ("leave_at_0.5", 2.0, 2)
    assert "isr_kwargs" not in callback_kwargs(ENTRY)
    assert ENTRY["n_envs"] == 4


def test_the_coin_game_is_stepped_in_batches() -> None:
    model, callback = build({**ENTRY, "n_timesteps": 1}, "sb3_isr/CoinGame-plus-v0", "ppo", 0)
    assert isinstance(model.env, VecEnvWrapper)
    assert isinstance(model.env.unwrapped, CoinGameVecEnv)
    assert model.observation_space.shape == (4, 9, 9)  # the map "plus"; the random ones are smaller
    assert isinstance(callback, ZooISRCallback)
    normalizing = {**ENTRY, "n_timesteps": 1, "normalize": {"norm_obs": True, "norm_reward": False}}
    slow, _ = build(normalizing, "sb3_isr/CoinGame-plus-v0", "ppo", 0)
    assert isinstance(slow.env.unwrapped, DummyVecEnv)  # type: ignore[union-attr]
