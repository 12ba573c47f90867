"""Checks of the callbacks that are passed to learn beside an ISRCallback."""

from __future__ import annotations

import warnings
from typing import Any

from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.callbacks import BaseCallback, CallbackList, EvalCallback, EventCallback
from stable_baselines3.common.vec_env import VecEnv, is_vecenv_wrapped

from sb3_isr.wrappers import SocialRewardWrapper, VecISRReward
from sb3_isr.wrappers.venv_queries import wrapped_in


def check_learner(model: BaseAlgorithm, before: BaseAlgorithm | None) -> None:
    """
    Check that a callback is used for one learner.

    :param model: The learner that is about to learn.
    :param before: The one that the callback was used for before; None if there is none.
    :raises ValueError: If it is another, and not the same after it was saved and loaded.
    """
    if before not in (None, model) and not (model.num_timesteps or model._n_updates):
        raise ValueError(
            "An ISRCallback is for one learner, whose labels and ISR it keeps, got a second learner, which is "
            "untrained; make a new ISRCallback for it (with ISRCallback(isr=callback.isr), to go on with that ISR)."
        )


def check_callbacks(callback: Any, model: BaseAlgorithm, isr_callback_class: type[BaseCallback]) -> None:
    """
    Check the callbacks of a training.

    :param callback: The callback that the learner calls; others may be in it.
    :param model: The learner.
    :param isr_callback_class: ISRCallback.
    :raises ValueError: If there are two of that class, or an evaluation would fail.
    """
    callbacks = callbacks_in(callback)
    n = sum(isinstance(each, isr_callback_class) for each in callbacks)
    if n > 1:
        raise ValueError(
            f"A learner must have one ISRCallback, got {n} in learn(callback=...), of which the last one would replace "
            "the others' rewards; leave one in the list."
        )
    for each in callbacks:
        if isinstance(each, EvalCallback):
            _check_evaluation(each, model)


def callbacks_in(callback: Any) -> list[BaseCallback]:
    """
    Get all callbacks of a training.

    :param callback: The callback that the learner calls.
    :return: It and those in it, each as often as it is called.
    """
    if isinstance(callback, CallbackList):
        return [inner for child in callback.callbacks for inner in callbacks_in(child)]
    inside = callbacks_in(callback.callback) if isinstance(callback, EventCallback) else []
    return [callback, *inside] if isinstance(callback, BaseCallback) else []


def _check_evaluation(callback: EvalCallback, model: BaseAlgorithm) -> None:
    training, evaluation = model.get_env(), callback.eval_env
    assert isinstance(training, VecEnv)
    if (
        model.get_vec_normalize_env() is not None
        and is_vecenv_wrapped(training, VecISRReward)
        and not is_vecenv_wrapped(evaluation, VecISRReward)
    ):
        raise ValueError(
            "With VecNormalize, Stable-Baselines3 needs the same wrappers around training and evaluation environments, "
            f"but VecISRReward is missing in the environment of {type(callback).__name__}; write "
            "VecNormalize(VecISRReward(venv), training=False), which evaluates by the true reward."
        )
    if any(wrapped_in(training, SocialRewardWrapper)) and not any(wrapped_in(evaluation, SocialRewardWrapper)):
        warnings.warn(
            f"The evaluation environment of {type(callback).__name__} has no caregiver, so that it evaluates the "
            "environment's own reward alone; wrap it in SocialRewardWrapper, as the training environment is.",
            stacklevel=2,
        )
