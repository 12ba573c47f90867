"""The ISR: what it predicts, and what the network gets to see."""

import copy
import pickle
from collections import OrderedDict
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch
from gymnasium import spaces

from sb3_isr import InternalSocialReward
from sb3_isr.labels import LabelRange
from sb3_isr.labels.label_range import LabelRanges
from tests.isr.some_spaces import ACTIONS, BOX, DISCRETE, MINIGRID, OBSERVATIONS, transitions_of

PAIRS = [(space, ACTIONS[i % len(ACTIONS)]) for i, space in enumerate(OBSERVATIONS)]


def plant(isr: InternalSocialReward, *outputs: float) -> None:
    """Make each member of an ensemble predict a number, whatever the transition."""
    net: Any = isr.net
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.zero_()
        net.biases[-1][:, 0, 0] = torch.tensor(outputs)


def inputs_of_the_network(isr: InternalSocialReward, observations: Any, actions: Any, *outcome: Any) -> torch.Tensor:
    """What the MLP gets to see of a batch."""
    seen: list[torch.Tensor] = []
    hook = isr.net.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    isr.predict(observations, actions, *outcome)
    hook.remove()
    return seen[0]


@pytest.mark.parametrize(("observation_space", "action_space"), PAIRS, ids=str)
def test_one_number_for_each_transition_whatever_the_spaces(
    observation_space: gym.Space[Any], action_space: gym.Space[Any]
) -> None:
    isr = InternalSocialReward(observation_space, action_space)
    transitions = transitions_of(observation_space, action_space, 7)
    together = isr.predict(*transitions)
    assert together.shape == (7,)
    assert together.dtype == np.float32
    assert len(set(together.tolist())) > 1
    alone = isr.predict(*transitions.select([0]))
    assert alone == pytest.approx(together[:1], rel=1e-5, abs=1e-4)


@pytest.mark.parametrize(("pessimism", "expected"), [(0.0, 0.5), (2.0, 0.5 - 2 * 0.5)])
def test_an_ensemble_predicts_its_mean_less_its_standard_deviation(pessimism: float, expected: float) -> None:
    isr = InternalSocialReward(BOX, DISCRETE, n_members=4, pessimism=pessimism)
    plant(isr, 0.0, 0.0, 1.0, 1.0)
    transitions = transitions_of(BOX, DISCRETE, 2)
    assert isr.predict(*transitions).tolist() == pytest.approx([expected] * 2)
    assert isr.predict_members(*transitions).tolist() == [[0, 0], [0, 0], [1, 1], [1, 1]]


FEW, MANY = LabelRange(0.0, 0.4, (0.0, 0.4), recognized=True), LabelRange(-1.0, 2.0)
UNRECOGNIZED = FEW._replace(recognized=False)


@pytest.mark.parametrize(
    ("limit", "label_range", "output_to_reward"),
    [
        ("range", FEW, {-1.0: 0.0, 0.19: 0.19, 7.0: 0.4}),
        ("range", None, {-1.0: -1.0, 7.0: 7.0}),
        ("values", FEW, {-1.0: 0.0, 0.19: 0.0, 0.21: 0.4, 7.0: 0.4}),
        ("values", UNRECOGNIZED, {-1.0: 0.0, 0.19: 0.19, 7.0: 0.4}),
        ("values", MANY, {-3.0: -1.0, 0.123: 0.123, 3.0: 2.0}),
        ("values", None, {-1.0: -1.0, 7.0: 7.0}),
        ("no", FEW, {-1.0: -1.0, 0.19: 0.19, 7.0: 7.0}),
    ],
)
def test_rewards_are_limited_to_the_labels(
    limit: Any, label_range: LabelRange | None, output_to_reward: dict[float, float]
) -> None:
    isr = InternalSocialReward(BOX, DISCRETE, n_members=2, limit_to_labels=limit)
    isr.label_ranges = None if label_range is None else LabelRanges.both(label_range)
    for output, reward in output_to_reward.items():
        plant(isr, output, output)
        transitions = transitions_of(BOX, DISCRETE, 1)
        assert isr.predict(*transitions)[0] == pytest.approx(reward)
        assert isr.predict_members(*transitions)[0] == pytest.approx(output)


def test_by_default_rewards_are_the_nearest_label_where_the_isr_tells_labels_apart() -> None:
    assert InternalSocialReward(BOX, DISCRETE).limit_to_labels == "values"


def test_building_an_isr_leaves_the_learners_randomness_unchanged() -> None:
    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)
    one, other, again = (InternalSocialReward(BOX, DISCRETE, seed=seed) for seed in (0, 1, 0))
    assert torch.equal(torch.rand(1), expected)
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), again.parameters(), strict=True))
    assert not torch.equal(next(one.parameters()), next(other.parameters()))


def test_batches_that_do_not_fit_are_refused() -> None:
    isr = InternalSocialReward(BOX, DISCRETE)
    for predict in (isr.predict, isr.predict_members):
        with pytest.raises(ValueError, match=r"\[n, 3\].*got \[3\]"):
            predict(np.zeros(3), np.zeros(1))
        with pytest.raises(ValueError, match=r"actions must have the shape \[2\].*got \[3\]"):
            predict(np.zeros((2, 3)), np.zeros(3))
        with pytest.raises(ValueError, match="finite"):
            predict(np.full((1, 3), np.nan), np.zeros(1))
        one = np.zeros((1, 3)), np.zeros(1)
        with pytest.raises(ValueError, match=r"next_observations must have the shape \[1, 3\].*got \[2, 3\]"):
            predict(*one, np.zeros((2, 3)), np.zeros(1, bool))
        with pytest.raises(ValueError, match="next_observations must be finite"):
            predict(*one, np.full((1, 3), np.nan), np.zeros(1, bool))
        with pytest.raises(ValueError, match=r"terminated must have the shape \[1\], got \[2\]"):
            predict(*one, np.zeros((1, 3)), np.zeros(2, bool))
        with pytest.raises(ValueError, match=r"next_observations.*use_next_observation=False"):
            predict(*one, terminated=np.zeros(1, bool))
        with pytest.raises(ValueError, match=r"terminated.*use_terminated=False"):
            predict(*one, np.zeros((1, 3)))


@pytest.mark.parametrize("use_next_observation", [False, True])
@pytest.mark.parametrize("use_terminated", [False, True])
def test_an_isr_depends_on_what_it_is_given_and_needs_nothing_else(
    use_next_observation: bool, use_terminated: bool
) -> None:
    isr = InternalSocialReward(BOX, DISCRETE, use_next_observation=use_next_observation, use_terminated=use_terminated)
    observations, actions, next_observations, terminated = transitions_of(BOX, DISCRETE, 4)
    assert isinstance(next_observations, np.ndarray)
    expected = isr.predict(observations, actions, next_observations, terminated)
    for other_next, other_terminated, is_same in (
        (next_observations, terminated, True),
        (next_observations[::-1], terminated, not use_next_observation),
        (next_observations, ~terminated, not use_terminated),
        (None if not use_next_observation else next_observations, None if not use_terminated else terminated, True),
    ):
        met = isr.predict(observations, actions, other_next, other_terminated)
        assert (met == expected).all() == is_same
        assert (met != expected).all() == (not is_same)


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"n_members": 0}, "n_members must be a whole number, 1 or more, got 0; change it"),
        ({"n_members": 2.5}, "n_members must be a whole number, 1 or more, got 2.5; change it"),
        ({"n_members": "5"}, "n_members must be a whole number.*got '5'; write it without quotes"),
        ({"net_arch": {"pi": [64], "vf": [64]}}, r"net_arch must be a list of whole numbers, as \[64, 64\], got {'pi'"),
        ({"net_arch": 64}, "net_arch must be a list of whole numbers"),
        ({"net_arch": [64.5]}, r"net_arch\[0\] must be a whole number, 1 or more, got 64.5"),
        ({"normalize_images": "False"}, "normalize_images must be True or False, got 'False'"),
        ({"ortho_init": 1}, "ortho_init must be True or False, got 1"),
        ({"use_next_observation": 1}, "use_next_observation must be True or False, got 1"),
        ({"use_terminated": "no"}, "use_terminated must be True or False, got 'no'"),
        ({"standardize": None}, "standardize must be True or False, got None"),
        ({"seed": -1}, "seed must be a whole number, 0 to"),
        ({"seed": None}, "seed must be a whole number, 0 to"),
        ({"features_extractor_kwargs": {"cnn_output_dim": 2.5}}, "cnn_output_dim must be a whole number"),
        ({"pessimism": -1.0, "n_members": 5}, r"pessimism must be a finite number in \[0, inf\), got -1.0"),
        ({"pessimism": float("nan"), "n_members": 5}, "got nan"),
        ({"pessimism": 1.0, "n_members": 1}, "use n_members=5"),
        ({"limit_to_labels": True}, "limit_to_labels must be one of no, range, values, got True"),
        ({"observation_space": spaces.Tuple([BOX])}, "wrap the environment"),
    ],
)
def test_bad_arguments_are_refused(kwargs: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        InternalSocialReward(**{"observation_space": BOX, "action_space": DISCRETE, **kwargs})


def test_an_isr_is_refused_for_spaces_other_than_its_own() -> None:
    isr = InternalSocialReward(MINIGRID, DISCRETE)
    isr.check_spaces(spaces.Dict(OrderedDict(reversed(MINIGRID.spaces.items()))), DISCRETE)  # the order of keys is free
    for other in ((BOX, DISCRETE), (MINIGRID, spaces.Discrete(4))):
        with pytest.raises(ValueError, match=r"only be used with the spaces it was made for.*train another ISR"):
            isr.check_spaces(*other)


def test_an_image_has_the_same_reward_with_its_channels_first_or_last() -> None:
    last = InternalSocialReward(spaces.Box(0, 255, (36, 48, 3), np.uint8), DISCRETE, seed=0)
    first = InternalSocialReward(spaces.Box(0, 255, (3, 36, 48), np.uint8), DISCRETE, seed=1)
    first.load_state_dict(last.state_dict())
    images, actions, next_images, terminated = transitions_of(last.observation_space, DISCRETE, 5)
    moved, next_moved = (np.moveaxis(np.asarray(each), -1, 1) for each in (images, next_images))
    np.testing.assert_allclose(
        first.predict(moved, actions, next_moved, terminated),
        last.predict(images, actions, next_images, terminated),
        1e-5,
    )


@pytest.mark.parametrize(("normalize_images", "factor"), [(True, 1 / 255), (False, 1.0)])
def test_a_minigrid_observation_reaches_the_network_flattened(normalize_images: bool, factor: float) -> None:
    """A 7x7x3 grid is no image for a CNN, and none of its axes is moved. Action, change and ending come last."""
    isr = InternalSocialReward(MINIGRID, DISCRETE, normalize_images=normalize_images, net_arch=[])
    grid = np.arange(147, dtype=np.uint8).reshape(1, 7, 7, 3)
    next_grid = grid.copy()
    next_grid[0, 0, 0, 2] = 9
    observations = {"direction": np.array([2]), "image": grid}, {"direction": np.array([3]), "image": next_grid}
    seen = inputs_of_the_network(isr, observations[0], np.array([1]), observations[1], np.array([True]))
    now, change = [0, 0, 1, 0, *(factor * np.arange(147))], [0, 0, -1, 1, 0, 0, factor * 7, *[0] * 144]
    np.testing.assert_allclose(seen[0], [*now, 0, 1, 0, *change, 1], rtol=1e-6, atol=1e-6)


def test_arrays_may_have_any_order_of_memory_and_of_keys() -> None:
    isr = InternalSocialReward(MINIGRID, DISCRETE, seed=0)
    observations, actions, next_observations, terminated = transitions = transitions_of(MINIGRID, DISCRETE, 4)
    assert isinstance(observations, dict)
    assert isinstance(next_observations, dict)
    mirrored, next_mirrored = (
        {key: value[::-1] for key, value in reversed(each.items())} for each in (observations, next_observations)
    )
    rewards = isr.predict(mirrored, actions[::-1], next_mirrored, terminated[::-1])
    np.testing.assert_allclose(rewards[::-1], isr.predict(*transitions), rtol=1e-5)


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda isr: pickle.loads(pickle.dumps(isr))], ids=["copy", "pickle"])
@pytest.mark.parametrize("n_members", [1, 3])
def test_a_copy_predicts_the_same_and_learns_by_itself(copied: Any, n_members: int) -> None:
    isr = InternalSocialReward(MINIGRID, DISCRETE, n_members=n_members, net_arch=(8,))
    isr.label_ranges = LabelRanges.both(LabelRange(-9.0, 9.0))
    transitions = transitions_of(MINIGRID, DISCRETE, 4)
    other, before = copied(isr), isr.predict(*transitions)
    np.testing.assert_array_equal(other.predict(*transitions), before)
    assert other.label_ranges == isr.label_ranges
    other(*other.tensors(*transitions)).sum().backward()
    torch.optim.SGD(other.parameters(), lr=0.1).step()
    assert (other.predict(*transitions) != before).all()
    np.testing.assert_array_equal(isr.predict(*transitions), before)
