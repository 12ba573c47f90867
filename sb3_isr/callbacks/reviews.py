"""Reviews: an Internalizer that learns from a respondent's answers about episodes, given at once or later."""

from __future__ import annotations

import copy
import hashlib
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from sb3_isr.callbacks.internalizer import Internalizer
from sb3_isr.isr.held_out import HeldOut
from sb3_isr.isr.model import InternalSocialReward
from sb3_isr.isr.training import ISRTrainer, TrainingMetrics
from sb3_isr.labels.store import LabelStore
from sb3_isr.labels.transitions import Transitions
from sb3_isr.respondents.answer_book import AnswerBook
from sb3_isr.respondents.question import Answer, Question
from sb3_isr.respondents.respondent import Respondent
from sb3_isr.schedules.episode_scheduler import Chosen, EpisodeScheduler
from sb3_isr.schedules.presence import PresenceSchedule

#: While questions are waiting, the ISR is trained again once so many answers have come.
ENOUGH_CHANGES = 5


class ReviewedInternalizer(Internalizer):
    """
    Asks a respondent about episodes, and learns from what it has answered so far.

    The labels are computed from all answers that count, and the ISR is trained on them from its initial weights. So it
    depends on the answers alone, not on the way to them: an answer that is taken back leaves nothing behind. Until
    there is an answer to learn from there is no ISR, and ``R_i`` is 0.

    :param presence: When the caregiver attends: never.
    :param isr: The ISR.
    :param store: Holds the labels.
    :param trainer: Trains the ISR.
    :param scheduler: Chooses what is asked.
    :param respondent: Who answers; None for the environments' own caregiver, who answers at once.
    :param waits: Whether to wait in each round until all questions are answered or the respondent answers later.
    :param seed: Seeds the drawing of batches.
    :param is_trained: Whether the ISR was trained before.
    """

    scheduler: EpisodeScheduler

    def __init__(
        self,
        presence: PresenceSchedule,
        isr: InternalSocialReward,
        store: LabelStore,
        trainer: ISRTrainer,
        scheduler: EpisodeScheduler,
        respondent: Respondent | None,
        waits: bool = False,
        seed: int = 0,
        is_trained: bool = False,
    ) -> None:
        super().__init__(presence, isr, store, trainer, scheduler, is_trained=is_trained)
        self.book = AnswerBook(scheduler.schedule.budget, store.held_out)
        self.respondent = respondent
        self.waits = waits
        self._seed = seed
        self._initial: dict[str, Any] = {
            "isr": copy.deepcopy(isr.state_dict()),
            "label_ranges": isr.label_ranges,
            "trainer": copy.deepcopy(trainer.state_dict()),
            "is_trained": is_trained,
        }
        self._rounds = 0
        self._n_changes = 0
        self._is_revised = False

    @property
    def has_isr(self) -> bool:
        """As :class:`Internalizer`'s: whether there is an ISR."""
        return self.state.is_trained

    def has_new_labels(self) -> bool:
        """As :class:`Internalizer`'s; the ISR is trained when answers come, and only then."""
        return False

    def query_if_due(self, progress: float) -> bool:
        """
        Take up the answers that came, and ask what is due. In a new round, questions that are waiting are withdrawn.

        :param progress: Fraction of training that has passed.
        :return: Whether the ISR must be trained.
        """
        self._take()
        schedule = self.scheduler.schedule
        rounds = schedule.round_at(progress)
        is_new_round, self._rounds = rounds > self._rounds, max(rounds, self._rounds)
        if is_new_round:
            self._withdraw(self.book.waiting)
        n_answered, is_enough = self.book.n_answered, self.book.n_marked >= schedule.enough
        # A skip that was turned into an answer may have left less of the budget than there are questions.
        self._withdraw(self.book.waiting[schedule.budget - n_answered :])
        n_due = schedule.n_due(self._rounds, n_answered, is_enough)
        n_asked = self._ask(n_due - n_answered - len(self.book.waiting))
        if n_asked and self.waits:
            self._wait()
        return self._must_train(is_new_round)

    def query(self, n: int) -> bool:
        """
        Ask now, within the budget.

        :param n: How many answers are wanted.
        :return: Whether the ISR must be trained.
        """
        self._ask(min(n, self.book.budget - self.book.n_answered - len(self.book.waiting)))
        return self._must_train()

    def finish(self) -> bool:
        """
        Take up the last answers, at the end of training. Questions that are waiting go on waiting.

        :return: Whether the ISR must be trained.
        """
        self._take()
        return self._n_changes > 0

    def train(self) -> TrainingMetrics:
        """
        Train the ISR from its initial weights on the labels that follow from the answers.

        :return: How well it went; NaN if there is nothing to learn from, so that there is no ISR any more.
        """
        self.isr.load_state_dict(self._initial["isr"])
        self.isr.label_ranges = self._initial["label_ranges"]
        self.trainer.load_state_dict(copy.deepcopy(self._initial["trainer"]))
        self.state.is_trained = bool(self._initial["is_trained"])
        self._n_changes, self._is_revised = 0, False
        answered = self.book.labels()
        labels, is_held_out = answered or (None, None)
        self.store.replace(labels, is_held_out, self._seed)
        if len(self.store) == self.store.n_held_out:
            return TrainingMetrics(math.nan, HeldOut(*[math.nan] * 4), len(self.store), 0)
        return super().train()

    def counts(self) -> dict[str, int]:
        """As :class:`Internalizer`'s, and the answers so far, how many are left, and how many questions are waiting."""
        answers = self.book.n_answered
        left = self.book.budget - answers
        return {**super().counts(), "answers": answers, "answers_left": left, "waiting": len(self.book.waiting)}

    def state_dict(self) -> dict[str, Any]:
        """As :class:`Internalizer`'s, with questions, answers and initial weights."""
        names = ("_seed", "_initial", "_rounds", "_n_changes", "_is_revised")
        return {**super().state_dict(), "book": self.book.state_dict(), **{name: vars(self)[name] for name in names}}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """As :class:`Internalizer`'s. Questions that were waiting are put again."""
        others = dict(state)
        self.book.load_state_dict(others.pop("book"))
        super().load_state_dict({name: others.pop(name) for name in super().state_dict()})
        vars(self).update(others)
        if self.respondent is not None:
            self.respondent.put(self.book.waiting)

    def _ask(self, n: int) -> int:
        """Put questions; returns how many."""
        asked = [question.transitions for question in self.book.answered]
        is_enough = self.state.is_trained and self.book.n_marked >= self.scheduler.schedule.enough
        can_show = getattr(self.respondent, "can_show", None)
        chosen = self.scheduler.choose(n, self.isr if is_enough else None, asked, can_show)
        if not chosen:
            return 0
        questions = [make_question(each) for each in chosen]
        self.book.put(questions)
        if self.respondent is None:
            answers = [each.window.pool.query(slice(None)).social_rewards for each in chosen]
            pairs = zip(questions, answers, strict=True)
            self._record([Answer(question.id, rewards, by="caregiver") for question, rewards in pairs])
        else:
            self.respondent.put(questions)
            self._take()
        return len(questions)

    def _take(self) -> None:
        if self.respondent is not None:
            self._record(self.respondent.take())

    def _record(self, answers: Sequence[Answer]) -> None:
        find = getattr(self.respondent, "question", None)
        if find is not None:
            # Those that were answered after the last checkpoint, for example: a respondent may keep its questions.
            unknown = dict.fromkeys(answer.question_id for answer in answers if not self.book.knows(answer.question_id))
            self.book.put(question for question in map(find, unknown) if question is not None)
        changes = self.book.record(answers)
        self._n_changes += changes.n
        self._is_revised |= changes.n_revised > 0

    def _withdraw(self, questions: Sequence[Question]) -> None:
        ids = [question.id for question in questions]
        if ids:
            self.book.withdraw(ids)
            if self.respondent is not None:
                self.respondent.withdraw(ids)

    def _wait(self) -> None:
        while self.respondent is not None and self.book.waiting and self.respondent.wait():
            self._take()

    def _must_train(self, is_new_round: bool = False) -> bool:
        """Not after each answer of a person who is at it, since a training takes seconds; but after an undo at once."""
        is_enough = is_new_round or not self.book.waiting or self._n_changes >= ENOUGH_CHANGES
        return self._n_changes > 0 and (is_enough or self._is_revised)


def make_question(chosen: Chosen) -> Question:
    """
    Make a question about a window.

    :param chosen: The window, and why it was chosen.
    :return: The question. Its id is a hash of environment, step and transitions, so that a training that is repeated,
        after an interrupt for example, asks the same questions.
    """
    window = chosen.window
    transitions = window.pool.transitions.copy()
    return Question(_id_of(transitions, window.env, window.step), transitions, window.env, window.step, chosen.reason)


def _id_of(transitions: Transitions, env: int, step: int) -> str:
    digest = hashlib.sha256(f"{env} {step}".encode())
    for part in transitions:
        for array in part.values() if isinstance(part, dict) else (part,):
            digest.update(f"{array.dtype} {array.shape}".encode() + np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()[:16]
