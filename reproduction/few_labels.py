"""What a run on few labels asks of the caregiver, and what can be seen of its ISR without knowing the truth."""

from __future__ import annotations

import numpy as np
from stable_baselines3.common.callbacks import BaseCallback

from reproduction.runs import FewLabels
from sb3_isr.callbacks import HackingWatch, ISRCallback
from sb3_isr.callbacks.hacking_watch import doubt
from sb3_isr.common.spaces import Array
from sb3_isr.labels.store import LabelBatch, at
from sb3_isr.schedules.queries import AllQueries, QuerySchedule, RandomQueries, UncertaintyQueries

#: Transitions of each rollout on which the ISR's members are compared.
COMPARED = 256


def ask_of(run: FewLabels) -> QuerySchedule:
    """
    :param run: A run whose learner has been socialized.
    :return: What is asked in autonomy.
    """
    if not run.n_calls_back:
        return AllQueries()
    kind = UncertaintyQueries if run.method.calls == "unsure" else RandomQueries
    return kind(run.n_calls_back, before=0.0, n_calls=run.method.n_calls)


def labels_before(run: FewLabels, labels: LabelBatch, n: int) -> LabelBatch:
    """
    :param run: The run.
    :param labels: All of the socialization's.
    :param n: How many of them it is given.
    :return: These.
    """
    rng = np.random.default_rng(run.seed)
    index = rng.permutation(len(labels.actions))
    if run.method.half_praised:
        is_praised = labels.social_rewards[index] > 0
        praised, others = index[is_praised][: n // 2], index[~is_praised]
        index = np.concatenate([praised, others])
    return at(labels, np.sort(index[:n]))


def watch_of(run: FewLabels, internalizing: ISRCallback, heard: Array) -> HackingWatch:
    """
    :param run: The run.
    :param internalizing: Its callback.
    :param heard: What the learner was given by the caregiver in socialization, float32 ``[n]``, in order.
    :return: A watch that knows it, and calls the caregiver back.
    """
    n_labels = max(2, run.n_calls_back // (2 * run.method.n_calls))
    watch = HackingWatch(internalizing, remedy="ask", n_labels=n_labels)
    for part in np.array_split(heard, len(heard) // watch.window):
        watch.attend(part)
    return watch


class Signals(BaseCallback):
    """
    Keeps, for each rollout, the mean ``internal`` reward, and the ISR's ``doubt`` of what the learner does.

    :param internalizing: Whose ISR.
    """

    def __init__(self, internalizing: ISRCallback) -> None:
        super().__init__()
        self.internalizing = internalizing
        self.kept: dict[str, list[float]] = {name: [] for name in ("internal", "doubt")}

    def _on_step(self) -> bool:
        return True

    def _on_rollout_end(self) -> None:
        buffer, isr = self.locals["rollout_buffer"], self.internalizing.isr
        steps, envs = np.divmod(np.arange(0, buffer.rewards.size, -(-buffer.rewards.size // COMPARED)), buffer.n_envs)
        observations = np.moveaxis(buffer.observations[steps, envs], 1, -1)  # SB3 has channels first
        actions = buffer.actions[steps, envs].reshape(-1).astype(int)
        seen = {
            "internal": float(isr.predict(observations, actions).mean()),
            "doubt": doubt(isr, observations, actions),
        }
        for name, value in seen.items():
            self.kept[name].append(round(value, 5))
