"""
The promise "any SB3 algorithm, any space", cell by cell: what the algorithm learns from, what is stored, what
evaluation sees, and that one seed is one run.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.callbacks import BaseCallback, EvalCallback

from sb3_isr import ISRCallback
from sb3_isr.common.batches import Array
from tests.algorithm_cells import CELLS, MEAN_TRUE_RETURN, SCRIPTS, Cell, each_cell
from tests.scripted_env import (
    Told,
    labels_by_hand,
    utilities_by_hand,
)

#: Steps of each environment, and after how many of them its caregiver has left: it leaves when 0.4 of the 96 steps of
#: both are over, which is after 20 of each. That is an episode's end in the second environment, and in the first one
#: the caregiver stays for the step that is left.
STEPS, PRESENT = 48, (21, 20)
#: Two of three steps are labelled in the first environment, three of four in the second.
N_LABELS = 14 + 15


class Rollouts(BaseCallback):
    """Keeps the rewards and returns of an on-policy algorithm: its buffer is emptied before each rollout."""

    def __init__(self) -> None:
        super().__init__()
        self.rewards: list[Array] = []
        self.returns: list[Array] = []

    def _on_step(self) -> bool:
        return True

    def _on_rollout_end(self) -> None:
        if hasattr(self.model, "rollout_buffer"):
            self.rewards.append(self.model.rollout_buffer.rewards.copy())
            self.returns.append(self.model.rollout_buffer.returns.copy())


class Evaluations(BaseCallback):
    """Keeps the mean return of each evaluation."""

    def __init__(self) -> None:
        super().__init__()
        self.means: list[float] = []

    def _on_step(self) -> bool:
        assert isinstance(self.parent, EvalCallback)
        self.means.append(self.parent.last_mean_reward)
        return True


class Run(NamedTuple):
    """What came of a cell's training."""

    model: BaseAlgorithm
    callback: ISRCallback
    #: `[STEPS, n_envs]`, from the rollout buffer or the replay buffer.
    rewards: Array
    #: On-policy: the returns that were computed from them.
    returns: Array | None
    #: For each environment, what it was told.
    told: list[list[Told]]
    evaluations: list[float]


@cache
def run(name: str, seed: int = 0, time: int = 1) -> Run:
    """Train a cell; another `time` is the same again."""
    cell = CELLS[name]
    model, rollouts, evaluations = cell.model(seed), Rollouts(), Evaluations()
    callback = ISRCallback(
        "leave_at_0.4",
        isr_kwargs={"net_arch": (16,)},
        trainer_kwargs={"gradient_steps": 5},
        store_kwargs={"held_out": 0.0},
    )
    evaluate = cell.eval_callback()(
        model._wrap_env(cell.env(), verbose=0),  # in SB3's own wrappers too, transposed images for instance
        n_eval_episodes=2,
        eval_freq=12,
        callback_after_eval=evaluations,
        verbose=0,
    )
    model.learn(STEPS * 2, callback=[callback, rollouts, evaluate])
    env, replay_buffer = model.get_env(), getattr(model, "replay_buffer", None)
    assert env is not None
    rewards = np.concatenate(rollouts.rewards) if replay_buffer is None else replay_buffer.rewards[:STEPS]
    returns = np.concatenate(rollouts.returns) if rollouts.returns else None
    return Run(model, callback, rewards, returns, env.get_attr("told"), evaluations.means)


def in_time(told: Sequence[Sequence[Told]], steps: Sequence[int]) -> list[Told]:
    """The first steps of each environment, in the order in which they happened."""
    return [told[i][step] for step in range(max(steps)) for i in range(len(told)) if step < steps[i]]


@each_cell
def test_utilities_are_the_true_rewards_while_present_and_contain_r_i_while_absent(cell: str) -> None:
    _, callback, rewards, returns, told, _ = run(cell)
    assert rewards.shape == (STEPS, 2)
    for i, script in enumerate(SCRIPTS):
        present = [step < PRESENT[i] for step in range(STEPS)]
        utilities = utilities_by_hand(told[i][:STEPS], present, callback.isr.predict)
        np.testing.assert_allclose(rewards[:, i], utilities, atol=1e-5)
        true_rewards = [environment_reward + (social_reward or 0) for environment_reward, social_reward in script]
        np.testing.assert_array_equal(rewards[: PRESENT[i], i], np.resize(true_rewards, PRESENT[i]))
        if returns is not None:  # they have been computed by then: what comes last in an episode is all its return
            ends = slice(len(script) - 1, None, len(script))
            np.testing.assert_allclose(returns[ends, i], utilities[ends], atol=1e-5)
        # An ISR that knew neither observation nor action would let any mix-up of them pass.
        internal = utilities - [t.environment_reward for t in told[i][:STEPS]]
        assert np.ptp(internal[PRESENT[i] :]) > 0.01


@each_cell
def test_labels_stored_are_labels_given_and_nothing_is_stored_while_absent(cell: str) -> None:
    callback, told = run(cell).callback, run(cell).told
    stored = callback.store.labels()
    given = labels_by_hand(in_time(told, PRESENT))
    assert callback.store.n_added == len(callback.store) == N_LABELS
    for mine, expected in zip(stored.transitions, given.transitions, strict=True):
        np.testing.assert_equal(mine, expected)
    np.testing.assert_array_equal(stored.social_rewards, given.social_rewards)
    assert all(CELLS[cell].action_space.contains(action) for action in stored.transitions.actions)


@each_cell
def test_evaluation_sees_the_true_reward_and_uses_up_no_label(cell: str) -> None:
    # The first one while the caregiver is present, the others in autonomy.
    assert run(cell).evaluations == [MEAN_TRUE_RETURN] * 4
    assert run(cell).callback.store.n_added == N_LABELS


@each_cell
def test_one_seed_is_one_run(cell: str) -> None:
    first, again = run(cell), run(cell, time=2)
    np.testing.assert_array_equal(policy_weights(again.model), policy_weights(first.model))
    np.testing.assert_array_equal(isr_weights(again.callback), isr_weights(first.callback))
    np.testing.assert_array_equal(again.rewards, first.rewards)


@pytest.mark.parametrize("cell", ["PPO", "DQN", "SAC"])
def test_another_seed_is_another_run(cell: str) -> None:
    first, other = run(cell), run(cell, seed=1)
    assert not np.array_equal(policy_weights(other.model), policy_weights(first.model))
    assert not np.array_equal(isr_weights(other.callback), isr_weights(first.callback))


def test_the_isr_is_seeded_by_the_models_seed_or_its_own() -> None:
    """Another model's labels would make another ISR anyway; so here none is trained."""

    def untrained(model_seed: int, seed: int | None = None) -> Array:
        callback = ISRCallback("always", seed=seed)
        CELLS["PPO"].model(model_seed).learn(32, callback=callback)
        return isr_weights(callback)

    assert not np.array_equal(untrained(0), untrained(1))
    np.testing.assert_array_equal(untrained(0, seed=1), untrained(1))


def isr_weights(callback: ISRCallback) -> Array:
    return np.concatenate([p.detach().numpy().ravel() for p in callback.isr.parameters()])


def policy_weights(model: BaseAlgorithm) -> Array:
    states = [getattr(model.policy, name, None) for name in ("actor_state", "vf_state", "qf_state")]
    leaves: list[Any] = [p.detach().numpy() for p in model.policy.parameters()]
    if not leaves:  # SBX: JAX's trees in place of torch's parameters
        leaves = pytest.importorskip("jax").tree_util.tree_leaves(
            [state.params for state in states if state is not None]
        )
    return np.concatenate([np.ravel(leaf) for leaf in leaves])


@pytest.mark.parametrize("cell", [name for name, cell in CELLS.items() if cell.is_masked])
def test_masked_actions_are_never_taken(cell: str) -> None:
    for told in run(cell).told:
        assert len(told) == STEPS
        assert all(t.action.flat[0] != t.step % 3 for t in told)


def test_random_search_is_refused() -> None:
    """ARS maximizes what Monitor reports, inside any reward wrapper."""
    from sb3_contrib import ARS

    model = ARS("LinearPolicy", Cell("sb3_contrib.ARS").env(), seed=0, device="cpu")
    before = torch.nn.utils.parameters_to_vector(model.policy.parameters())
    with pytest.raises(ValueError, match=r"ARS maximizes the Monitor's reward.*use another algorithm"):
        model.learn(32, callback=ISRCallback())
    assert torch.equal(torch.nn.utils.parameters_to_vector(model.policy.parameters()), before)
