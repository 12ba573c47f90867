"""1. Overhead on training: steps a second with the plugin over the same without."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from time import perf_counter
from typing import Any

from stable_baselines3.common.base_class import BaseAlgorithm

from benchmarks.common import Result, in_turn, now, result
from benchmarks.overhead_tasks import ROLLOUT, TASKS, Task
from sb3_isr import InternalSocialReward, ISRCallback, VecISRReward

N_ENVS = (1, 8, 32)
ROUNDS = 3
#: Fewer are enough where both times are of one run.
SHARE_ROUNDS = 2


def run() -> Iterator[Result | str]:
    """
    Measure the speed of training.

    :return: Speeds, relative to plain Stable-Baselines3.
    """
    yield (
        "Steps a second of the whole of model.learn, construction excluded, over those of plain Stable-Baselines3. "
        f"SB3's defaults, but that a rollout has {ROLLOUT} transitions. Coin game: the paper's ISR; "
        "where it is not the paper's, the policy is a small MLP on one-hot cells. Pendulum: the default ISR, and "
        "SocialRewardWrapper(TaskRewardCaregiver) inside. Five members: an ensemble with pessimism. "
        "Plain SB3 again is another learner like the first: as far as it is from 1, so far is the scatter of the "
        "ratios. The share of the learning time that is spent in the plugin scatters less, since both are of one run: "
        "it decides. It holds what VecISRReward adds to the environments and what ISRCallback does, but not what the "
        "learner then waits for because its data have left the caches."
    )
    for name, task in TASKS.items():
        for n_envs in N_ENVS:
            yield from _compare(name, task, n_envs)


def _compare(name: str, task: Task, n_envs: int) -> Iterator[Result]:
    steps = task.steps(n_envs) * n_envs

    def absent(**isr_kwargs: Any) -> tuple[BaseAlgorithm, ISRCallback, int]:
        venv = VecISRReward(task.social_venv(n_envs))
        own_spaces = venv.isr_spaces()
        isr = InternalSocialReward(*own_spaces, device="cpu", **{**task.isr_kwargs, **isr_kwargs})
        return task.learner(venv), ISRCallback("never", isr=isr), steps

    def always() -> tuple[BaseAlgorithm, ISRCallback, int]:
        venv = VecISRReward(task.social_venv(n_envs))
        return task.learner(venv), ISRCallback("always", isr_kwargs=task.isr_kwargs), steps

    variants = {"caregiver absent": absent(), "caregiver always": always()}
    if n_envs == 8:
        variants["caregiver absent, five members"] = absent(n_members=5, pessimism=1.0)
    speeds = in_turn(
        f"overhead: {name}, {n_envs}",
        {
            "plain": _learning(task.learner(task.venv(n_envs)), None, steps),
            **{variant: _learning(*learner) for variant, learner in variants.items()},
            "plain SB3 again": _learning(task.learner(task.venv(n_envs)), None, steps),
        },
        ROUNDS,
    )
    yield result(f"{name}: plain SB3", speeds["plain"], "steps/s", n=n_envs)
    own = task.goals_of_one if n_envs == 1 and task.goals_of_one else task.goals
    goals = {"caregiver absent": (own.absent, own.absent_share), "caregiver always": (own.always, own.always_share)}
    for variant in ("plain SB3 again", *variants):
        ratios = speeds[variant] / speeds["plain"]
        yield result(f"{name}: {variant}", ratios, "x plain", n=n_envs, goal=goals.get(variant, (None, None))[0])
    for variant, learner in variants.items():
        goal = goals.get(variant, (None, None))[1]
        yield result(f"{name}: {variant}: share", _shares(*learner), "%", n=n_envs, goal=goal, goal_is="at most")


def _learning(model: BaseAlgorithm, callback: ISRCallback | None, steps: int) -> Callable[[], float]:
    def steps_per_second() -> float:
        start = now()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that one-hot cells are no image, for PPO on CPU
            model.learn(steps, callback=callback, reset_num_timesteps=False)
        return steps / (now() - start)

    return steps_per_second


def _shares(model: BaseAlgorithm, callback: ISRCallback, steps: int) -> list[float]:
    """Percentage of model.learn's time that is spent in the plugin, in each round."""
    spent, running = 0.0, {1: 0, -1: 0}

    def counted(call: Callable[..., Any], sign: int = 1) -> Callable[..., Any]:
        def timed(*args: Any) -> Any:
            nonlocal spent
            running[sign] += 1
            start = perf_counter()
            returned = call(*args)
            running[sign] -= 1
            if not running[sign]:  # not twice where one of these calls another one
                spent += sign * (perf_counter() - start)
            return returned

        return timed

    wrapper: Any = model.get_env()
    while not isinstance(wrapper, VecISRReward):  # SB3 may have put a wrapper of its own around it
        wrapper = wrapper.venv
    for method in ("step", "step_async", "step_wait"):
        setattr(wrapper, method, counted(getattr(wrapper, method)))
        setattr(wrapper.venv, method, counted(getattr(wrapper.venv, method), -1))
    for event in ("training_start", "rollout_start", "step", "rollout_end", "training_end"):
        setattr(callback, f"_on_{event}", counted(getattr(callback, f"_on_{event}")))
    learn = _learning(model, callback, steps)
    shares = []
    for _ in range(SHARE_ROUNDS):
        spent, start = 0.0, perf_counter()
        learn()
        shares.append(100 * spent / (perf_counter() - start))
    return shares
