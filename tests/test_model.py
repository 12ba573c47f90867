import pickle
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch
from gymnasium import spaces
from stable_baselines3.common.torch_layers import BaseFeaturesExtractor

from sb3_isr import PAPER_ISR, GridOneHot, InternalSocialReward

BOX = spaces.Box(-1, 1, (3,), np.float32)
GRID = spaces.Box(0, 255, (9, 9, 4), np.uint8)
SPACES: list[gym.Space[Any]] = [
    BOX,
    GRID,
    spaces.Discrete(5),
    spaces.MultiDiscrete([3, 4]),
    spaces.MultiBinary(4),
    spaces.Dict({"a": BOX, "b": spaces.Discrete(3)}),
]
ACTIONS: list[gym.Space[Any]] = [
    spaces.Discrete(3),
    spaces.Discrete(3, start=1),
    spaces.MultiDiscrete([2, 3]),
    spaces.MultiBinary(2),
    spaces.Box(-2, 2, (2,), np.float32),
    spaces.Box(-np.inf, np.inf, (2,), np.float32),
]


def batch(space: gym.Space[Any], n: int, seed: int = 0) -> Any:
    space.seed(seed)
    samples = [space.sample() for _ in range(n)]
    if isinstance(space, spaces.Dict):
        return {key: np.array([sample[key] for sample in samples]) for key in space.spaces}
    return np.array(samples)


@pytest.mark.parametrize("observation_space", SPACES, ids=str)
@pytest.mark.parametrize("action_space", ACTIONS, ids=str)
def test_one_number_for_each_transition_whatever_the_spaces(
    observation_space: gym.Space[Any], action_space: gym.Space[Any]
) -> None:
    isr = InternalSocialReward(observation_space, action_space)
    observations, actions = batch(observation_space, 7), batch(action_space, 7)
    together = isr.predict(observations, actions)
    assert together.shape == (7,)
    assert together.dtype == np.float32
    assert len(set(together.tolist())) > 1
    alone = isr.predict(batch(observation_space, 1), batch(action_space, 1))
    assert alone == pytest.approx(together[:1], abs=1e-5)


def test_box_actions_are_scaled_by_their_bounds() -> None:
    narrow, wide = (
        InternalSocialReward(BOX, spaces.Box(-bound, bound, (2,), np.float32), seed=0) for bound in (0.5, 50.0)
    )
    observations, actions = batch(BOX, 4), batch(spaces.Box(-1, 1, (2,), np.float32), 4)
    np.testing.assert_allclose(
        narrow.predict(observations, 0.5 * actions), wide.predict(observations, 50 * actions), rtol=1e-5
    )


def test_building_one_leaves_the_learners_randomness_alone() -> None:
    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)
    one, other = (InternalSocialReward(BOX, ACTIONS[0], seed=seed) for seed in (0, 1))
    assert torch.equal(torch.rand(1), expected)
    again = InternalSocialReward(BOX, ACTIONS[0], seed=0)
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), again.parameters(), strict=True))
    assert not torch.equal(next(one.parameters()), next(other.parameters()))


def test_paper_preset_writes_the_action_at_the_agents_cell() -> None:
    isr = InternalSocialReward(GRID, ACTIONS[0], **PAPER_ISR)
    seen: list[torch.Tensor] = []
    isr.features_extractor.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    observation = np.zeros((2, 9, 9, 4), np.uint8)
    observation[:, 4, 4, 0] = 10
    isr.predict(observation, np.array([1, 2]))
    expected = torch.zeros(2, 9, 9)
    expected[0, 4, 4], expected[1, 4, 4] = 1, 2
    assert torch.equal(seen[0][..., 4], expected)
    assert torch.equal(seen[0][..., :4], torch.as_tensor(observation).float())
    assert [tuple(p.shape) for p in isr.net.parameters() if p.ndim == 2] == [(32, 1568), (32, 32), (1, 32)]
    weight = next(isr.net.parameters()).detach()
    torch.testing.assert_close(weight @ weight.T, 2 * torch.eye(32), atol=1e-4, rtol=0)  # orthogonal, gain sqrt(2)


def test_plane_encoding_needs_a_grid_and_discrete_actions() -> None:
    for observation_space, action_space in ((SPACES[0], ACTIONS[0]), (SPACES[1], ACTIONS[2])):
        with pytest.raises(ValueError, match='use "one_hot"'):
            InternalSocialReward(observation_space, action_space, action_encoding="plane")
    with pytest.raises(ValueError, match="got 'two_hot'"):
        InternalSocialReward(GRID, ACTIONS[0], action_encoding="two_hot")  # type: ignore[arg-type]


def test_shapes_that_do_not_fit_are_refused() -> None:
    isr = InternalSocialReward(BOX, ACTIONS[0])
    with pytest.raises(ValueError, match=r"\[n, 3\].*got \[3\]"):
        isr.predict(np.zeros(3), np.zeros(1))
    with pytest.raises(ValueError, match=r"actions must have the shape \[2\].*got \[3\]"):
        isr.predict(np.zeros((2, 3)), np.zeros(3))
    with pytest.raises(ValueError, match="finite"):
        isr.predict(np.full((1, 3), np.nan), np.zeros(1))


ARCHITECTURES: list[tuple[gym.Space[Any], gym.Space[Any], dict[str, Any]]] = [
    (BOX, ACTIONS[4], {"net_arch": [8], "activation_fn": torch.nn.Tanh, "optimizer_class": torch.optim.AdamW}),
    (GRID, ACTIONS[0], PAPER_ISR),
    (GRID, ACTIONS[0], {"features_extractor_class": GridOneHot, "normalize_images": False}),
    (SPACES[5], ACTIONS[2], {}),
]


@pytest.mark.parametrize(("observation_space", "action_space", "kwargs"), ARCHITECTURES)
def test_a_saved_isr_rewards_as_before(
    observation_space: gym.Space[Any], action_space: gym.Space[Any], kwargs: dict[str, Any], tmp_path: Path
) -> None:
    isr = InternalSocialReward(observation_space, action_space, **kwargs, seed=5)
    isr.save(tmp_path / "isr.safetensors")
    loaded = InternalSocialReward.load(tmp_path / "isr.safetensors")
    observations, actions = batch(observation_space, 5), batch(action_space, 5)
    np.testing.assert_array_equal(loaded.predict(observations, actions), isr.predict(observations, actions))
    loaded.check_spaces(observation_space, action_space)
    assert type(loaded.optimizer) is type(isr.optimizer)
    assert [path.name for path in tmp_path.iterdir()] == ["isr.safetensors"]


class Own(BaseFeaturesExtractor):
    """An extractor that sb3-isr does not know."""

    def __init__(self, observation_space: gym.Space[Any]) -> None:
        super().__init__(observation_space, 3)

    def forward(self, observations: torch.Tensor) -> torch.Tensor:
        return observations


def test_a_class_of_ones_own_is_given_not_imported(tmp_path: Path) -> None:
    path = tmp_path / "isr.safetensors"
    InternalSocialReward(BOX, ACTIONS[0], features_extractor_class=Own).save(path)
    with pytest.raises(ValueError, match="must be given as features_extractor_class"):
        InternalSocialReward.load(path)
    assert isinstance(InternalSocialReward.load(path, features_extractor_class=Own).features_extractor, Own)


class Bomb:
    """Unpickling it would create a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return (Path.touch, (self.path,))


def test_a_file_that_is_no_isr_is_refused_and_run_by_nobody(tmp_path: Path) -> None:
    path = tmp_path / "isr.safetensors"
    InternalSocialReward(BOX, ACTIONS[0]).save(path)
    whole = path.read_bytes()
    for content in (b"", whole[:-10], whole[:40], whole[:3], pickle.dumps(Bomb(tmp_path / "went_off"))):
        path.write_bytes(content)
        with pytest.raises(ValueError, match="not a whole file"):
            InternalSocialReward.load(path)
    assert not (tmp_path / "went_off").exists()
    with pytest.raises(FileNotFoundError):
        InternalSocialReward.load(tmp_path / "nowhere")


def test_saving_again_replaces_the_file_only_once_it_is_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "isr.safetensors"
    InternalSocialReward(BOX, ACTIONS[0]).save(path)
    before = path.read_bytes()

    def disk_full(*args: Any) -> None:
        raise OSError("No space left on device")

    monkeypatch.setattr("safetensors.torch.save_file", disk_full)
    with pytest.raises(OSError, match="No space"):
        InternalSocialReward(BOX, ACTIONS[0], seed=9).save(path)
    assert path.read_bytes() == before
