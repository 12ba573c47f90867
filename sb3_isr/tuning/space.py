"""
The search space.

For each part it has a plain function from a trial to arguments of ISRCallback; the algorithm's own hyperparameters and
what a command line adds come to it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from optuna.trial import BaseTrial, Trial
from rl_zoo3.hyperparams_opt import HYPERPARAMS_SAMPLER

#: Range of the fraction of training after which the caregiver leaves, for good or for the first time.
DEPARTURE = (0.01, 0.8)

#: The latest fraction of training at which the caregiver leaves for good: returns are measured after it.
LAST_PRESENCE = 0.9


def presence(trial: BaseTrial) -> dict[str, Any]:
    """
    Sample when the caregiver attends: it leaves at once, or fades out, or leaves and visits later.

    :param trial: The trial.
    :return: ``presence``.
    """
    kind = trial.suggest_categorical("presence", ["leave_at", "fade", "visits"])
    departure = round(trial.suggest_float("departure", *DEPARTURE, log=True), 3)
    if kind == "fade":
        end = departure + trial.suggest_float("fade", 0.05, 1.0) * (LAST_PRESENCE - departure)
        return {"presence": f"fade_{departure}_{round(end, 3)}"}
    if kind == "visits":
        period = round(trial.suggest_float("visit_period", 0.1, 0.4), 3)
        duration = round(period * trial.suggest_float("visit_share", 0.05, 0.4, log=True), 4)
        return {"presence": f"visits_{departure}_{period}_{duration}"}
    return {"presence": f"leave_at_{departure}"}


def labels(trial: BaseTrial) -> dict[str, Any]:
    """
    Sample which transitions become labels: all that the caregiver attends, random ones, or also uncertain ones later.

    :param trial: The trial.
    :return: ``queries``, and the members of the ISR if they are needed.
    """
    kind = trial.suggest_categorical("queries", ["all", "random", "uncertainty"])
    if kind == "all":
        return {"queries": "all"}
    schedule = {"queries": f"{kind}_{trial.suggest_int('budget', 50, 5000, log=True)}"}
    return schedule if kind == "random" else {**schedule, "isr_kwargs": {"n_members": 5}}


def isr_training(trial: BaseTrial) -> dict[str, Any]:
    """
    Sample how the ISR is trained on the labels, and whether also between departures.

    :param trial: The trial; its user attribute ``timesteps`` is the length of training.
    :return: ``train_every`` and ``trainer_kwargs``.
    """
    n_trainings = trial.suggest_categorical("isr_trainings", [0, 5])
    return {
        "train_every": trial.user_attrs["timesteps"] // n_trainings if n_trainings else None,
        "trainer_kwargs": {
            "gradient_steps": trial.suggest_int("isr_gradient_steps", 100, 2000, log=True),
            "batch_size": trial.suggest_categorical("isr_batch_size", [64, 256]),
            "learning_rate": trial.suggest_float("isr_learning_rate", 1e-4, 5e-3, log=True),
            "optimizer_class": "torch.optim.AdamW",
            "optimizer_kwargs": {"weight_decay": trial.suggest_float("isr_weight_decay", 1e-5, 1e-1, log=True)},
        },
    }


def isr_network(trial: BaseTrial) -> dict[str, Any]:
    """
    Sample the ISR's architecture.

    :param trial: The trial.
    :return: ``net_arch`` in ``isr_kwargs``.
    """
    width = trial.suggest_categorical("isr_width", [32, 64, 128])
    depth = trial.suggest_int("isr_depth", 1, 3)
    return {"isr_kwargs": {"net_arch": [width] * depth}}


def internal_reward(trial: BaseTrial) -> dict[str, Any]:
    """
    Sample the weight of the internal reward.

    :param trial: The trial.
    :return: ``coefficient``.
    """
    return {"coefficient": trial.suggest_float("coefficient", 0.5, 2.0, log=True)}


def isr_caution(trial: BaseTrial) -> dict[str, Any]:
    """
    Sample how far the ISR is trusted where it has no labels.

    :param trial: The trial.
    :return: ``limit_to_labels``, and possibly ``n_members`` and ``pessimism``, in ``isr_kwargs``.
    """
    caution: dict[str, Any] = {
        "limit_to_labels": trial.suggest_categorical("limit_to_labels", ["no", "range", "values"])
    }
    if trial.suggest_categorical("isr_members", [1, 5]) > 1:
        caution |= {"n_members": 5, "pessimism": trial.suggest_float("isr_pessimism", 0.0, 2.0)}
    return {"isr_kwargs": caution}


PARTS: dict[str, Callable[[BaseTrial], dict[str, Any]]] = {
    "presence": presence,
    "labels": labels,
    "isr_training": isr_training,
    "isr_network": isr_network,
    "isr_caution": isr_caution,
    "internal_reward": internal_reward,
}


def algorithm(algo: str, n_envs: int, n_actions: int) -> Callable[[Trial], dict[str, Any]]:
    """
    Get RL Zoo's sampler of the algorithm's own hyperparameters.

    :param algo: RL Zoo's name of the algorithm.
    :param n_envs: Number of environments that step together.
    :param n_actions: Dimensions of a continuous action; 0 if it is discrete.
    :return: A function from a trial to values of an entry; ``policy_kwargs`` is a Python expression, as in YAML.
    :raises ValueError: If RL Zoo has no sampler for the algorithm.
    """
    if algo not in HYPERPARAMS_SAMPLER:
        raise ValueError(
            f"--sample-algo works for the algorithms that RL Zoo has a sampler for, {', '.join(HYPERPARAMS_SAMPLER)}, "
            f"got {algo}; search single values instead: --search learning_rate=1e-4:1e-2:log"
        )

    def sample(trial: Trial) -> dict[str, Any]:
        sampled = HYPERPARAMS_SAMPLER[algo](trial, n_actions, n_envs, {"using_her_replay_buffer": False})
        return {key: _expression(value) if key == "policy_kwargs" else value for key, value in sampled.items()}

    return sample


def searched(text: str) -> tuple[str, Callable[[BaseTrial], Any]]:
    """
    Read a parameter that the command line adds to the space.

    :param text: ``NAME=LOW:HIGH`` (of whole numbers, if both are), ``NAME=LOW:HIGH:log``, or ``NAME=VALUE,VALUE``.
    :return: The name, and a function from a trial to its value.
    :raises ValueError: If it is none of these.
    """
    name, _, given = text.partition("=")
    low, _, rest = given.partition(":")
    high, _, log = rest.partition(":")
    values = [_number(value) for value in given.split(",")]
    try:
        if name and "," in given:
            return name, lambda trial: trial.suggest_categorical(name, values)
        ends = (int(low), int(high)) if low.isdigit() and high.isdigit() else (float(low), float(high))
        if not name or log not in ("", "log") or not ends[0] < ends[1] or (log and ends[0] <= 0):
            raise ValueError
    except ValueError:
        raise ValueError(
            "--search takes NAME=LOW:HIGH, NAME=LOW:HIGH:log or NAME=VALUE,VALUE with LOW below HIGH, and above 0 if "
            f"log, got {text}."
        ) from None
    if isinstance(ends[0], int):
        return name, lambda trial: trial.suggest_int(name, *ends, log=bool(log))
    return name, lambda trial: trial.suggest_float(name, *ends, log=bool(log))


def fixed(text: str) -> tuple[str, Any]:
    """
    Read a parameter that the command line fixes.

    :param text: ``NAME=VALUE``, the name of a searched parameter.
    :return: The name and the value.
    :raises ValueError: If it is not of that form.
    """
    name, equals, value = text.partition("=")
    if not (name and equals and value):
        raise ValueError(f"--fix takes NAME=VALUE, the name of a searched parameter, got {text}.")
    return name, _number(value)


def _number(text: str) -> Any:
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return {"true": True, "false": False, "none": None}.get(text.lower(), text)


def _expression(value: Any) -> str:
    """A value as Python that RL Zoo evaluates."""
    if isinstance(value, Mapping):
        return "dict(" + ", ".join(f"{key}={_expression(item)}" for key, item in value.items()) + ")"
    return f"nn.{value.__name__}" if isinstance(value, type) else repr(value)
