import copy
import random
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch
from gymnasium import spaces
from stable_baselines3.common.torch_layers import BaseFeaturesExtractor, CombinedExtractor, NatureCNN
from tests.test_model import ACTIONS, BOX, GRID, MINIGRID, SPACES
from torch import nn

from sb3_isr import (
    PAPER_ISR,
    Always,
    Caregiver,
    DelayedCaregiver,
    Fade,
    FunctionCaregiver,
    GridCNN,
    GridOneHot,
    InternalSocialReward,
    LeaveAt,
    Never,
    NoisyCaregiver,
    PraiseCaregiver,
    SocialRewardWrapper,
    SparseCaregiver,
    TaskRewardCaregiver,
    Transition,
    Visits,
)
from sb3_isr.testing import ConformanceError, check_caregiver, check_env, check_isr, check_presence
from tests.scripted_env import ScriptedEnv

SCRIPT = [(-1.0, 0.5), (2.0, None), (-0.5, -0.25), (0.0, 0.0), (1.0, 4.0)]
PRAISE = PraiseCaregiver()
LUCK = random.Random(0)


def forward_is_good(transition: Transition) -> float:
    return float(transition.action == 2)


# What ships


@pytest.mark.parametrize(
    "caregiver",
    [
        TaskRewardCaregiver(),
        PRAISE,
        FunctionCaregiver(forward_is_good),
        NoisyCaregiver(PRAISE, 0.5),
        SparseCaregiver(PRAISE, 0.5),
        DelayedCaregiver(PRAISE, 2),
        NoisyCaregiver(SparseCaregiver(DelayedCaregiver(TaskRewardCaregiver(), 3), 0.5), 0.1),
    ],
)
@pytest.mark.parametrize("make_env", [partial(ScriptedEnv, SCRIPT), partial(gym.make, "sb3_isr/CoinGame-v0")])
def test_caregivers_that_ship(caregiver: Caregiver, make_env: Callable[[], gym.Env[Any, Any]]) -> None:
    check_caregiver(caregiver, make_env(), n_steps=60)


@pytest.mark.parametrize(
    "schedule",
    [Always(), Never(), LeaveAt(0.3), Fade(), Visits(0.5, 0.1, 0.01), "leave_at_0", "fade_0.2_0.7", "visits_0_0.3_0.1"],
    ids=repr,
)
def test_schedules_that_ship(schedule: Any) -> None:
    check_presence(schedule)


@pytest.mark.parametrize("observation_space", SPACES, ids=str)
def test_the_default_isr_on_any_observations(observation_space: gym.Space[Any]) -> None:
    check_isr(InternalSocialReward(observation_space, ACTIONS[0]))


@pytest.mark.parametrize("action_space", ACTIONS, ids=str)
def test_the_default_isr_on_any_actions(action_space: gym.Space[Any]) -> None:
    check_isr(InternalSocialReward(BOX, action_space))


GRID_ONE_HOT: dict[str, Any] = {"features_extractor_class": GridOneHot, "normalize_images": False}


@pytest.mark.parametrize(
    "kwargs",
    [
        PAPER_ISR,
        GRID_ONE_HOT,
        {**GRID_ONE_HOT, "features_extractor_kwargs": {"codes": [[0, 2, 8], [], [], []]}},
        {"features_extractor_class": GridCNN, "ortho_init": True, "activation_fn": nn.Tanh},
        {"features_extractor_class": GridCNN, "action_encoding": "plane", "optimizer_class": torch.optim.AdamW},
        {},
    ],
)
def test_isrs_on_the_coin_game(kwargs: dict[str, Any]) -> None:
    env = gym.make("sb3_isr/CoinGame-v0")
    isr = InternalSocialReward(env.observation_space, env.action_space, **kwargs)
    isr.label_range = (0.0, 0.4)
    check_isr(isr)
    check_isr(isr, env)


@pytest.mark.parametrize(
    ("extractor", "space"), [(NatureCNN, spaces.Box(0, 255, (3, 36, 36), np.uint8)), (CombinedExtractor, SPACES[-3])]
)
def test_extractors_of_stable_baselines3(extractor: type[BaseFeaturesExtractor], space: gym.Space[Any]) -> None:
    check_isr(InternalSocialReward(space, ACTIONS[0], features_extractor_class=extractor))


def test_environments_that_ship() -> None:
    check_env(gym.make("sb3_isr/CoinGame-v0"))
    check_env(ScriptedEnv(SCRIPT))
    check_env(SocialRewardWrapper(gym.make("CartPole-v1"), SparseCaregiver(TaskRewardCaregiver(), 0.5)))


# What breaks a rule: caregivers


class Shared(Caregiver):
    """Counts with the other copies together."""

    steps: list[int] = []  # noqa: RUF012

    def reset(self, seed: int | None = None) -> None:
        self.steps.clear()

    def social_reward(self, transition: Transition) -> float:
        self.steps.append(0)
        return float(len(self.steps))


class Drawing(Caregiver):
    """Draws from a generator that it is given."""

    def __init__(self, draw: Callable[[], float]) -> None:
        self.draw = draw

    def social_reward(self, transition: Transition) -> float:
        return self.draw()


class Unseeded(Caregiver):
    """Seeded once, not at reset."""

    def __init__(self) -> None:
        self.rng = np.random.default_rng(0)

    def social_reward(self, transition: Transition) -> float:
        return float(self.rng.random())


class Lifelong(Caregiver):
    """Tires from step to step, through all episodes, until it is seeded again."""

    energy = 1.0

    def reset(self, seed: int | None = None) -> None:
        self.energy = self.energy if seed is None else 1.0

    def social_reward(self, transition: Transition) -> float:
        self.energy *= 0.99
        return self.energy


class Meddling(Caregiver):
    """Changes what it is shown."""

    def __init__(self, meddle: Callable[[Transition], object]) -> None:
        self.meddle = meddle

    def social_reward(self, transition: Transition) -> None:
        self.meddle(transition)


class AllItsOwn(Caregiver):
    """Says what of the reward is not social."""

    def __init__(self, reward: Any) -> None:
        self.reward = reward

    def social_reward(self, transition: Transition) -> None:
        return None

    def environment_reward(self, transition: Transition) -> float:
        return self.reward  # type: ignore[no-any-return]


class Uncopied(Caregiver):
    """Holds an open file."""

    def __init__(self) -> None:
        self.log = open(Path(__file__))  # noqa: SIM115

    def social_reward(self, transition: Transition) -> float:
        return 0.0


class OneEpisode(Caregiver):
    """Cannot be reset without a seed, as it is at each later episode."""

    def reset(self, seed: int | None = None) -> None:
        np.random.default_rng(int(seed))  # type: ignore[arg-type]

    def social_reward(self, transition: Transition) -> float:
        return 0.0


def add_to_observation(transition: Transition) -> None:
    transition.observation[0] += 1.0


@pytest.mark.parametrize(
    ("caregiver", "message"),
    [
        (Drawing(lambda: float("nan")), r"social_reward must be a finite number.*got nan; return"),
        (Drawing(lambda: float("inf")), r"social_reward must be a finite number.*got inf; return"),
        (Drawing(lambda: "good"), r"social_reward must be.*got 'good'; return"),  # type: ignore[arg-type, return-value]
        (Drawing(lambda: np.ones(1)), r"social_reward must be.*got array"),  # type: ignore[arg-type, return-value]
        (AllItsOwn(None), r"environment_reward must be a finite Python number.*got None; return float"),
        (AllItsOwn(np.float32(1.0)), r"environment_reward must be a finite Python number.*got np.float32\(1.0\)"),
        (AllItsOwn(float("nan")), r"environment_reward must be a finite Python number.*got nan"),
        (Drawing(random.random), r"the same at the same seed.*step 0; draw from a generator of its own"),
        (Drawing(lambda: 0.0 * random.random()), r"alone, or the learner's run.*draws from random; draw"),
        (Drawing(lambda: 0.0 * np.random.rand()), r"draws from numpy.random; draw"),
        (Drawing(lambda: 0.0 * float(torch.rand(1))), r"draws from torch; draw"),
        (Unseeded(), r"the same at the same seed, got \(R_s, R_e\) = .* at step 0; .*that reset\(seed\) seeds"),
        (Shared(), r"Copies of a caregiver.*\(2.0, .* \(3.0, .* at step 1; keep its memory"),
        (Meddling(add_to_observation), "leave the transition that it is shown as it is.*; copy"),
        (Meddling(lambda t: t.info.update(seen=True)), "leave the transition that it is shown as it is.*; copy"),
        (Uncopied(), r"copy.deepcopy must copy it, got TypeError.*; keep no files"),
    ],
)
def test_a_caregiver_that_breaks_a_rule(caregiver: Caregiver, message: str) -> None:
    with pytest.raises(ConformanceError, match=message):
        check_caregiver(caregiver, ScriptedEnv(SCRIPT), n_steps=20)


def test_a_caregiver_is_reset_again_and_again() -> None:
    with pytest.raises(TypeError):
        check_caregiver(OneEpisode(), ScriptedEnv([(0.0, None)] * 100), n_steps=20)


def test_a_caregiver_may_remember_earlier_episodes() -> None:
    check_caregiver(Lifelong(), ScriptedEnv(SCRIPT), n_steps=20)


def test_the_caregiver_itself_is_not_asked() -> None:
    caregiver = DelayedCaregiver(TaskRewardCaregiver(), 2)
    before = copy.deepcopy(vars(caregiver))
    check_caregiver(caregiver, ScriptedEnv(SCRIPT), n_steps=20)
    assert {**vars(caregiver), "caregiver": None} == {**before, "caregiver": None}


# What breaks a rule: environments


class Saying(gym.Wrapper[Any, Any, Any, Any]):
    """Gives any reward and info."""

    def __init__(self, reward: Any, info: dict[str, Any]) -> None:
        super().__init__(ScriptedEnv(SCRIPT))
        self.said = (reward, info)

    def step(self, action: Any) -> Any:
        observation, _, terminated, truncated, _ = self.env.step(action)
        return observation, self.said[0], terminated, truncated, self.said[1]


class InPlace(ScriptedEnv):
    """Writes all observations into one array."""

    room = np.zeros(2, np.float32)

    def step(self, action: Any) -> Any:
        observation, *rest = super().step(action)
        self.room[:] = observation
        return self.room, *rest


@pytest.mark.parametrize(
    ("env", "message"),
    [
        (InPlace(SCRIPT), r"leave an observation as it is.*got \[0. 2.\] in place of \[0. 1.\]; return a copy"),
        (
            Saying(np.float32(1), {}),
            r"reward must be a finite Python number.*np.float32\(1.0\) at step 0; return float",
        ),
        (Saying(float("nan"), {}), r"reward must be a finite Python number.*got nan"),
        (
            Saying(1.0, {"social_reward": None}),
            r'info\["social_reward"\] must be.*got None at step 0; .*leave the key out',
        ),
        (Saying(1.0, {"social_reward": float("inf")}), "must be a finite number, got inf"),
        (Saying(1.0, {"social_reward": np.zeros(1)}), "must be a finite number, got array"),
        (ScriptedEnv(SCRIPT, action_space=spaces.Tuple([BOX])), "got Tuple.*wrap the environment"),
    ],
)
def test_an_environment_that_breaks_a_rule(env: gym.Env[Any, Any], message: str) -> None:
    with pytest.raises(ConformanceError, match=message):
        check_env(env, n_steps=10)


# What breaks a rule: presence schedules


class Schedule:
    """A schedule that is any function."""

    def __init__(self, function: Callable[[float], Any]) -> None:
        self.function = function

    def __call__(self, progress_remaining: float) -> float:
        return self.function(progress_remaining)  # type: ignore[no-any-return]

    def __repr__(self) -> str:
        return "Schedule()"


class Nameless(Schedule):
    """Without a repr."""

    __repr__ = object.__repr__


class Forgetful(Schedule):
    """Another one after its journey."""

    def __reduce__(self) -> Any:
        return Schedule, (abs,)


class Drifting(Schedule):
    """Depends on how often it was asked."""

    asked = 0

    def __call__(self, progress_remaining: float) -> float:
        self.asked += 1
        return 1.0 / self.asked


def half(progress_remaining: float) -> float:
    return 0.5


def draws(progress_remaining: float) -> float:
    return 0.0 * np.random.rand()


@pytest.mark.parametrize(
    ("schedule", "message"),
    [
        (Schedule(lambda p: 1.5 * p), r"probability in \[0, 1\], got 1.5 at progress_remaining=1.0; clip"),
        (Schedule(lambda p: p - 0.1), r"probability in \[0, 1\], got -\S+ at progress_remaining=0.09\d*; clip"),
        (Schedule(lambda p: float("nan")), "got nan"),
        (Schedule(lambda p: None), "got None"),
        (Schedule(lambda p: "0.5"), "got '0.5'"),
        (Schedule(lambda p: LUCK.random()), "depend on progress_remaining alone"),
        (Drifting(abs), "depend on progress_remaining alone.*from the end to the start; keep no memory"),
        (Schedule(draws), "A presence schedule must leave the global.*draws from numpy.random"),
        (lambda p: 0.5, "pickle must take it.*at the top of a module"),
        (Schedule(lambda p: 0.5), "pickle must take it.*at the top of a module"),
        (Forgetful(half), "the same when it is unpickled"),
        (Nameless(half), "must have a repr.* object at 0x.*; make it a dataclass"),
    ],
)
def test_a_schedule_that_breaks_a_rule(schedule: Any, message: str) -> None:
    with pytest.raises(ConformanceError, match=message):
        check_presence(schedule)


def test_a_plain_function_is_a_schedule() -> None:
    check_presence(half)


# What breaks a rule: ISRs


class Extractor(BaseFeaturesExtractor):
    """Keeps the rules; those below break one each."""

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
    """A weight that is in no state_dict."""

    def __init__(self, observation_space: gym.Space[Any]) -> None:
        super().__init__(observation_space)
        self.hidden = [np.random.default_rng().random()]

    def forward(self, observations: torch.Tensor) -> torch.Tensor:
        return self.hidden[0] * super().forward(observations)


class OffMeta(Extractor):
    """Looks at a tensor's value when it is built."""

    def __init__(self, observation_space: gym.Space[Any]) -> None:
        super().__init__(observation_space, factor=torch.ones(1).item())


def isr_with(extractor: type[Extractor], **kwargs: Any) -> InternalSocialReward:
    return InternalSocialReward(BOX, ACTIONS[0], features_extractor_class=extractor, **kwargs)


def trained_mode() -> InternalSocialReward:
    return isr_with(Extractor, activation_fn=nn.Dropout).train()


def foreign_optimizer() -> InternalSocialReward:
    isr = isr_with(Extractor)
    isr.optimizer = torch.optim.Adam(isr_with(Extractor).parameters())
    return isr


def shared_weights() -> InternalSocialReward:
    """Its copies are itself."""

    class Single(InternalSocialReward):
        def __deepcopy__(self, memo: Any) -> Any:
            return self

    return Single(BOX, ACTIONS[0])


def unpicklable() -> InternalSocialReward:
    class Local(Extractor):
        """Not at the top of a module."""

    return isr_with(Local)


def wide_prediction() -> InternalSocialReward:
    isr = isr_with(Extractor)
    isr.predict = lambda observations, actions: np.zeros((len(actions), 1))  # type: ignore[method-assign]
    return isr


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (wide_prediction, r"float32 array \[16\] for 16 transitions, got float64 \[16, 1\]"),
        (partial(isr_with, Infinite), "R_i must be finite"),
        (
            partial(isr_with, Doubling),
            "leave the learner's observations and actions as they are.*; compute out of place",
        ),
        (partial(isr_with, RunningMean), "predict must leave the ISR as it is"),
        (partial(isr_with, Noisy), "predict must leave the ISR as it is"),
        (trained_mode, r"predict must leave the ISR as it is.*call isr.eval\(\)"),
        (partial(isr_with, DrawsTorch), "An ISR must leave the global random generators alone.*draws from torch"),
        (partial(isr_with, BatchMean), "must not depend on the others in its batch.*together and.*alone; normalize"),
        (
            partial(isr_with, Detached),
            r"reach all parameters.*none at \['features_extractor.linear.weight', .*; detach",
        ),
        (foreign_optimizer, "change the copy, and the copy alone, got no change in it; .*optimizer"),
        (shared_weights, "change the copy, and the copy alone, got a change in the ISR itself"),
        (partial(isr_with, Hidden), r"the same when it is saved and loaded, got .* in place of .*; keep"),
        (partial(isr_with, OffMeta), 'saved and loaded, got .*built on torch\'s device "meta"'),
        (
            partial(isr_with, Extractor, features_extractor_kwargs={"factor": np.float32(2)}),
            "saved and loaded, got .*JSON",
        ),
        (unpicklable, "pickle must take it.*at the top of a module"),
    ],
)
def test_an_isr_that_breaks_a_rule(make: Callable[[], InternalSocialReward], message: str) -> None:
    with pytest.raises(ConformanceError, match=f"(?s){message}"):
        check_isr(make())


def test_an_isr_of_ones_own_parts() -> None:
    check_isr(isr_with(Extractor, features_extractor_kwargs={"factor": 2.0}))
    check_isr(isr_with(Frozen))


def test_the_isr_stays_as_it_was_and_so_does_the_learners_randomness() -> None:
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
    """Keeps what it is shown."""

    seen: list[list[float]] = []  # noqa: RUF012

    def forward(self, observations: torch.Tensor) -> torch.Tensor:
        self.seen.extend(observations.tolist())
        return super().forward(observations)


def test_the_same_seed_checks_the_same() -> None:
    actions: list[int] = []
    caregiver = FunctionCaregiver(lambda transition: actions.append(transition.action))
    shown = []
    for seed in (0, 0, 1):
        check_caregiver(caregiver, ScriptedEnv(SCRIPT), n_steps=20, seed=seed)
        check_isr(isr_with(Recording), seed=seed)
        shown.append((actions.copy(), Recording.seen.copy()))
        actions.clear()
        Recording.seen.clear()
    assert shown[0] == shown[1]
    assert shown[0][0] != shown[2][0]
    assert shown[0][1] != shown[2][1]


def test_observations_of_an_environment_where_the_space_says_too_little() -> None:
    """A grid of codes in floats: what is drawn from its space are fractions."""
    env = gym.wrappers.TransformObservation(
        gym.make("sb3_isr/CoinGame-v0"),
        lambda grid: grid.astype(np.float32),
        spaces.Box(0, 255, GRID.shape, np.float32),
    )
    isr = InternalSocialReward(env.observation_space, env.action_space, **GRID_ONE_HOT)
    with pytest.raises(ValueError, match="whole codes"):
        check_isr(isr)
    check_isr(isr, env)
