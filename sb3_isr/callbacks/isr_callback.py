"""ISRCallback: internalization as a Stable-Baselines3 callback."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.callbacks import BaseCallback, CallbackList
from stable_baselines3.common.off_policy_algorithm import OffPolicyAlgorithm

from sb3_isr.callbacks.callback_state import get_state, set_state
from sb3_isr.callbacks.child import PlainChild, as_children
from sb3_isr.callbacks.connection import check_algorithm
from sb3_isr.callbacks.deferral import choose_deferral
from sb3_isr.callbacks.internalizer import Internalizer
from sb3_isr.callbacks.internalizer_arguments import InternalizerArguments
from sb3_isr.callbacks.mailbox_report import with_report
from sb3_isr.callbacks.other_callbacks import check_callbacks, check_learner
from sb3_isr.callbacks.relabeling import ReplayRelabeler
from sb3_isr.callbacks.reward_log import RewardLog, logs_after_this_step
from sb3_isr.callbacks.step_announcer import StepAnnouncer
from sb3_isr.callbacks.training_connection import TrainingConnection
from sb3_isr.common.arguments import flag, number, whole_number
from sb3_isr.isr.model import InternalSocialReward
from sb3_isr.isr.training import TrainingMetrics
from sb3_isr.labels.store import LabelStore
from sb3_isr.respondents.plain import PlainRespondent
from sb3_isr.respondents.respondent import Respondent
from sb3_isr.schedules.presence import PresenceSchedule
from sb3_isr.schedules.query_schedule import QuerySchedule
from sb3_isr.wrappers.recorder import Record

#: Off-policy, labels wait in the wrapper for at most this many calls of the environments' ``step``.
MAX_WAIT = 256


class ISRCallback(BaseCallback):
    """
    While the caregiver is present, its labels train an ISR; when it is absent, the ISR rewards the learner instead.

    The training environment must be wrapped in :class:`~sb3_isr.VecISRReward` (or each of its environments in
    :class:`~sb3_isr.ISRRewardWrapper`). The ISR is trained at each departure, that is when the probability of the
    caregiver's presence falls from 1 and when it falls to 0, also every ``train_every`` steps, and after each round of
    queries.

    A callback is for one learner: its labels and its ISR are kept when that learner's ``learn`` is called again, also
    after the learner was saved and loaded, and an untrained one is refused.

    :param presence: Presence schedule or its text: ``always``, ``never``, ``leave_at_0.5``, ``fade_0.25_0.75``,
        ``visits_0.5_0.1_0.01``; the numbers are fractions of training. Presence is drawn for each environment at the
        start of each episode.
    :param queries: Query schedule or its text: ``all``, ``random_500``, ``uncertainty_500``; the number is the budget
        of labels. It says which transitions become labels: while the caregiver attends, it rewards the learner in any
        case. ``episodes_50`` asks about whole episodes, with a budget of answers, and needs presence ``never``.
    :param isr: An ISR that was trained before, or the path of its file. By default a new one is made.
    :param isr_kwargs: Arguments of :class:`~sb3_isr.InternalSocialReward` for the new one; classes, or dotted names.
    :param trainer_kwargs: Arguments of :class:`~sb3_isr.ISRTrainer`: ``gradient_steps``, ``learning_rate``, ...
    :param store_kwargs: Arguments of :class:`~sb3_isr.LabelStore`: ``capacity`` and ``held_out``.
    :param coefficient: ``R_i`` is multiplied by it; with 0 the learner in autonomy has ``R_e`` alone.
    :param train_every: Train the ISR also every so many environment steps, if there are new labels.
    :param relabel: Off-policy only: after each training, compute the internal rewards in the replay buffer anew.
    :param defer_rewards: Whether to compute ``R_i`` for a whole rollout in one call, where that changes nothing but the
        speed. Until the rollout's end ``locals["rewards"]`` then lacks ``R_i``; use False if another callback reads it.
    :param respondent: Who answers episode queries, see :mod:`sb3_isr.respondents`; by default the caregiver, at once.
    :param wait_for_answers: Wait in each round until all questions are answered or the respondent says "later".
    :param callback: Child callbacks, one or several: :class:`~sb3_isr.HackingWatch`, :class:`~sb3_isr.ISRCheckpoint`.
    :param seed: Seeds the ISR's weights, its batches and the caregiver's presence. By default the model's seed.
    :param verbose: 1 to print each training of the ISR.
    :raises ValueError: If an argument is of another kind or out of range, or ``isr`` and ``isr_kwargs`` are both given.
    """

    def __init__(
        self,
        presence: str | PresenceSchedule = "leave_at_0.5",
        queries: str | QuerySchedule = "all",
        isr: InternalSocialReward | str | os.PathLike[str] | None = None,
        isr_kwargs: dict[str, Any] | None = None,
        trainer_kwargs: dict[str, Any] | None = None,
        store_kwargs: dict[str, Any] | None = None,
        coefficient: float = 1.0,
        train_every: int | None = None,
        relabel: bool = False,
        defer_rewards: bool = True,
        respondent: Respondent | PlainRespondent | None = None,
        wait_for_answers: bool = False,
        callback: PlainChild | Sequence[PlainChild] | None = None,
        seed: int | None = None,
        verbose: int = 0,
    ) -> None:
        super().__init__(verbose)
        given = presence, queries, isr, isr_kwargs, trainer_kwargs, store_kwargs, train_every
        self.arguments = InternalizerArguments(*given, respondent, wait_for_answers)
        self.coefficient = self.given_coefficient = number("coefficient", coefficient)
        self.seed = None if seed is None else whole_number("seed", seed, low=0)
        self.children = with_report(as_children(callback), self.arguments.respondent)
        self._children = CallbackList(self.children)  # type: ignore[arg-type]
        for child in [self._children, *self.children]:
            child.parent = self
        self._relabel, self._defer_rewards = flag("relabel", relabel), flag("defer_rewards", defer_rewards)
        self._reward_log = RewardLog()
        self._connection = TrainingConnection()
        self._last = StepAnnouncer(self._connection)
        self._internalizer: Internalizer | None = None
        self._learner: BaseAlgorithm | None = None
        self._relabeler: ReplayRelabeler | None = None
        self._progress_at_step, self._is_log_due = 0.0, False

    @property
    def internalizer(self) -> Internalizer:
        """What is learned from the caregiver; made when training starts."""
        if self._internalizer is None:
            raise ValueError("An ISRCallback makes ISR and labels when training starts, got no training; call learn.")
        return self._internalizer

    @property
    def isr(self) -> InternalSocialReward:
        """The ISR; made when training starts, unless one was given."""
        return self.internalizer.isr

    @property
    def store(self) -> LabelStore:
        """The labels; made when training starts. Those that wait in the environments are collected first."""
        store = self.internalizer.store
        self.collect()
        return store

    def train(self) -> TrainingMetrics:
        """
        Train the ISR on the labels given so far, now, whatever the schedule says.

        :return: How well it went.
        """
        self.collect()
        metrics = self.internalizer.train()
        if self._relabeler is not None:
            self._relabeler.relabel(self.isr, self._weight)
        self._reward_log.write_training(self.logger, metrics, self.num_timesteps if self.verbose else None)
        return metrics

    def query(self, n_labels: int) -> None:
        """
        Query the caregiver, or the respondent, now about what was not attended, and train the ISR on the answers.

        :param n_labels: How many labels (answers, about episodes) are wanted; the budget may leave fewer, or none.
        :raises ValueError: If no labels are reserved for such queries.
        """
        self.internalizer.check_queries()
        self._learn_if(self.internalizer.query(n_labels))

    def set_coefficient(self, coefficient: float) -> None:
        """
        Change the weight of the internal reward.

        :param coefficient: ``R_i`` is multiplied by it from now on.
        """
        self.coefficient = number("coefficient", coefficient)
        self._update()

    def collect(self) -> None:
        """Take over what happened in the environments: labels, unattended transitions, sums of rewards."""
        self._add(self._connection.collect(), self._progress())

    def state_dict(self) -> dict[str, Any]:
        """
        Get what a checkpoint must hold, besides what :meth:`Internalizer.save` writes.

        :return: Objects that can be pickled.
        """
        return get_state(self, self._connection, self._relabeler, self._reward_log)

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """
        Continue from a checkpoint.

        :param state: What :meth:`state_dict` returned.
        """
        self._reward_log = state["reward_log"]
        set_state(self, self._connection, self._relabeler, state)

    def _init_callback(self) -> None:
        model = self.model
        check_algorithm(model)
        check_learner(model, self._learner)
        self._is_off_policy = isinstance(model, OffPolicyAlgorithm)
        self._end_connection()  # if the last training was interrupted
        spaces = self._connection.find(self.training_env)
        if self._internalizer is None:
            self._internalizer = self.arguments.make(spaces, self._any_seed(), model.device, model.policy_kwargs)
            self._internalizer.listeners += self.children
        self.isr.check_spaces(*spaces)
        if self._relabeler is not None:
            self._relabeler.attach(model)
        elif self._relabel:
            self._relabeler = self._last.relabeler = ReplayRelabeler(model, self.isr)
        self._learner = model
        self._children.init_callback(model)

    def _on_training_start(self) -> None:
        check_callbacks(self.locals.get("callback"), self.model, ISRCallback)
        self._last.append_to(self.locals.get("callback"), self._children)
        for child in self.children:
            _ = child.isr_callback  # no parent any more if the child was passed to learn, too
        self._follow_presence(0)
        self._last.deferral = choose_deferral(self, self._defer_rewards, self._relabel)
        internalizer, deferral = self.internalizer, self._last.deferral
        arguments = internalizer.state.probability, self._weight, internalizer.keeps_unattended, self._any_seed()
        self._connection.connect(self.isr.predict, *arguments, deferral.add if deferral else None)
        self._children.on_training_start(self.locals, self.globals)

    def _on_rollout_start(self) -> None:
        self._children.on_rollout_start()

    def _on_step(self) -> bool:
        if self._follow_presence(self._connection.n_envs):
            self._update()
        if self._is_off_policy and (self.n_calls % MAX_WAIT == 0 or logs_after_this_step(self.model, self.locals)):
            self._is_log_due = True
            if self._last.deferral is None:  # otherwise at the rollout's end, so that it is not split
                self._collect_and_log()
        self._children.update_locals(self.locals)
        return self._children.on_step()

    def _on_rollout_end(self) -> None:
        self._connection.compute_late_rewards()  # callbacks after this one find them in the buffer
        if self._is_log_due or not self._is_off_policy:
            self._collect_and_log()
        self._children.on_rollout_end()

    def _on_training_end(self) -> None:
        self._end_connection()
        self._learn_if(self.internalizer.finish())
        self._last.remove()
        self._children.on_training_end()

    def _add(self, records: Sequence[Record], progress: float) -> None:
        for record in records:
            self._reward_log.add(record.statistics, record.labels is not None)
        self.internalizer.add(records, progress)

    def _end_connection(self) -> None:
        if self._internalizer is not None:
            self._add(self._connection.end(), self._progress_at_step)

    def _any_seed(self) -> int | None:
        return self.model.seed if self.seed is None else self.seed

    def _progress(self) -> float:
        """Fraction of training that has passed."""
        # SB3 updates its own progress only once a rollout, and would let the caregiver leave late.
        # The last rollout overshoots.
        return min(1.0, self.model.num_timesteps / max(1, self.model._total_timesteps))

    def _follow_presence(self, n_steps: int) -> bool:
        """Train the ISR if the caregiver departs or it is time; returns whether the wrappers must be updated."""
        internalizer, self._progress_at_step = self.internalizer, self._progress()
        departs, has_changed = internalizer.advance(self._progress_at_step, n_steps)
        is_due = internalizer.is_training_due()
        if departs or is_due:
            self.collect()
            if departs and self.coefficient:
                internalizer.check_departure(self.model.num_timesteps)
            if internalizer.has_new_labels():
                metrics = self.train()
                if departs and self.coefficient:
                    internalizer.check_fit(metrics, self.model.num_timesteps)
        return departs or is_due or has_changed

    def _collect_and_log(self) -> None:
        self._is_log_due = False
        self.collect()
        self._learn_if(self.internalizer.query_if_due(self._progress()))
        self._reward_log.write(self.logger, self.internalizer.counts())

    def _learn_if(self, has_labels: bool) -> None:
        if has_labels:
            self.train()
            self._update()

    def _update(self) -> None:
        if self._internalizer is not None:
            self._connection.update(self.isr.predict, self.internalizer.state.probability, self._weight)

    @property
    def _weight(self) -> float:
        """``R_i`` is multiplied by it now."""
        return self.coefficient if self.internalizer.has_isr else 0.0
