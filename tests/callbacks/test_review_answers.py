"""Answers that come later, are taken back or skipped: the budget holds, and the ISR knows only what counts."""

from __future__ import annotations

from collections.abc import Callable

import torch
from stable_baselines3.common.callbacks import BaseCallback

from sb3_isr import ISRCallback
from sb3_isr.schedules.episode_queries import EpisodeQueries
from tests.callbacks.learners import ppo, weights_of
from tests.callbacks.reviewed import NAN, Each, Person, labels_of, reviewed, silent


def test_a_question_that_was_skipped_may_be_answered_later_and_the_budget_holds() -> None:
    person = Person()
    callback = reviewed(person, EpisodeQueries(2, n_rounds=1))

    def skip_and_think_again(n: int) -> None:
        first, second = list(person.asked)[:2]
        if n == 1:
            person.answer(first, [NAN] * 4)
            person.answer(second)
        if n == 2:
            assert len(person.asked) == 3  # another one took the place of the skipped one
            person.answer(first, time=1.0)

    ppo(silent()).learn(128, callback=[callback, Each(skip_and_think_again)])
    assert callback.internalizer.counts() == {"labels": 8, "answers": 2, "answers_left": 0, "waiting": 0}
    assert person.withdrawn == [*person.asked][2:]


def isr_after(answers: Callable[[Person, int], None]) -> tuple[ISRCallback, list[torch.Tensor]]:
    """A training of which a person answers the two questions in some way, and its ISR's weights after each rollout."""
    person, weights = Person(), []
    callback = reviewed(person, EpisodeQueries(2, n_rounds=1), store_kwargs={"held_out": 0.0})

    def after_rollout(n: int) -> None:
        weights.append(weights_of(callback.isr))
        answers(person, n)

    model = ppo(silent(), learning_rate=0.0)  # so that the learner does the same, whatever it is paid
    model.learn(192, callback=[callback, Each(after_rollout)])
    return callback, weights


def test_an_undo_provably_removes_an_answer_from_the_isr() -> None:
    def with_undo(person: Person, n: int) -> None:
        first, second = list(person.asked)[:2]
        if n == 1:
            person.answer(first)
            person.answer(second, [1, 1, 1, 1])
        if n == 3:
            person.answer(second, [NAN] * 4, time=1.0)

    def never_said(person: Person, n: int) -> None:
        first, second = list(person.asked)[:2]
        if n == 1:
            person.answer(first)
            person.answer(second, [NAN] * 4)

    undone, with_it = isr_after(with_undo)
    never, _ = isr_after(never_said)
    assert not torch.equal(with_it[2], weights_of(never.isr))
    assert torch.equal(with_it[3], weights_of(never.isr))  # at the end of the next rollout already
    assert torch.equal(weights_of(undone.isr), weights_of(never.isr))
    assert labels_of(undone) == labels_of(never)
    assert undone.isr.label_ranges == never.isr.label_ranges


def test_when_everything_is_taken_back_there_is_no_isr_any_more() -> None:
    def all_undone(person: Person, n: int) -> None:
        for name in person.asked if n in (1, 3) else []:
            person.answer(name, None if n == 1 else [NAN] * 4, time=float(n))

    callback, weights = isr_after(all_undone)
    assert not torch.equal(weights[0], weights[2])
    assert torch.equal(weights[0], weights[3])
    assert not callback.internalizer.state.is_trained
    assert len(callback.store) == 0


def test_stale_questions_are_withdrawn_and_fresh_ones_take_their_place() -> None:
    person, rounds = Person(), []
    callback = reviewed(person, EpisodeQueries(6, first=0.5, n_rounds=4))
    each = Each(lambda n: rounds.append((len(person.asked), len(person.withdrawn))))
    ppo(silent()).learn(256, callback=[each, callback])
    # Eight rollouts, a round every second one; before the callback, Each sees what the last rollout led to.
    assert [asked for asked, _ in rounds] == [0, 3, 7, 7, 12, 12, 18, 18]
    assert [withdrawn for _, withdrawn in rounds] == [0, 0, 3, 3, 7, 7, 12, 12]
    assert callback.internalizer.counts()["waiting"] == 6
    steps = [question.step for question in person.asked.values()]
    assert max(steps[:3]) < min(steps[-3:])


def test_a_skipped_question_costs_nothing_and_the_budget_is_never_exceeded() -> None:
    person = Person()
    callback = reviewed(person, EpisodeQueries(4, n_rounds=1))

    def answer_every_second(n: int) -> None:
        for i, name in enumerate(list(person.asked)):
            person.answer(name, None if i % 2 else [NAN] * 4, time=float(n))

    ppo(silent()).learn(320, callback=[callback, Each(answer_every_second)])
    assert callback.internalizer.counts() == {"labels": 16, "answers": 4, "answers_left": 0, "waiting": 0}
    assert len(person.asked) == 8


def test_blocking_waits_until_all_is_answered_or_the_respondent_says_later() -> None:
    person, waited = Person(), []
    callback = reviewed(person, EpisodeQueries(4, first=0.5, n_rounds=2), wait_for_answers=True)

    def one() -> bool:
        waited.append(callback.num_timesteps)
        open_ = [name for name in person.asked if name not in answered]
        answered.append(open_[0])
        person.answer(open_[0])
        return True

    def later() -> bool:
        waited.append(callback.num_timesteps)
        return False

    answered: list[str] = []
    person.waits = [one, one, later]
    ppo(silent()).learn(128, callback=callback)
    assert waited == [32, 32, 64]
    assert callback.internalizer.counts() == {"labels": 8, "answers": 2, "answers_left": 2, "waiting": 2}


def test_answers_that_come_at_the_very_end_are_learned_from() -> None:
    person = Person()
    callback = reviewed(person, store_kwargs={"held_out": 0.0})

    class AtTheEnd(BaseCallback):
        def _on_step(self) -> bool:
            return True

        def _on_training_end(self) -> None:
            for name in person.waiting():
                person.answer(name)

    ppo(silent()).learn(64, callback=[AtTheEnd(), callback])
    assert callback.internalizer.state.is_trained
    assert len(callback.store) == 4 * len(person.waiting()) > 0
