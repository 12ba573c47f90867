"""Learning from nothing but a respondent's answers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from stable_baselines3 import DQN
from stable_baselines3.common.off_policy_algorithm import OffPolicyAlgorithm

from sb3_isr import ISRCallback, VecISRReward
from sb3_isr.respondents import FunctionRespondent
from sb3_isr.schedules.episode_queries import EpisodeQueries
from tests.callbacks.learners import QUICK, Watch, off_policy, ppo, scripted, weights_of
from tests.callbacks.reviewed import Each, Person, labels_of, praise_the_end, reviewed, silent
from tests.scripted_env import scripted_vec_env


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


def test_what_the_environments_caregiver_would_say_changes_nothing_for_a_respondent() -> None:
    learners, asked = [], []
    for script in ([(0.0, 1.0), (0.0, -3.0), (0.0, None), (0.0, 0.0)], [(0.0, None)] * 4):
        person = Person()
        callback = reviewed(person, EpisodeQueries(6, n_rounds=3))

        def answer_all(n: int, person: Person = person) -> None:
            for name in person.waiting():
                person.answer(name)

        model = ppo(VecISRReward(scripted_vec_env([script] * 2)))
        model.learn(160, callback=[callback, Each(answer_all)])
        learners.append(weights_of(model.policy, callback.isr))
        asked.append([*person.asked])
    assert asked[0] == asked[1]
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
        callback = reviewed(FunctionRespondent(judge))  # type: ignore[arg-type]
        ppo(silent()).learn(128, callback=callback)
        labels.append(labels_of(callback))
    assert labels[0] == labels[1]
    assert 1.0 in labels[0].values()


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


def test_progress_is_logged() -> None:
    watch = Watch()
    ppo(silent()).learn(64, callback=[reviewed(FunctionRespondent(praise_the_end)), watch])
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
    with pytest.raises(TypeError, match=r"methods put, take, wait, withdraw, got .*FunctionRespondent\(function\)"):
        ISRCallback("never", "episodes_5", respondent=respondent)
