"""Those who answer are told how the training goes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from stable_baselines3 import PPO
from stable_baselines3.common.callbacks import BaseCallback

from sb3_isr import ISRCallback, Mailbox, MailboxReport, VecISRReward
from sb3_isr.callbacks import mailbox_report
from sb3_isr.envs import CoinGameVecEnv
from sb3_isr.evaluation.networks import ONE_HOT
from sb3_isr.respondents.mailbox_file import MailboxError
from sb3_isr.respondents.training_lock import is_training
from tests.respondents.made_questions import made_question


class Watch(BaseCallback):
    """Notes the goals of the episodes that ended at each step, and whether the mailbox is held."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path = path
        self.goals: dict[int, list[int]] = {}
        self.held: set[bool] = set()

    def _on_step(self) -> bool:
        reached = [info["goals_reached"] for info in self.locals["infos"] if "goals_reached" in info]
        if reached:
            self.goals[self.num_timesteps] = reached
        self.held.add(is_training(self.path))
        return True


@pytest.fixture
def mailbox(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Mailbox]:
    monkeypatch.setattr(mailbox_report, "_INTERVAL", 0.0)
    with Mailbox(tmp_path / "mailbox.sqlite") as mailbox:
        yield mailbox


def learn(report: MailboxReport, *others: BaseCallback) -> PPO:
    venv = VecISRReward(CoinGameVecEnv(8, n_walls=0))
    learner = PPO("MlpPolicy", venv, n_steps=20, batch_size=80, n_epochs=1, policy_kwargs=ONE_HOT, seed=0, device="cpu")
    return learner.learn(320, callback=[ISRCallback("always", isr_kwargs=ONE_HOT, callback=report), *others])


def test_status_and_curve_are_those_of_the_training(mailbox: Mailbox) -> None:
    watch = Watch(mailbox.file.path)
    names = ["left", "right", "ahead"]
    learn(MailboxReport(mailbox, "goals_reached", "goals", names, praise=0.5), watch)
    status = mailbox.status()
    assert (status["steps"], status["total_steps"], status["curve_name"]) == (320, 320, "goals")
    assert (status["praise"], status["reproach"], status["action_names"]) == (0.5, -1.0, names)
    assert list(watch.goals) == [160, 320]
    assert mailbox.progress() == [(step, float(np.mean(goals))) for step, goals in watch.goals.items()]
    assert sum(map(sum, watch.goals.values())) > 0
    assert watch.held == {True}
    assert not is_training(mailbox.file.path), "it is free again"


def test_the_games_own_names_of_actions_are_shown(mailbox: Mailbox) -> None:
    learn(MailboxReport(mailbox))
    assert mailbox.status()["action_names"] == ["left", "right", "forward"]
    assert len(mailbox.progress()) == 2


def test_what_an_earlier_training_asked_is_withdrawn(mailbox: Mailbox) -> None:
    mailbox.put([made_question(0), made_question(1)])
    mailbox.answer("question-0", [0, 0, 0], "ada")
    learn(MailboxReport(mailbox))
    assert mailbox.open_questions() == []
    assert len(mailbox.answers()) == 1


def test_a_mailbox_of_other_spaces_is_refused(mailbox: Mailbox) -> None:
    learn(MailboxReport(mailbox))
    other = PPO("MlpPolicy", VecISRReward(CoinGameVecEnv(8, size=6)), n_steps=20, batch_size=80, policy_kwargs=ONE_HOT)
    with pytest.raises(MailboxError, match="has the observation space"):
        other.learn(160, callback=ISRCallback("always", isr_kwargs=ONE_HOT, callback=MailboxReport(mailbox)))


def test_a_curve_that_is_not_in_the_info_is_said(mailbox: Mailbox) -> None:
    with pytest.raises(ValueError, match="got 'coins', which is not among"):
        learn(MailboxReport(mailbox, "coins"))
