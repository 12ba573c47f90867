"""check_isr: ISRs that keep the rules, and one that breaks each rule."""

from collections.abc import Callable
from functools import partial
from itertools import cycle
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch
from gymnasium import spaces
from stable_baselines3.common.torch_layers import BaseFeaturesExtractor, CombinedExtractor, NatureCNN
from torch import nn

from sb3_isr import PAPER_ISR, GridCNN, GridOneHot, InternalSocialReward
from sb3_isr.labels import LabelRange
from sb3_isr.labels.label_range import LabelRanges
from sb3_isr.testing import ConformanceError, check_isr
from tests.isr.some_spaces import ACTIONS, BOX, GRID, MINIGRID
from tests.isr.some_spaces import OBSERVATIONS as SPACES


@pytest.mark.parametrize(("observation_space", "action_space"), [*zip(SPACES, cycle(ACTIONS))], ids=str)
def test_the_default_isr_on_any_spaces(observation_space: gym.Space[Any], action_space: gym.Space[Any]) -> None:
    check_isr(InternalSocialReward(observation_space, action_space))


GRID_ONE_HOT: dict[str, Any] = {"features_extractor_class": GridOneHot, "normalize_images": False}


@pytest.mark.parametrize(
    "kwargs",
    [
        PAPER_ISR,
        GRID_ONE_HOT,
        {**GRID_ONE_HOT, "features_extractor_kwargs": {"codes": [[0, 2, 8], [], [], []]}},
        {"features_extractor_class": GridCNN, "ortho_init": True, "activation_fn": nn.Tanh},
        {},
    ],
)
def test_isrs_in_the_coin_game(kwargs: dict[str, Any]) -> None:
    env = gym.make("sb3_isr/CoinGame-v0")
    isr = InternalSocialReward(env.observation_space, env.action_space, **kwargs)
    isr.label_ranges = LabelRanges.both(LabelRange(0.0, 0.4))
    check_isr(isr, env)


def test_an_isr_that_receives_the_actions_of_all_agents() -> None:
    env = gym.make("sb3_isr/Prosocial-v0")
    check_isr(InternalSocialReward(env.observation_space, env.get_wrapper_attr("isr_action_space")), env)


@pytest.mark.parametrize(
    ("extractor", "space"), [(NatureCNN, spaces.Box(0, 255, (3, 36, 36), np.uint8)), (CombinedExtractor, SPACES[-3])]
)
def test_extractors_of_stable_baselines3(extractor: type[BaseFeaturesExtractor], space: gym.Space[Any]) -> None:
    check_isr(InternalSocialReward(space, ACTIONS[0], features_extractor_class=extractor))


class Extractor(BaseFeaturesExtractor):
    """Keeps the rules; each of those below breaks one."""

    def __init__(self, observation_space: gym.Space[Any], factor: float = 1.0) -> None:
        super().__init__(observation_space, 3)
        self.factor = factor
        self.linear = nn.Linear(3, 3)

    def forward(self, observations: torch.Tensor) -> torch.Tensor:
        features: torch.Tensor = self.linear(self.factor * observations)
        return features


class Wide(Extractor):
    def forward(self, observations: torch.Tensor) -> torch.Tensor:
        return super().forward(observations)[:, None].expand(-1, 1, -1)


class Double(Extractor):
    def forward(self, observations: torch.Tensor) -> torch.Tensor:
        return torch.cat([observations, observations]).view(-1, 3)


class Infinite(Extractor):
    def forward(self, observations: torch.Tensor) -> torch.Tensor:
        return super().forward(observations) / 0.0


class Doubling(Extractor):
    def forward(self, observations: torch.Tensor) -> torch.Tensor:
        return super().forward(observations.mul_(2.0))


class RunningMean(Extractor):
    mean: torch.Tensor

    def __init__(self, observation_space: gym.Space[Any]) -> None:
        super().__init__(observation_space)
        self.register_buffer("mean", torch.zeros(3))

    def forward(self, observations: torch.Tensor) -> torch.Tensor:
        self.mean += observations.mean(0)
        return super().forward(observations)


class Noisy(Extractor):
    generator = torch.Generator()

    def forward(self, observations: torch.Tensor) -> torch.Tensor:
        return super().forward(observations) + torch.rand(observations.shape, generator=self.generator)


class DrawsTorch(Extractor):
    def forward(self, observations: torch.Tensor) -> torch.Tensor:
        torch.rand(1)
        return super().forward(observations)


class BatchMean(Extractor):
    def forward(self, observations: torch.Tensor) -> torch.Tensor:
        return super().forward(observations - observations.mean(0))


class Detached(Extractor):
    def forward(self, observations: torch.Tensor) -> torch.Tensor:
        return super().forward(observations).detach()


class Frozen(Extractor):
    def __init__(self, observation_space: gym.Space[Any]) -> None:
        super().__init__(observation_space)
        self.requires_grad_(False)


class Hidden(Extractor):
    """Has a weight that is not in the state_dict."""

    def __init__(self, observation_space: gym.Space[Any]) -> None:
        super().__init__(observation_space)
        self.hidden = [np.random.default_rng().random()]

    def forward(self, observations: torch.Tensor) -> torch.Tensor:
        return self.hidden[0] * super().forward(observations)


class OffMeta(Extractor):
    """Reads a tensor's value in its constructor."""

    def __init__(self, observation_space: gym.Space[Any]) -> None:
        super().__init__(observation_space, factor=torch.ones(1).item())


def isr_with(extractor: type[Extractor], **kwargs: Any) -> InternalSocialReward:
    return InternalSocialReward(BOX, ACTIONS[0], features_extractor_class=extractor, **kwargs)


def trained_mode() -> InternalSocialReward:
    return isr_with(Extractor, activation_fn=nn.Dropout).train()


def shared_weights() -> InternalSocialReward:
    """Return an ISR that does not copy itself."""

    class Single(InternalSocialReward):
        def __deepcopy__(self, memo: Any) -> Any:
            return self

    return Single(BOX, ACTIONS[0])


def unpicklable() -> InternalSocialReward:
    class Local(Extractor):
        """Not at the top level of a module."""

    return isr_with(Local)


def wide_prediction() -> InternalSocialReward:
    isr = isr_with(Extractor)
    isr.predict = lambda observations, actions, *outcome: np.zeros((len(actions), 1))  # type: ignore[method-assign]
    return isr


def not_a_number() -> InternalSocialReward:
    isr = isr_with(Extractor)
    isr.predict = lambda *transitions: np.full(len(transitions[1]), np.nan, np.float32)  # type: ignore[method-assign]
    return isr


@pytest.mark.filterwarnings("ignore:This ISR can be trained, but neither saved nor resumed")
@pytest.mark.parametrize(
    ("make", "message"),
    [
        (wide_prediction, r"float32 array \[16\] for 16 transitions, got float64 \[16, 1\]"),
        (not_a_number, "R_i must be finite"),
        (
            partial(isr_with, Doubling, use_next_observation=False),
            "must not modify transitions.*; compute out of place",
        ),
        (partial(isr_with, RunningMean), "predict must not modify the ISR"),
        (partial(isr_with, Noisy), "predict must not modify the ISR"),
        (trained_mode, r"predict must not modify the ISR.*call isr.eval\(\)"),
        (partial(isr_with, DrawsTorch), "An ISR must not draw from the global random generators.*draws from torch"),
        (partial(isr_with, BatchMean), "must not depend on the others in its batch.*in a batch and.*one by one; norm"),
        (
            partial(isr_with, Detached),
            r"reach all parameters.*none at \['features_extractor.linear.weight', .*; do not",
        ),
        (shared_weights, "of the copy alone, got a change in the ISR itself"),
        (partial(isr_with, Hidden), r"the same after saving and loading, got .* in place of .*; keep"),
        (partial(isr_with, OffMeta), 'save and load an ISR, got .*built on torch\'s device "meta"'),
        (partial(isr_with, Extractor, features_extractor_kwargs={"factor": torch.tensor(2.0)}), "save and load.*JSON"),
        (unpicklable, "pickle must support it.*at the top level of a module"),
    ],
)
def test_an_isr_that_breaks_a_rule(make: Callable[[], InternalSocialReward], message: str) -> None:
    with pytest.raises(ConformanceError, match=f"(?s){message}"):
        check_isr(make())


def test_what_an_isr_itself_refuses_is_refused_in_its_words() -> None:
    with pytest.raises(ValueError, match="R_i must be finite, got NaN or infinity"):
        check_isr(isr_with(Infinite))


def test_isrs_with_extractors_of_ones_own_that_keep_the_rules() -> None:
    check_isr(isr_with(Extractor, features_extractor_kwargs={"factor": 2.0}))
    check_isr(isr_with(Frozen))


def test_too_few_transitions_to_check_anything_are_refused() -> None:
    with pytest.raises(ValueError, match="at least 2 transitions, got 1"):
        check_isr(isr_with(Extractor), n=1)


def test_the_isr_and_the_global_generators_are_left_unchanged() -> None:
    isr = InternalSocialReward(MINIGRID, ACTIONS[0])
    before = {name: weight.clone() for name, weight in isr.state_dict().items()}
    torch.manual_seed(1)
    check_isr(isr)
    drawn = torch.rand(1)
    torch.manual_seed(1)
    assert torch.equal(torch.rand(1), drawn)
    assert all(torch.equal(weight, before[name]) for name, weight in isr.state_dict().items())
    assert all(parameter.grad is None for parameter in isr.parameters())


class Recording(Extractor):
    """Keeps the observations that it gets."""

    seen: list[list[float]] = []  # noqa: RUF012

    def forward(self, observations: torch.Tensor) -> torch.Tensor:
        self.seen.extend(observations.tolist())
        return super().forward(observations)


def test_the_seed_decides_the_observations() -> None:
    runs = []
    for seed in (0, 0, 1):
        check_isr(isr_with(Recording), seed=seed)
        runs.append(Recording.seen.copy())
        Recording.seen.clear()
    assert runs[0] == runs[1] != runs[2]


def test_observations_of_an_environment_where_its_space_allows_more() -> None:
    """A grid of codes as floats: samples of its space are fractions, which the extractor refuses."""
    env = gym.wrappers.TransformObservation(
        gym.make("sb3_isr/CoinGame-v0"),
        lambda grid: grid.astype(np.float32),
        spaces.Box(0, 255, GRID.shape, np.float32),
    )
    isr = InternalSocialReward(env.observation_space, env.action_space, **GRID_ONE_HOT)
    with pytest.raises(ValueError, match="whole codes"):
        check_isr(isr)
    check_isr(isr, env)
