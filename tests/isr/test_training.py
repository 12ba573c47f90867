"""What an ISR learns from labels, and how."""

import itertools
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from gymnasium import spaces

from sb3_isr import InternalSocialReward, ISRTrainer, LabelStore
from sb3_isr.common.batches import Array
from sb3_isr.isr.held_out import evaluate
from sb3_isr.labels import LabelRange
from tests.labels.made_labels import labelled

FOUR = spaces.Discrete(4)
#: For tests of the training on pairs of observation and action.
PAIRS: dict[str, Any] = {"use_next_observation": False, "use_terminated": False}
BOX, TWO = spaces.Box(-5, 5, (2,), np.float32), spaces.Discrete(2)


def tabular_isr(**kwargs: Any) -> InternalSocialReward:
    return InternalSocialReward(FOUR, FOUR, **{**PAIRS, "net_arch": (32,), "device": "cpu", **kwargs})


def tabular_store(social_rewards: Array | None = None, n: int = 400, held_out: float = 0.1) -> LabelStore:
    """Labels of a tabular task; by default 0.4 is given for the action with the observation's number."""
    rng = np.random.default_rng(0)
    observations, actions = rng.integers(4, size=n), rng.integers(4, size=n)
    store = LabelStore(FOUR, FOUR, held_out=held_out, seed=0)
    store.add(
        labelled(observations, actions, 0.4 * (observations == actions) if social_rewards is None else social_rewards)
    )
    return store


def box_isr(**kwargs: Any) -> InternalSocialReward:
    return InternalSocialReward(BOX, TWO, **{**PAIRS, "n_members": 5, "net_arch": (16,), "device": "cpu", **kwargs})


def uniform_observations(n: int, seed: int = 0) -> Array:
    return np.random.default_rng(seed).uniform(-5, 5, (n, 2)).astype(np.float32)


def box_store(observations: Any, social_rewards: Any, actions: Any = None) -> LabelStore:
    store = LabelStore(BOX, TWO, held_out=0.0, seed=0)
    observations = np.asarray(observations, np.float32)
    actions = np.zeros(len(observations), int) if actions is None else actions
    store.add(labelled(observations, actions, np.asarray(social_rewards, np.float32)))
    return store


def weights(isr: InternalSocialReward) -> torch.Tensor:
    return torch.cat([parameter.detach().flatten() for parameter in isr.parameters()])


def nearest(isr: InternalSocialReward, observations: Any, actions: Any) -> Array:
    """The labels that are nearest to R_i: without held-out labels it is not known whether the ISR tells them apart."""
    assert isr.label_range is not None
    return isr.label_range.nearest(isr.predict(observations, actions))


def test_an_isr_learns_what_the_caregiver_rewards() -> None:
    store, isr = tabular_store(), tabular_isr()
    before = evaluate(isr, store).mse
    metrics = ISRTrainer(isr, learning_rate=1e-2, gradient_steps=150, max_cycles=1, batch_size=64).train(store)
    observations, actions = (grid.ravel() for grid in np.meshgrid(np.arange(4), np.arange(4)))
    np.testing.assert_allclose(isr.predict(observations, actions), 0.4 * (observations == actions), atol=0.02)
    assert metrics.held_out.mse < 1e-4 < before
    assert metrics.train_loss < 1e-3
    assert (metrics.n_labels, metrics.gradient_steps) == (400, 150)


# What is left out of training.


def test_held_out_labels_change_no_weight() -> None:
    """The published held-out loss also took an optimizer step on the held-out samples."""
    probe = LabelStore(spaces.Discrete(400), FOUR, held_out=0.1, seed=0)
    probe.add(labelled(np.arange(400), np.zeros(400, int), np.zeros(400)))
    is_held_out = np.isin(np.arange(400), np.asarray(next(probe.held_out_batches()).transitions.observations))
    labels = np.random.default_rng(1).random(400)
    isrs, metrics = [tabular_isr() for _ in range(2)], []
    for isr, social_rewards in zip(isrs, (labels, np.where(is_held_out, 1e6, labels)), strict=True):
        store = tabular_store(social_rewards)
        assert store.n_held_out == is_held_out.sum() > 20
        metrics.append(ISRTrainer(isr, gradient_steps=20, max_cycles=1).train(store))
    assert torch.equal(weights(isrs[0]), weights(isrs[1]))
    assert metrics[1].train_loss == metrics[0].train_loss
    assert metrics[1].held_out.mse > 1e11


def test_held_out_mse_is_the_mean_over_the_held_out_labels() -> None:
    """They are not balanced, and may be more than one batch."""
    store = LabelStore(FOUR, FOUR, held_out=0.5, seed=0)
    store.add(labelled(np.zeros(3000, int), np.zeros(3000, int), np.arange(3000) % 4))
    isr, zero = tabular_isr(), np.zeros(1, int)
    labels = np.concatenate([batch.social_rewards for batch in store.held_out_batches()])
    assert len(labels) > 1024
    assert evaluate(isr, store).mse == pytest.approx(((isr.predict(zero, zero) - labels) ** 2).mean(), rel=1e-5)


def test_without_held_out_labels_their_error_is_nan() -> None:
    metrics = ISRTrainer(tabular_isr(), gradient_steps=2).train(tabular_store(held_out=0.0))
    assert math.isnan(metrics.held_out.mse)


def test_training_leaves_the_learners_randomness_unchanged_and_can_be_repeated() -> None:
    """The network draws for its dropout, and other numbers in each training."""

    def trained(seed: int, n_trainings: int = 1) -> torch.Tensor:
        isr = tabular_isr(activation_fn=torch.nn.Dropout)
        trainer = ISRTrainer(isr, gradient_steps=5, learning_rate=1e-9, seed=seed)
        masks: list[torch.Tensor] = []
        list(isr.net.children())[1].register_forward_hook(lambda _, __, output: masks.append(output == 0))
        for _ in range(n_trainings):
            trainer.train(tabular_store(held_out=0.0))
        assert trainer.n_trainings == n_trainings
        return torch.stack(masks[-5:])

    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)
    first = trained(0)
    assert torch.equal(torch.rand(1), expected)
    assert torch.equal(trained(0), first)
    assert not torch.equal(trained(1), first)
    assert not torch.equal(trained(0, n_trainings=2), first)


# The gradient step, by hand.

SGD: dict[str, Any] = {"optimizer_class": torch.optim.SGD, "learning_rate": 1.0, "gradient_steps": 1, "batch_size": 8}


@pytest.mark.parametrize("n_members", [1, 4])
def test_the_gradient_is_clipped_for_each_member(n_members: int) -> None:
    isr = box_isr(n_members=n_members)
    before = weights(isr)
    ISRTrainer(isr, max_grad_norm=0.01, **SGD).train(box_store(uniform_observations(20), np.full(20, 100.0)))
    assert (weights(isr) - before).norm().item() == pytest.approx(0.01 * n_members**0.5, rel=1e-3)


def test_each_member_has_the_gradient_that_it_has_by_itself() -> None:
    """The error of its predictions, averaged over the batch but not over the members."""
    isr = box_isr(net_arch=(), standardize=False)
    net: Any = isr.net
    before = net.biases[0].detach().clone()
    observations = np.zeros((1, 2))
    predictions = isr.predict_members(observations.astype(np.float32), np.zeros(1, int))
    ISRTrainer(isr, max_grad_norm=1e9, **SGD).train(box_store(observations, [1.0]))
    expected = -2 * (torch.as_tensor(predictions) - 1)
    torch.testing.assert_close((net.biases[0] - before).view(5, 1), expected)


@pytest.mark.parametrize("l1_coef", [0.0, 0.006])
def test_the_l1_penalty_pulls_the_first_layers_weights_towards_zero(l1_coef: float) -> None:
    """By the coefficient, relative to the variance of the labels, here 1."""
    after = []
    for coef in (0.0, l1_coef):
        isr = box_isr(net_arch=(4,))
        before = [parameter.detach().clone() for parameter in isr.parameters()]
        labels = np.array([-1.0, 1.0] * 10)
        ISRTrainer(isr, max_grad_norm=1e9, l1_coef=coef, **SGD).train(box_store(uniform_observations(20), labels))
        after.append([parameter.detach() for parameter in isr.parameters()])
    first, *others = ((with_l1 - without).numpy() for without, with_l1 in zip(*after, strict=True))
    np.testing.assert_allclose(first, -l1_coef * np.sign(before[0].numpy()), atol=1e-6)
    assert not any(other.any() for other in others)


def test_the_learning_rate_falls_within_a_training_and_starts_anew_in_the_next() -> None:
    store, isr = tabular_store(), tabular_isr()
    trainer = ISRTrainer(isr, learning_rate=0.01, gradient_steps=4, max_cycles=1)
    rates: list[float] = []
    trainer.optimizer.register_step_pre_hook(lambda optimizer, *_: rates.append(optimizer.param_groups[0]["lr"]))
    trainer.train(store)
    trainer.train(store)
    np.testing.assert_allclose(rates, 0.01 * np.array([1.0, 0.8535534, 0.5, 0.1464466] * 2), rtol=1e-6)
    assert [group["lr"] for group in trainer.optimizer.param_groups] == [0.01]


def test_a_restored_trainer_goes_on_as_the_saved_one(tmp_path: Path) -> None:
    isrs = [tabular_isr(activation_fn=torch.nn.Dropout) for _ in range(2)]
    trainers = [ISRTrainer(isr, gradient_steps=5) for isr in isrs]
    trainers[0].train(tabular_store())
    isrs[1].load_state_dict(isrs[0].state_dict())
    torch.save(trainers[0].state_dict(), tmp_path / "trainer")
    trainers[1].load_state_dict(torch.load(tmp_path / "trainer", weights_only=True))
    for trainer in trainers:
        trainer.train(tabular_store())
        assert trainer.n_trainings == 2
    assert torch.equal(weights(isrs[0]), weights(isrs[1]))


def test_the_label_range_covers_all_trainings() -> None:
    isr = box_isr()
    trainer = ISRTrainer(isr, gradient_steps=1, batch_size=2)
    trainer.train(box_store(np.zeros((2, 2)), [0.0, 0.5]))
    assert isr.label_range == LabelRange(0.0, 0.5, (0.0, 0.5))
    trainer.train(box_store(np.zeros((1, 2)), [-1.0]))
    assert isr.label_range == LabelRange(-1.0, 0.5, (-1.0, 0.0, 0.5))


# Ensembles, the L1 penalty and action contrast.


def test_members_agree_where_labels_are_and_disagree_elsewhere() -> None:
    isr, observations = box_isr(), uniform_observations(300)
    labelled = np.abs(observations) * [-1, 1]
    store = box_store(labelled, np.sin(labelled[:, 1]))
    ISRTrainer(isr, learning_rate=2e-2, gradient_steps=150, batch_size=64).train(store)
    near, far = (
        np.median(isr.predict_members(where.astype(np.float32), np.zeros(300, int)).std(axis=0))
        for where in (labelled, labelled * [-1, 1])
    )
    assert far > 2 * near


def test_l1_finds_the_one_of_forty_numbers_that_matters() -> None:
    """There are thirty labels; 1 is given where the first number is above 0."""
    space = spaces.Box(-1, 1, (40,), np.float32)
    rng = np.random.default_rng(0)
    seen, unseen = (rng.uniform(-1, 1, (n, 40)).astype(np.float32) for n in (30, 500))
    errors = []
    for l1_coef in (0.0, 0.006):
        isr = InternalSocialReward(space, TWO, **PAIRS, net_arch=(32,), device="cpu")
        store = LabelStore(space, TWO, held_out=0.0, seed=0)
        store.add(labelled(seen, np.zeros(30, int), (seen[:, 0] > 0).astype(np.float32)))
        ISRTrainer(isr, learning_rate=1e-2, l1_coef=l1_coef, gradient_steps=300, batch_size=30).train(store)
        errors.append(np.mean(nearest(isr, unseen, np.zeros(500, int)) != (unseen[:, 0] > 0)))
    assert errors[1] < 0.5 * errors[0]


@pytest.mark.parametrize("action_contrast", [False, True])
def test_with_action_contrast_an_untried_action_is_not_expected_to_be_praised(action_contrast: bool) -> None:
    """0.4 is given where the first number is above 0; there only action 0 was tried, elsewhere both."""
    isr = box_isr(pessimism=1.0)
    observations = uniform_observations(200)
    is_praised = observations[:, 0] > 0
    store = box_store(observations, 0.4 * is_praised, np.where(is_praised, 0, np.arange(200) % 2))
    kwargs: dict[str, Any] = {"learning_rate": 2e-2, "gradient_steps": 250, "batch_size": 64}
    ISRTrainer(isr, l1_coef=0.04, action_contrast=action_contrast, **kwargs).train(store)
    far = observations[observations[:, 0] > 1]
    untried = np.ones(len(far), int)
    first, *others = isr.predict_members(far, untried).mean(axis=1) / 0.4
    assert min(others) > 0.4  # it is the first member alone that is trained with contrast, so that it disagrees
    assert nearest(isr, far, 0 * untried).mean() / 0.4 > 0.95
    if action_contrast:
        assert first < 0.05
        assert nearest(isr, far, untried).mean() / 0.4 < 0.05
    else:
        assert first > 0.5


@pytest.mark.parametrize("label", [-1.0, 0.0])
def test_action_contrast_applies_only_to_praise(label: float) -> None:
    """A reproach is no evidence about other actions, and without praise the training is the same."""
    observations = uniform_observations(50)
    isrs = [box_isr(n_members=1) for _ in range(2)]
    for isr, action_contrast in zip(isrs, (False, True), strict=True):
        store = box_store(observations, np.full(50, label), np.arange(50) % 2)
        ISRTrainer(isr, action_contrast=action_contrast, gradient_steps=5, batch_size=32).train(store)
    assert torch.equal(weights(isrs[0]), weights(isrs[1]))


def test_action_contrast_changes_nothing_where_one_action_was_tried() -> None:
    isrs = [box_isr(n_members=1) for _ in range(2)]
    for isr, action_contrast in zip(isrs, (False, True), strict=True):
        store = box_store(uniform_observations(50), np.ones(50))
        ISRTrainer(isr, action_contrast=action_contrast, gradient_steps=5, batch_size=32).train(store)
    assert torch.equal(weights(isrs[0]), weights(isrs[1]))


# Arguments.


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"gradient_steps": 0}, "gradient_steps must be a whole number, 1 or more, got 0; change it"),
        ({"gradient_steps": 2.5}, "gradient_steps must be a whole number"),
        ({"gradient_steps": "1e4"}, "got '1e4'; write it without quotes"),
        ({"batch_size": 0}, "batch_size must be a whole number, 1 or more, got 0"),
        ({"l1_coef": -1.0}, r"l1_coef must be a finite number in \[0, inf\), got -1.0"),
        ({"l1_coef": math.nan}, r"l1_coef must be a finite number in \[0, inf\), got nan"),
        *[
            ({"learning_rate": lr}, r"learning_rate .*in \(0, inf\), got")
            for lr in (-1.0, 0, math.nan, math.inf, "1e-4", True)
        ],
        ({"max_grad_norm": 0.0}, r"max_grad_norm must be a finite number in \(0, inf\)"),
        ({"action_contrast": "no"}, "action_contrast must be True or False"),
        ({"seed": 0.5}, "seed must be a whole number"),
        ({"optimizer_kwargs": {"beta": 1}}, "arguments of Adam besides lr, got.*beta.*argument of the trainer"),
        ({"optimizer_kwargs": {"lr": 1}}, "arguments of Adam besides lr, got"),
    ],
)
def test_bad_arguments_are_refused(kwargs: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ISRTrainer(tabular_isr(), **kwargs)


def test_an_empty_store_is_refused() -> None:
    with pytest.raises(ValueError, match="no label to train on"):
        ISRTrainer(tabular_isr()).train(LabelStore(FOUR, FOUR))


def test_the_optimizer_gets_its_keyword_arguments() -> None:
    trainer = ISRTrainer(tabular_isr(), optimizer_class=torch.optim.AdamW, optimizer_kwargs={"betas": (0.8, 0.9)})
    assert isinstance(trainer.optimizer, torch.optim.AdamW)
    assert trainer.optimizer.param_groups[0]["betas"] == (0.8, 0.9)


# Cycles.


def curved_store(held_out: float = 0.2) -> LabelStore:
    observations = uniform_observations(300)
    store = LabelStore(BOX, TWO, held_out=held_out, seed=0)
    store.add(labelled(observations, np.zeros(300, int), np.sin(observations[:, 0]).astype(np.float32)))
    return store


class Cycles(ISRTrainer):
    """Keeps the weights and the held-out error after each cycle."""

    def _cycle(self, store: LabelStore) -> float:
        train_loss = super()._cycle(store)
        self.cycles.append((weights(self.isr), evaluate(self.isr, store).mse))
        return train_loss

    cycles: list[tuple[torch.Tensor, float]]


def cycled(gradient_steps: int, max_cycles: int, held_out: float = 0.2, **kwargs: Any) -> tuple[Cycles, Any]:
    isr = box_isr(n_members=1)
    trainer = Cycles(isr, gradient_steps=gradient_steps, max_cycles=max_cycles, **kwargs)
    trainer.cycles = []
    return trainer, trainer.train(curved_store(held_out))


def test_without_held_out_labels_there_is_one_cycle() -> None:
    trainer, metrics = cycled(10, 5, held_out=0.0)
    assert len(trainer.cycles) == 1
    assert metrics.gradient_steps == 10
    assert all(math.isnan(value) for value in metrics.held_out)


@pytest.mark.parametrize("max_cycles", [1, 3])
def test_there_are_no_more_cycles_than_allowed_though_each_is_better(max_cycles: int) -> None:
    trainer, metrics = cycled(80, max_cycles, learning_rate=1e-2, batch_size=64)
    errors = [error for _, error in trainer.cycles]
    assert len(errors) == max_cycles
    assert all(later < 0.9 * earlier for earlier, later in itertools.pairwise(errors))
    assert metrics.gradient_steps == 80 * max_cycles


def test_the_weights_of_the_best_cycle_are_kept() -> None:
    """With so large a learning rate a later cycle makes it worse."""
    trainer, metrics = cycled(30, 20, learning_rate=0.1, batch_size=8)
    errors = [error for _, error in trainer.cycles]
    best = int(np.argmin(errors))
    assert best < len(errors) - 1 < 19, "the last one is not the best"
    assert torch.equal(weights(trainer.isr), trainer.cycles[best][0])
    assert metrics.held_out.mse == pytest.approx(errors[best])
    assert evaluate(trainer.isr, curved_store()).mse == pytest.approx(errors[best])


def test_training_stops_when_the_held_out_labels_are_explained() -> None:
    store, isr = tabular_store(), tabular_isr()
    metrics = ISRTrainer(isr, learning_rate=1e-2, gradient_steps=400, batch_size=64).train(store)
    assert metrics.gradient_steps < 5 * 400
    assert metrics.held_out.explained > 0.999


def test_held_out_labels_of_both_kinds_of_endings_are_explained_each_by_themselves() -> None:
    """The ISR predicts a constant. Each kind's labels vary by chance about its own mean."""
    isr, observations = box_isr(n_members=1, limit_to_labels="no"), uniform_observations(400)
    ends = np.arange(400) % 4 == 0
    labels = np.where(ends, 10.0, 0.0) + np.where(np.arange(400) // 4 % 2, 1.0, -1.0)
    store = LabelStore(BOX, TWO, held_out=0.5, seed=0)
    store.add(labelled(observations, np.zeros(400, int), labels.astype(np.float32), terminated=ends))
    isr.predict = lambda *_: np.zeros(len(_[1]), np.float32)  # type: ignore[method-assign]
    met = evaluate(isr, store)
    batches = list(store.held_out_batches())
    given = np.concatenate([batch.social_rewards for batch in batches]).astype(float)
    ended = np.concatenate([batch.transitions.terminated for batch in batches])
    assert met.mse == pytest.approx((given**2).mean())
    for explained, of_kind in (
        (met.explained, given),
        (met.explained_continuing, given[~ended]),
        (met.explained_terminated, given[ended]),
    ):
        assert explained == pytest.approx(1 - (of_kind**2).mean() / of_kind.var())


# Limits.


@pytest.mark.parametrize("limit", ["range", "values"])
def test_a_step_that_goes_on_is_never_paid_what_only_an_end_was_paid(limit: Any) -> None:
    """Goals are worth 100, steps -1 or 0; whatever the ISR's weights, it cannot pay for going on."""
    observations = uniform_observations(200)
    ends = np.arange(200) % 10 == 0
    labels = np.where(ends, 100.0, -(np.arange(200) % 2)).astype(np.float32)
    isr = InternalSocialReward(BOX, TWO, net_arch=(16,), limit_to_labels=limit, device="cpu")
    store = LabelStore(BOX, TWO, held_out=0.2, seed=0)
    store.add(labelled(observations, np.zeros(200, int), labels, terminated=ends))
    ISRTrainer(isr, gradient_steps=20).train(store)
    with torch.no_grad():
        for parameter in isr.parameters():
            parameter.mul_(100)
    far = 100 * uniform_observations(500, seed=1)
    for terminated, low, high in ((False, -1.0, 0.0), (True, 100.0, 100.0)):
        rewards = isr.predict(far, np.ones(500, int), -far, np.full(500, terminated))
        assert low <= rewards.min() <= rewards.max() <= high
    unlimited = isr(*isr.tensors(far, np.ones(500, int), -far, np.zeros(500, bool))).detach()
    assert unlimited.min() < -1 < 0 < unlimited.max()


def test_steps_of_a_kind_that_was_never_labelled_are_limited_to_all_labels() -> None:
    isr = InternalSocialReward(BOX, TWO, net_arch=(16,), device="cpu")
    observations = uniform_observations(100)
    store = box_store(observations, np.linspace(-1, 2, 100))
    ISRTrainer(isr, gradient_steps=5).train(store)
    far = 1000 * observations
    for terminated in (False, True):
        rewards = isr.predict(far, np.ones(100, int), -far, np.full(100, terminated))
        assert (rewards.min(), rewards.max()) == (-1.0, 2.0)


# Units.


def taught(scale: float, shift: float, observation_scale: float, standardize: bool = True) -> Array:
    """What an ISR predicts after a caregiver's labels in other units, of observations in other units; in the first."""
    space = spaces.Box(-np.inf, np.inf, (2,), np.float32)
    observations, then = uniform_observations(400), uniform_observations(400, seed=1)
    ends = np.arange(400) % 5 == 0
    labels = 2 + np.sin(observations[:, 0]) + 0.3 * then[:, 1] * ends  # none is 0, which would be another kind
    isr = InternalSocialReward(space, TWO, net_arch=(16,), standardize=standardize, device="cpu")
    store = LabelStore(space, TWO, held_out=0.2, seed=0)
    outcome = {"next_observations": then * np.float32(observation_scale), "terminated": ends}
    seen = observations * np.float32(observation_scale)
    store.add(labelled(seen, np.arange(400) % 2, (scale * labels + shift).astype(np.float32), **outcome))
    ISRTrainer(isr, gradient_steps=200, max_cycles=1).train(store)
    rewards = isr.predict(*store.labels().transitions)
    return np.asarray((rewards - shift) / scale)


@pytest.mark.parametrize(
    ("scale", "shift", "observation_scale", "atol"),
    # Other observations have other hashes, by which other labels are drawn: as different as with another seed.
    [(1000.0, 5.0, 1.0, 0.02), (1.0, 5.0, 1.0, 0.02), (1.0, 0.0, 1000.0, 0.15), (1e-3, 0.0, 1e-3, 0.15)],
)
def test_labels_and_observations_in_other_units_teach_the_same(
    scale: float, shift: float, observation_scale: float, atol: float
) -> None:
    expected = taught(1.0, 0.0, 1.0)
    np.testing.assert_allclose(taught(scale, shift, observation_scale), expected, atol=atol)
    unstandardized = taught(scale, shift, observation_scale, standardize=False)
    assert np.abs(unstandardized - taught(1.0, 0.0, 1.0, standardize=False)).max() > 0.2
