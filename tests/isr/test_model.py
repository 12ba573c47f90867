import copy
import pickle
from collections import OrderedDict
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch
from gymnasium import spaces

from sb3_isr import PAPER_ISR, InternalSocialReward

BOX = spaces.Box(-1, 1, (3,), np.float32)
GRID = spaces.Box(0, 255, (9, 9, 4), np.uint8)
MINIGRID = spaces.Dict({"image": spaces.Box(0, 255, (7, 7, 3), np.uint8), "direction": spaces.Discrete(4)})
SPACES: list[gym.Space[Any]] = [
    BOX,
    GRID,
    spaces.Box(0, 255, (3, 3, 3), np.uint8),
    spaces.Box(0, 255, (36, 40, 3), np.uint8),
    spaces.Box(0, 255, (1, 40, 36), np.uint8),
    spaces.Box(-1, 1, (2, 2), np.float64),
    spaces.Box(0, 1, (4,), dtype=np.bool_),
    spaces.Box(0, 2**16 - 1, (4,), np.uint16),
    spaces.Discrete(5),
    spaces.MultiDiscrete([3, 4]),
    spaces.MultiBinary(4),
    spaces.MultiBinary((2, 2)),
    spaces.Dict({"a": BOX, "b": spaces.Discrete(3)}),
    MINIGRID,
    spaces.Dict({"camera": spaces.Box(0, 255, (36, 36, 1), np.uint8), "keys": spaces.MultiBinary(2), "a.b": BOX}),
]
ACTIONS: list[gym.Space[Any]] = [
    spaces.Discrete(3),
    spaces.Discrete(3, start=1),
    spaces.MultiDiscrete([2, 3]),
    spaces.MultiDiscrete([2, 3], start=[1, -1]),
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
    assert alone == pytest.approx(together[:1], rel=1e-5, abs=1e-4)


def test_box_actions_are_scaled_by_their_bounds_to_minus_one_and_one() -> None:
    """A component that cannot change is -1."""
    action_space = spaces.Box(np.array([0, -2, 1], np.float32), np.array([10, 2, 1], np.float32))
    isr = InternalSocialReward(BOX, action_space, seed=0)
    seen: list[torch.Tensor] = []
    isr.net.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    isr.predict(np.zeros((3, 3), np.float32), np.array([[0, -2, 1], [5, 1, 1], [10, 2, 1]], np.float32))
    assert seen[0][:, 3:].tolist() == [[-1, -1, -1], [0, 0.5, -1], [1, 1, -1]]


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


def test_a_space_that_sb3_has_not_is_refused_when_the_isr_is_made() -> None:
    with pytest.raises(ValueError, match="wrap the environment"):
        InternalSocialReward(spaces.Tuple([BOX]), ACTIONS[0])


def test_an_image_is_rewarded_alike_with_its_channels_first_or_last() -> None:
    last = InternalSocialReward(spaces.Box(0, 255, (36, 48, 3), np.uint8), ACTIONS[0], seed=0)
    first = InternalSocialReward(spaces.Box(0, 255, (3, 36, 48), np.uint8), ACTIONS[0], seed=1)
    first.load_state_dict(last.state_dict())
    images, actions = batch(last.observation_space, 5), batch(ACTIONS[0], 5)
    np.testing.assert_allclose(first.predict(np.moveaxis(images, -1, 1), actions), last.predict(images, actions), 1e-5)


@pytest.mark.parametrize(("normalize_images", "factor"), [(True, 1 / 255), (False, 1.0)])
def test_what_the_network_sees_of_a_minigrid_observation(normalize_images: bool, factor: float) -> None:
    """The 7x7x3 grid is no image to a CNN, and no axis of it is moved."""
    isr = InternalSocialReward(MINIGRID, ACTIONS[0], normalize_images=normalize_images, net_arch=[])
    seen: list[torch.Tensor] = []
    isr.net.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    grid = np.arange(147, dtype=np.uint8).reshape(1, 7, 7, 3)
    isr.predict({"direction": np.array([2]), "image": grid}, np.array([1]))
    expected = [0, 0, 1, 0, *(factor * np.arange(147)), 0, 1, 0]
    np.testing.assert_allclose(seen[0][0], expected, rtol=1e-6)


def test_actions_are_encoded_as_numbers_that_count_from_zero() -> None:
    isr = InternalSocialReward(BOX, spaces.MultiDiscrete([2, 3], start=[1, -1]), net_arch=[])
    seen: list[torch.Tensor] = []
    isr.net.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    isr.predict(np.zeros((2, 3), np.float32), np.array([[1, -1], [2, 1]]))
    assert seen[0][:, 3:].tolist() == [[1, 0, 1, 0, 0], [0, 1, 0, 0, 1]]


def test_arrays_come_in_any_order_of_memory_and_of_keys() -> None:
    isr = InternalSocialReward(MINIGRID, ACTIONS[0], seed=0)
    observations, actions = batch(MINIGRID, 4), batch(ACTIONS[0], 4)
    expected = isr.predict(observations, actions)
    mirrored = {key: value[::-1] for key, value in reversed(observations.items())}
    np.testing.assert_allclose(isr.predict(mirrored, actions[::-1])[::-1], expected, rtol=1e-5)


def test_dict_spaces_in_another_order_are_the_same() -> None:
    ordered = spaces.Dict(OrderedDict(reversed(MINIGRID.spaces.items())))
    InternalSocialReward(MINIGRID, ACTIONS[0]).check_spaces(ordered, ACTIONS[0])


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda isr: pickle.loads(pickle.dumps(isr))], ids=["copy", "pickle"])
def test_a_copy_rewards_alike_and_learns_for_itself(copied: Any) -> None:
    isr = InternalSocialReward(MINIGRID, ACTIONS[0], seed=0)
    isr.label_range = (-9.0, 9.0)
    observations, actions = batch(MINIGRID, 4), batch(ACTIONS[0], 4)
    other, before = copied(isr), isr.predict(observations, actions)
    np.testing.assert_array_equal(other.predict(observations, actions), before)
    assert other.label_range == (-9.0, 9.0)
    other(*other.tensors(observations, actions)).sum().backward()
    other.optimizer.step()
    assert (other.predict(observations, actions) != before).all()
    np.testing.assert_array_equal(isr.predict(observations, actions), before)
