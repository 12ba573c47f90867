"""The training environment after interrupts, and while somebody else than the learner steps in it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from stable_baselines3 import DQN, PPO
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.callbacks import BaseCallback, CallbackList, EvalCallback, EveryNTimesteps
from stable_baselines3.common.evaluation import evaluate_policy
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.vec_env import DummyVecEnv, SubprocVecEnv, VecEnv, VecFrameStack, VecNormalize

from sb3_isr import HackingWatch, ISRCallback, ISRRewardWrapper, VecISRReward
from tests.callbacks.learners import QUICK, SCRIPTS, Watch, off_policy, ppo, scripted
from tests.scripted_env import ScriptedEnv, scripted_vec_env

TRUE_RETURN = -0.5  # of each episode of four steps; without the caregiver -1.5


def in_each() -> VecEnv:
    return scripted_vec_env(SCRIPTS, wrapper=ISRRewardWrapper)


def normalized() -> VecEnv:
    return VecNormalize(scripted(), norm_reward=False)


def dqn(env: VecEnv) -> BaseAlgorithm:
    return off_policy(DQN, env, buffer_size=1000)


class Interrupt(BaseCallback):
    """Raises an exception at a step."""

    def __init__(self, step: int, error: type[BaseException] = KeyboardInterrupt) -> None:
        super().__init__()
        self.step = step
        self.error = error

    def _on_step(self) -> bool:
        if self.num_timesteps == self.step:
            raise self.error
        return True


class InterruptedEnv(ScriptedEnv):
    """Ctrl-C comes while an environment steps."""

    n_steps = 0

    def step(self, action: Any) -> Any:
        self.n_steps += 1
        if self.n_steps == 20 and self.number == 0:
            raise KeyboardInterrupt
        return super().step(action)


def learn(model: BaseAlgorithm, n_steps: int, callback: Any, **kwargs: Any) -> None:
    with pytest.raises((KeyboardInterrupt, ZeroDivisionError)):
        model.learn(n_steps, callback=callback, **kwargs)


def true_rewards(model: BaseAlgorithm, callback: ISRCallback, n_labels: int) -> None:
    """Check that nobody but the learner gets utilities, or gives labels."""
    env = model.get_env()
    assert env is not None
    assert evaluate_policy(model, env, n_eval_episodes=4)[0] == TRUE_RETURN
    env.reset()
    rewards = [env.step(np.zeros(2, int))[1].tolist() for _ in range(8)]
    assert rewards == [*[[-0.5, -0.5]] * 3, [1.0, 1.0]] * 2
    assert callback.store.n_added == n_labels


@pytest.mark.parametrize("error", [KeyboardInterrupt, ZeroDivisionError])
@pytest.mark.parametrize("make_model", [ppo, dqn])
@pytest.mark.parametrize("make_env", [scripted, in_each, normalized])
@pytest.mark.parametrize(("presence", "step", "n_labels"), [("always", 40, 40), ("leave_at_0.5", 90, 64)])
def test_after_an_interrupt_rewards_are_true_and_no_label_is_lost(
    error: type[BaseException],
    make_model: Callable[[VecEnv], BaseAlgorithm],
    make_env: Callable[[], VecEnv],
    presence: str,
    step: int,
    n_labels: int,
) -> None:
    model, callback = make_model(make_env()), ISRCallback(presence, coefficient=0.0, **QUICK)
    learn(model, 128, [callback, Interrupt(step, error)])
    true_rewards(model, callback, n_labels)


@pytest.mark.parametrize("order", [lambda c, i: [i, c], lambda c, i: CallbackList([CallbackList([c]), i])])
def test_wherever_in_the_list_the_interrupt_comes_from(order: Any) -> None:
    model, callback = ppo(), ISRCallback("always", coefficient=0.0, **QUICK)
    learn(model, 128, order(callback, Interrupt(40)))
    true_rewards(model, callback, 40)


def test_an_interrupt_inside_of_an_environment() -> None:
    model, callback = (
        ppo(VecISRReward(scripted_vec_env(SCRIPTS, env_cls=InterruptedEnv))),
        ISRCallback("always", **QUICK),
    )
    learn(model, 128, callback)
    true_rewards(model, callback, 38)


def test_an_interrupt_while_the_learner_computes(monkeypatch: pytest.MonkeyPatch) -> None:
    model, callback = ppo(), ISRCallback("leave_at_0.1", coefficient=0.0, **QUICK)
    monkeypatch.setattr(PPO, "train", lambda self: 1 / 0)
    learn(model, 128, callback)
    true_rewards(model, callback, 16)  # attended until the running episode ends


def test_a_child_that_interrupts() -> None:
    class Child(HackingWatch):
        def _on_step(self) -> bool:
            return Interrupt._on_step(self)  # type: ignore[arg-type]

    child = Child()
    child.step, child.error = 40, KeyboardInterrupt  # type: ignore[attr-defined]
    model, callback = ppo(), ISRCallback("always", callback=child, **QUICK)
    learn(model, 128, callback)
    true_rewards(model, callback, 40)


@pytest.mark.parametrize("make_env", [scripted, in_each])
def test_learning_goes_on_after_an_interrupt_with_all_labels(make_env: Callable[[], VecEnv]) -> None:
    model, callback, watch = ppo(make_env()), ISRCallback("leave_at_0.5", coefficient=0.0, **QUICK), Watch()
    learn(model, 128, [callback, Interrupt(40)])
    model.learn(88, callback=[callback, watch], reset_num_timesteps=False)
    assert callback.store.n_added == 64
    rewards = np.array(watch.rewards)
    np.testing.assert_array_equal(rewards[:12], np.tile([-0.5, -0.5, -0.5, 1.0], 3)[:, None].repeat(2, 1))
    np.testing.assert_array_equal(rewards[12:44], np.tile([-0.5, -0.5, -0.5, 0.0], 8)[:, None].repeat(2, 1))


def test_a_new_callback_takes_no_labels_of_an_interrupted_training() -> None:
    model = ppo()
    learn(model, 128, [ISRCallback("always", **QUICK), Interrupt(40)])
    callback = ISRCallback("always", **QUICK)
    model.learn(32, callback=callback)
    assert callback.store.n_added == 32


def test_labels_within_a_budget_are_not_lost_either() -> None:
    """Half way, half of the budget is due."""
    model, callback = ppo(), ISRCallback("always", "random_40", **QUICK)
    learn(model, 128, [callback, Interrupt(64)])
    model.learn(32, callback=callback)
    assert callback.internalizer.scheduler.counts.attended >= 20


def test_processes_that_ended_with_the_interrupt_are_no_second_error() -> None:
    env = SubprocVecEnv([lambda: ISRRewardWrapper(Monitor(ScriptedEnv(SCRIPTS[0])))] * 2)
    model, callback = ppo(env), ISRCallback("always", train_every=32, **QUICK)
    learn(model, 128, [callback, Interrupt(40)])
    env.close()
    with pytest.warns(UserWarning, match=r"processes have ended .* VecISRReward keeps labels in the main process"):
        assert callback.store.n_added == 32
    assert callback.store.n_added == 32


# --- evaluation in the training environment


@pytest.mark.parametrize("make_model", [ppo, dqn])
@pytest.mark.parametrize("make_env", [scripted, in_each, normalized, lambda: VecFrameStack(scripted(), 2)])
@pytest.mark.parametrize("presence", ["always", "leave_at_0.5"])
@pytest.mark.parametrize("isr_first", [True, False])
def test_evaluation_in_the_training_environment_is_true_and_gives_no_labels(
    make_model: Callable[[VecEnv], BaseAlgorithm], make_env: Callable[[], VecEnv], presence: str, isr_first: bool
) -> None:
    model, callback, watch = make_model(make_env()), ISRCallback(presence, coefficient=0.0, **QUICK), Watch()
    env = model.get_env()
    assert env is not None
    evaluate = EvalCallback(env, n_eval_episodes=3, eval_freq=7, verbose=0, warn=False)
    model.learn(128, callback=[callback, evaluate, watch] if isr_first else [watch, evaluate, callback])
    assert evaluate.best_mean_reward == evaluate.last_mean_reward == TRUE_RETURN
    assert callback.store.n_added == (128 if presence == "always" else 64)
    if presence == "leave_at_0.5":  # and the learner gets R_e alone at every step, also right after an evaluation
        assert np.array(watch.rewards)[40:].max() <= 0.0


@pytest.mark.parametrize("hook", ["_on_rollout_start", "_on_rollout_end"])
def test_evaluation_between_rollouts(hook: str) -> None:
    class Evaluate(BaseCallback):
        def _on_step(self) -> bool:
            return True

    def evaluate(self: BaseCallback) -> None:
        returns.append(evaluate_policy(self.model, self.training_env, n_eval_episodes=2)[0])

    returns: list[Any] = []
    setattr(Evaluate, hook, evaluate)
    watch, callback = Watch(), ISRCallback("leave_at_0.25", coefficient=0.0, **QUICK)
    ppo().learn(128, callback=[callback, Evaluate(), watch])
    assert returns == [TRUE_RETURN] * 4
    assert callback.store.n_added == 32
    assert np.array(watch.rewards)[17:].max() <= 0.0


def test_where_the_learner_calls_no_list_of_callbacks() -> None:
    watch, callback = Watch(), ISRCallback("leave_at_0.5", coefficient=0.0, **QUICK)
    model = ppo()
    model.learn(128, callback=callback)
    assert callback.store.n_added == 64
    assert (model.rollout_buffer.rewards == np.tile([-0.5, -0.5, -0.5, 0.0], 4)[:, None]).all()
    model.learn(128, callback=[EveryNTimesteps(50, Watch()), callback, watch], reset_num_timesteps=False)
    assert callback.store.n_added == 64  # it has left for good


def test_a_list_of_ones_own_is_left_as_it_was() -> None:
    callbacks = CallbackList([ISRCallback("always", **QUICK), Watch()])
    model = ppo()
    for _ in range(2):
        model.learn(32, callback=callbacks)
        assert [type(callback) for callback in callbacks.callbacks] == [ISRCallback, Watch]
    learn(model, 32, CallbackList([callbacks, Interrupt(2)]))
    model.learn(32, callback=callbacks)
    assert len(callbacks.callbacks) == 2


# --- a forgotten callback


@pytest.mark.parametrize("make_env", [scripted, in_each, normalized, lambda: VecFrameStack(scripted(), 2)])
def test_a_forgotten_callback_is_named_and_an_evaluation_is_not(
    make_env: Callable[[], VecEnv], recwarn: pytest.WarningsRecorder
) -> None:
    model = ppo(make_env())
    evaluate_policy(model, model.get_env(), n_eval_episodes=4)  # type: ignore[arg-type]
    model.learn(32, callback=[ISRCallback("always", **QUICK), EvalCallback(make_env(), eval_freq=4, verbose=0)])
    evaluate_policy(model, model.get_env(), n_eval_episodes=4)  # type: ignore[arg-type]
    assert not [w for w in recwarn if "no ISRCallback is connected" in str(w.message)]
    with pytest.warns(UserWarning, match=r"no ISRCallback is connected.*callback=ISRCallback\(\.\.\.\)"):
        model.learn(32)


def test_an_own_isr_needs_no_callback(recwarn: pytest.WarningsRecorder) -> None:
    model = ppo()
    callback = ISRCallback("always", **QUICK)
    model.learn(32, callback=callback)
    ppo(VecISRReward(DummyVecEnv([lambda: Monitor(ScriptedEnv(SCRIPTS[0]))]), isr=callback.isr)).learn(32)
    assert not [w for w in recwarn if "no ISRCallback is connected" in str(w.message)]
