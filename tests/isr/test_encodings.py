"""Two transitions that differ to the environment differ to the ISR's network, or there is an error."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch
from gymnasium import spaces
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as st_numpy

from sb3_isr import PAPER_ISR, GridOneHot, InternalSocialReward, ISRTrainer, LabelStore
from tests.isr.some_spaces import BOX, DISCRETE, GRID, MINIGRID
from tests.isr.test_model import inputs_of_the_network
from tests.labels.made_labels import labelled

#: For tests of the encoding of one observation and action.
PAIRS: dict[str, Any] = {"use_next_observation": False, "use_terminated": False}

MAX = float(np.finfo(np.float32).max)
#: Finer differences of float64 than these, in relation to the bounds, are below float32's smallest number.
FINEST, WIDEST = 1e-20, 1e6


def floats(dtype: Any, low: float = -MAX, high: float = MAX) -> st.SearchStrategy[Any]:
    """Numbers of a dtype that are told apart."""
    if dtype == np.float64:
        low, high = max(low, -WIDEST), min(high, WIDEST)
        return st.floats(low, high).filter(lambda number: number == 0 or abs(number) > FINEST)
    width = np.dtype(dtype).itemsize * 8
    limits = np.finfo(dtype)
    return st.floats(max(low, float(limits.min)), min(high, float(limits.max)), width=width)


@st.composite
def boxes(draw: st.DrawFn) -> spaces.Box:
    dtype = np.dtype(
        draw(st.sampled_from(["float16", "float32", "float64", "bool", "int8", "uint16", "int32", "int64"]))
    )
    shape = draw(st.sampled_from([(1,), (2,), (2, 2)]))
    if dtype.kind == "f":
        elements = floats(dtype)
    elif dtype.kind == "b":
        return spaces.Box(0, 1, shape, dtype=np.bool_)  # type: ignore[arg-type]
    else:
        limits: Any = np.iinfo(dtype)
        elements = st.integers(max(-(2**53), int(limits.min)), min(2**53, int(limits.max)))
    one, other = (draw(st_numpy.arrays(dtype, shape, elements=elements)) for _ in range(2))
    low, high = np.minimum(one, other), np.maximum(one, other)
    if dtype.kind == "f" and draw(st.booleans()):  # one-sided, or unbounded
        low = np.where(draw(st_numpy.arrays(bool, shape)), -np.inf, low).astype(dtype)
        high = np.where(draw(st_numpy.arrays(bool, shape)), np.inf, high).astype(dtype)
    return spaces.Box(low, high, dtype=dtype.type)


DISCRETES = st.one_of(
    st.builds(spaces.Discrete, st.integers(1, 9), start=st.integers(-9, 9)),
    st.lists(st.integers(1, 5), min_size=1, max_size=3).flatmap(
        lambda nvec: st.builds(
            spaces.MultiDiscrete,
            st.just(nvec),
            start=st.lists(st.integers(-5, 5), min_size=len(nvec), max_size=len(nvec)),
        )
    ),
    st.builds(spaces.MultiBinary, st.integers(1, 3) | st.just((2, 2))),
)


def element(space: gym.Space[Any]) -> st.SearchStrategy[Any]:
    """Elements of a space."""
    if isinstance(space, spaces.Dict):
        return st.fixed_dictionaries({key: element(part) for key, part in space.spaces.items()})
    if isinstance(space, spaces.Box):
        flat = [
            floats(space.dtype, float(low), float(high))
            if space.dtype.kind == "f"
            else st.integers(int(low), int(high))
            for low, high in zip(space.low.flatten(), space.high.flatten(), strict=True)
        ]
        return st.tuples(*flat).map(lambda numbers: np.array(numbers, space.dtype).reshape(space.shape))
    return st.integers(0, 2**32 - 1).map(lambda seed: sample(space, seed))


def sample(space: gym.Space[Any], seed: int) -> Any:
    space.seed(seed)
    return np.asarray(space.sample())


def stacked(one: Any, other: Any) -> Any:
    return {key: np.stack([one[key], other[key]]) for key in one} if isinstance(one, dict) else np.stack([one, other])


def differ(one: Any, other: Any) -> bool:
    return any(differ(one[key], other[key]) for key in one) if isinstance(one, dict) else not np.array_equal(one, other)


def are_told_apart(isr: InternalSocialReward, observations: Any, actions: Any, refusal: str = "R_i must be f") -> bool:
    """Whether the network gets different inputs, or there is the right error."""
    try:
        first, second = inputs_of_the_network(isr, observations, actions)
    except ValueError as error:
        return refusal in str(error)
    return not torch.equal(first, second)


@given(boxes() | DISCRETES, st.data())
def test_two_actions_that_differ_to_the_environment_differ_to_the_isr(
    space: gym.Space[Any], data: st.DataObject
) -> None:
    one, other = data.draw(element(space)), data.draw(element(space))
    assume(differ(one, other))
    isr = InternalSocialReward(BOX, space, **PAIRS, net_arch=[], device="cpu")
    assert are_told_apart(isr, np.zeros((2, 3), np.float32), stacked(one, other))


OBSERVED: Any = (
    boxes() | st.builds(spaces.Discrete, st.integers(1, 9)) | st.builds(spaces.MultiBinary, st.integers(1, 3))
)
OBSERVED |= st.builds(spaces.MultiDiscrete, st.lists(st.integers(1, 5), min_size=1, max_size=3))
OBSERVED |= st.sampled_from([(4, 4, 3), (3, 4), (5, 3, 3)]).map(lambda shape: spaces.Box(0, 255, shape, np.uint8))
OBSERVED |= st.dictionaries(st.text(max_size=3), OBSERVED, min_size=1, max_size=3).map(spaces.Dict)


@given(OBSERVED, st.booleans(), st.data())
def test_two_observations_that_differ_to_the_environment_differ_to_the_isr(
    space: gym.Space[Any], normalize_images: bool, data: st.DataObject
) -> None:
    one, other = data.draw(element(space)), data.draw(element(space))
    assume(differ(one, other))
    isr = InternalSocialReward(space, DISCRETE, **PAIRS, net_arch=[], normalize_images=normalize_images, device="cpu")
    assert are_told_apart(isr, stacked(one, other), np.zeros(2, int))


@pytest.mark.parametrize(
    ("space", "one", "other"),
    [
        (spaces.Box(0, 2e9, (1,), np.float64), 1e9, 1e9 + 1),  # a time stamp
        (spaces.Box(-np.inf, np.inf, (1,), np.float64), 0.1, np.nextafter(0.1, 1)),
        (spaces.Box(0, 2**31 - 1, (1,), np.int32), 2**24, 2**24 + 1),
        (spaces.Box(0, 2**32 - 1, (1,), np.uint32), 2**32 - 1, 2**32 - 2),
        (spaces.Box(0, 2**63, (1,), np.uint64), 2**53, 2**53 - 1),
        (spaces.Box(-(2**62), 2**62, (1,), np.int64), -(2**53), 1 - 2**53),
    ],
    ids=str,
)
def test_numbers_that_are_the_same_in_float32_are_told_apart(space: spaces.Box, one: Any, other: Any) -> None:
    """As observations and as actions, also within a Dict, and for any features extractor."""
    numbers = np.array([[one], [other]], space.dtype)
    assert np.float32(one) == np.float32(other)
    isr = InternalSocialReward(space, DISCRETE, **PAIRS, device="cpu")
    assert are_told_apart(isr, numbers, np.zeros(2, int))
    isr = InternalSocialReward(spaces.Dict({"time": space}), DISCRETE, **PAIRS, device="cpu")
    assert are_told_apart(isr, {"time": numbers}, np.zeros(2, int))
    isr = InternalSocialReward(BOX, space, **PAIRS, device="cpu")
    assert are_told_apart(isr, np.zeros((2, 3), np.float32), numbers)


@given(st.sampled_from([3, 4, 6, 8, 9, 12]), st.booleans(), st.data())
def test_two_grids_that_differ_differ_as_planes_or_the_code_is_named(
    n: int, is_last: bool, data: st.DataObject
) -> None:
    """One-hot planes held only the first frame of a stack."""
    shape = (5, 5, n) if is_last else (n, 5, 5)
    space = spaces.Box(0, 255, shape, np.uint8)
    codes = st.integers(0, 3) | st.integers(0, 11)
    grids = [data.draw(st_numpy.arrays(np.uint8, shape, elements=codes, fill=st.just(1))) for _ in range(2)]
    assume(differ(*grids))
    isr = InternalSocialReward(
        space,
        DISCRETE,
        **PAIRS,
        features_extractor_class=GridOneHot,
        normalize_images=False,
        net_arch=[],
        device="cpu",
    )
    assert are_told_apart(isr, np.stack(grids), np.zeros(2, int), "pass codes")
    if np.max(grids) <= 1:
        isr.predict(np.stack(grids), np.zeros(2, int))


def test_a_goal_and_a_wall_in_the_newest_frame_of_a_stack_do_not_look_the_same() -> None:
    stack = GridOneHot(spaces.Box(0, 255, (7, 7, 12), np.uint8))
    goal, wall = torch.zeros(1, 7, 7, 12), torch.zeros(1, 7, 7, 12)
    goal[0, 3, 3, 9], wall[0, 3, 3, 9] = 8, 2
    assert not torch.equal(stack(goal), stack(wall))


def test_an_action_is_not_lost_where_the_paper_s_network_sees_no_agent() -> None:
    """MiniGrid's own view shows no agent, and neither does a grid that was divided by 255."""
    isr = InternalSocialReward(GRID, DISCRETE, **PAPER_ISR)
    grids, actions = np.zeros((2, 9, 9, 4), np.uint8), np.array([0, 1])
    with pytest.raises(ValueError, match=r"agent's cell, code 10 .* without an agent.*another features extractor"):
        isr.predict(grids, actions)
    grids[:, 4, 4, 0] = 10
    assert len(set(isr.predict(grids, actions).tolist())) == 2
    divided = InternalSocialReward(GRID, DISCRETE, **{**PAPER_ISR, "normalize_images": True})
    with pytest.raises(ValueError, match="normalize_images=False"):
        divided.predict(grids, actions)


@pytest.mark.parametrize(
    ("space", "wrong"),
    [
        (spaces.Discrete(3, start=1), [0, 4]),
        (spaces.MultiDiscrete([2, 3]), [[0, 3], [2, 0]]),
        (spaces.MultiBinary(2), [[0, 2], [-1, 0]]),
    ],
    ids=str,
)
def test_what_is_no_element_is_refused_by_name(space: gym.Space[Any], wrong: Any) -> None:
    """torch fails inside of a scatter, or on a GPU with an assertion that ends the process."""
    isr = InternalSocialReward(BOX, space, **PAIRS)
    for action in np.array(wrong):
        with pytest.raises(ValueError, match="actions must be elements of"):
            isr.predict(np.zeros((1, 3), np.float32), action[None])
    with pytest.raises(ValueError, match=r"observations\['direction'\] must be elements of Discrete\(4\), got 4"):
        InternalSocialReward(MINIGRID, DISCRETE, **PAIRS).predict(
            {"image": np.zeros((1, 7, 7, 3), np.uint8), "direction": np.array([4])}, np.zeros(1, int)
        )


def test_an_internal_reward_that_overflows_is_refused_and_not_paid() -> None:
    space = spaces.Box(-np.inf, np.inf, (3,), np.float32)
    isr = InternalSocialReward(space, DISCRETE, **PAIRS)
    with pytest.raises(ValueError, match=r"R_i must be finite.*scale observations down"):
        isr.predict(np.full((1, 3), MAX, np.float32), np.zeros(1, int))


@pytest.mark.slow
@pytest.mark.parametrize("bound", [0.01, 1.0, 2.0, 100.0, 1e6, MAX, np.inf])
def test_an_isr_learns_what_actions_are_praised_whatever_their_bounds(bound: float) -> None:
    """IsaacLab writes 100, and who does not know the bounds writes float32's largest number."""
    rng, used = np.random.default_rng(0), min(bound, 1.0)
    both = spaces.Box(-10, 10, (2,)), spaces.Box(-bound, bound, (1,))
    isr = InternalSocialReward(*both, **PAIRS, device="cpu")
    store = LabelStore(*both, seed=0)
    actions = rng.uniform(-used, used, (2000, 1)).astype(np.float32)
    store.add(labelled(rng.normal(size=(2000, 2)).astype(np.float32), actions, (actions[:, 0] > 0).astype(np.float32)))
    ISRTrainer(isr, gradient_steps=1000, batch_size=128).train(store)
    refused, praised = isr.predict(np.zeros((2, 2), np.float32), np.array([[-used], [used]], np.float32))
    assert praised - refused > 0.8


@pytest.mark.slow
def test_the_same_labels_teach_the_same_where_bounds_are_wide_and_actions_too() -> None:
    """Actions of all sizes within wide bounds are told apart, not only those near 0."""
    rng, both = np.random.default_rng(0), (BOX, spaces.Box(-1e6, 1e6, (1,)))
    isr, store = InternalSocialReward(*both, **PAIRS, device="cpu"), LabelStore(*both, seed=0)
    actions = (10 ** rng.uniform(-1, 6, (2000, 1)) * rng.choice([-1, 1], (2000, 1))).astype(np.float32)
    labels = (actions[:, 0] > 300).astype(np.float32)
    store.add(labelled(np.zeros((2000, 3), np.float32), actions, labels))
    ISRTrainer(isr, gradient_steps=1000, batch_size=128).train(store)
    probe = np.array([[-1e5], [-10], [10], [3000], [1e5]], np.float32)
    np.testing.assert_allclose(isr.predict(np.zeros((5, 3), np.float32), probe), [0, 0, 0, 1, 1], atol=0.2)
