"""Learning from a respondent's answers: from nothing, later, with undo, within the budget, and across interrupts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from stable_baselines3 import DQN
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.off_policy_algorithm import OffPolicyAlgorithm

from sb3_isr import ISRCallback, ISRCheckpoint, Transitions, VecISRReward
from sb3_isr.common.batches import Array
from sb3_isr.respondents import Answer, Immediate, Question
from sb3_isr.schedules.episode_queries import EpisodeQueries
from tests.callbacks.learners import QUICK, Watch, off_policy, ppo, scripted, weights_of
from tests.scripted_env import Script, scripted_vec_env

NAN = float("nan")
#: Nothing but the caregiver's rewards; the truth of a label is never told.
SILENT: list[Script] = [[(0.0, None)] * 4] * 2


def praise_the_end(transitions: Transitions) -> Array:
    return transitions.terminated.astype(np.float32)


class Person:
    """Answers what it was asked when the test says so."""

    def __init__(self) -> None:
        self.asked: dict[str, Question] = {}
        self.withdrawn: list[str] = []
        self.ready: list[Answer] = []
        self.waits: list[Callable[[], bool]] = []

    def put(self, questions: Sequence[Question]) -> None:
        self.asked.update({question.id: question for question in questions})

    def take(self) -> list[Answer]:
        ready, self.ready = self.ready, []
        return ready

    def wait(self, timeout: float | None = None) -> bool:
        return self.waits.pop(0)()

    def withdraw(self, question_ids: Sequence[str]) -> None:
        self.withdrawn += question_ids

    def waiting(self) -> list[str]:
        return [name for name in self.asked if name not in self.withdrawn]

    def answer(self, question_id: str, rewards: Any = None, time: float = 0.0) -> None:
        if rewards is None:
            rewards = praise_the_end(self.asked[question_id].transitions)
        self.ready.append(Answer(question_id, np.asarray(rewards, np.float32), "ada", time))


class Each(BaseCallback):
    """Calls a function with the number of each rollout, from 1, when it has been collected."""

    def __init__(self, function: Callable[[int], None]) -> None:
        super().__init__()
        self.function = function
        self.n_rollouts = 0

    def _on_step(self) -> bool:
        return True

    def _on_rollout_end(self) -> None:
        self.n_rollouts += 1
        self.function(self.n_rollouts)


def silent() -> VecISRReward:
    return VecISRReward(scripted_vec_env(SILENT))


def reviewed(respondent: Any = None, queries: Any = "episodes_6", **kwargs: Any) -> ISRCallback:
    return ISRCallback("never", queries, respondent=respondent, **{**QUICK, **kwargs})


def labels_of(callback: ISRCallback) -> dict[tuple[Any, ...], float]:
    """The labels by what they are about."""
    transitions, rewards = callback.store.labels()
    rows = zip(np.asarray(transitions.observations).tolist(), transitions.actions.tolist(), strict=True)
    return {(*map(int, seen), action): reward for (seen, action), reward in zip(rows, rewards.tolist(), strict=True)}


def test_r_i_is_0_until_somebody_has_answered_and_then_it_is_the_isrs() -> None:
    person, watch = Person(), Watch()
    callback = reviewed(person, trainer_kwargs={"gradient_steps": 100}, store_kwargs={"held_out": 0.0})

    def answer_after_the_second(n: int) -> None:
        if n == 2:
            for name in person.waiting():
                person.answer(name)

    ppo(silent()).learn(160, callback=[callback, watch, Each(answer_after_the_second)])
    rewards = np.array(watch.rewards).reshape(5, 32)
    assert (rewards[:3] == 0).all()  # the answers are taken up at the end of the third rollout
    assert (rewards[3:] != 0).any()
    assert callback.internalizer.state.is_trained


def test_without_an_answer_the_learner_is_that_of_environments_without_reward() -> None:
    learners = []
    for callback in (reviewed(Person()), ISRCallback("never", coefficient=0.0, **QUICK)):
        model = ppo(silent())
        model.learn(96, callback=callback)
        learners.append(weights_of(model.policy))
    assert torch.equal(*learners)


def test_the_environments_caregiver_is_asked_where_there_is_no_respondent() -> None:
    callback = reviewed(queries=EpisodeQueries(5, n_rounds=2))
    ppo(scripted()).learn(128, callback=callback)
    assert callback.internalizer.counts() == {"labels": 20, "answers": 5, "answers_left": 0, "waiting": 0}
    assert {(step, reward) for (_, step, _), reward in labels_of(callback).items()} == {(0, 0), (1, 0), (2, 0), (3, 1)}


def test_a_caregiver_of_single_steps_and_a_function_answer_alike() -> None:
    class Praise:
        def reset(self, seed: int | None = None) -> None:
            pass

        def social_reward(self, transition: Any) -> float:
            return float(transition.terminated)

    labels = []
    for judge in (praise_the_end, Praise()):
        callback = reviewed(Immediate(judge))  # type: ignore[arg-type]
        ppo(silent()).learn(128, callback=callback)
        labels.append(labels_of(callback))
    assert labels[0] == labels[1]
    assert 1.0 in labels[0].values()


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


def test_off_policy_the_replay_buffer_is_relabelled_when_the_isr_learns() -> None:
    person = Person()
    callback = reviewed(person, relabel=True, trainer_kwargs={"gradient_steps": 100}, store_kwargs={"held_out": 0.0})
    model = off_policy(DQN, silent())
    assert isinstance(model, OffPolicyAlgorithm)
    model.learn(64, callback=callback)
    buffer = model.replay_buffer
    assert buffer is not None
    assert (buffer.rewards[: buffer.pos] == 0).all()
    for name in person.waiting():
        person.answer(name)
    model.learn(64, callback=callback, reset_num_timesteps=False)
    stored = buffer.rewards[:32]
    terminated = buffer.dones[:32] == 1
    assert stored[terminated].min() > stored[~terminated].max()


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


def test_a_resumed_training_asks_and_learns_what_the_whole_one_does(tmp_path: Path) -> None:
    def make(name: str) -> tuple[ISRCheckpoint, ISRCallback]:
        checkpoint = ISRCheckpoint(tmp_path / name, every=64)
        return checkpoint, reviewed(Immediate(praise_the_end), EpisodeQueries(8, n_rounds=4), callback=checkpoint)

    class StopAt(BaseCallback):
        def _on_step(self) -> bool:
            return self.num_timesteps < 150

    _, whole = make("whole")
    ppo(silent()).learn(256, callback=whole)
    _, killed = make("killed")
    ppo(silent()).learn(256, callback=[killed, StopAt()])
    checkpoint, resumed = make("killed")
    model = checkpoint.resume(type(ppo(silent())), silent())
    assert 64 <= model.num_timesteps < 150
    model.learn(256 - model.num_timesteps, callback=resumed, reset_num_timesteps=False)
    assert resumed.internalizer.counts() == whole.internalizer.counts()
    assert labels_of(resumed) == labels_of(whole)
    assert torch.equal(weights_of(resumed.isr), weights_of(whole.isr))


def test_waiting_questions_are_put_again_and_answers_since_the_checkpoint_are_found(tmp_path: Path) -> None:
    class Keeper(Person):
        """Keeps its questions, as a mailbox does, also while no training runs."""

        def question(self, question_id: str) -> Question | None:
            return self.asked.get(question_id)

    person = Keeper()
    for part in ("first", "second"):
        checkpoint = ISRCheckpoint(tmp_path, every=64)
        callback = reviewed(person, EpisodeQueries(8, first=0.25, n_rounds=4), callback=checkpoint)
        if part == "first":
            ppo(silent()).learn(160, callback=callback)
            assert len(person.asked) > 4
            for name in person.waiting():
                person.answer(name)
            n_said = len(person.ready)
            person.withdrawn = []
        else:
            model = checkpoint.resume(type(ppo(silent())), silent())
            model.learn(32, callback=callback, reset_num_timesteps=False)
            assert callback.internalizer.counts()["answers"] == n_said


def test_progress_is_logged() -> None:
    watch = Watch()
    ppo(silent()).learn(64, callback=[reviewed(Immediate(praise_the_end)), watch])
    assert watch.logged[-1]["isr/answers"] + watch.logged[-1]["isr/answers_left"] == 6
    assert watch.logged[-1]["isr/waiting"] == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"presence": "leave_at_0.5"}, r"nobody may attend, got presence=LeaveAt\(.*presence=\"never\", queries="),
        ({"train_every": 100}, "trained when answers come, got train_every=100; leave it out"),
        ({"queries": "all", "respondent": Person()}, "questions about episodes, got respondent=.* with AllQueries"),
        ({"queries": "random_5", "wait_for_answers": True}, "got wait_for_answers=True with RandomQueries"),
        ({"wait_for_answers": 1}, "wait_for_answers must be True or False, got 1"),
    ],
)
def test_arguments_that_do_not_go_together_are_refused(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ISRCallback(**{"presence": "never", "queries": "episodes_5", **arguments})


@pytest.mark.parametrize("respondent", [praise_the_end, Person])
def test_what_is_no_respondent_is_refused(respondent: Any) -> None:
    with pytest.raises(TypeError, match=r"methods put, take, wait, withdraw, got .*Immediate\(function\)"):
        ISRCallback("never", "episodes_5", respondent=respondent)
