"""Reviews across interrupts: nothing that was answered is lost."""

from __future__ import annotations

from pathlib import Path

import torch
from stable_baselines3.common.callbacks import BaseCallback

from sb3_isr import ISRCallback, ISRCheckpoint
from sb3_isr.respondents import FunctionRespondent, Question
from sb3_isr.schedules.episode_queries import EpisodeQueries
from tests.callbacks.learners import ppo, weights_of
from tests.callbacks.reviewed import Person, labels_of, praise_the_end, reviewed, silent


def test_a_resumed_training_asks_and_learns_what_the_whole_one_does(tmp_path: Path) -> None:
    def make(name: str) -> tuple[ISRCheckpoint, ISRCallback]:
        checkpoint = ISRCheckpoint(tmp_path / name, every=64)
        return checkpoint, reviewed(
            FunctionRespondent(praise_the_end), EpisodeQueries(8, n_rounds=4), callback=checkpoint
        )

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
