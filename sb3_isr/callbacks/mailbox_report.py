"""MailboxReport: tells those who answer how the training goes, and gives its questions pictures."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import numpy as np

from sb3_isr.callbacks.child import ISRChildCallback
from sb3_isr.respondents.mailbox import Mailbox
from sb3_isr.wrappers.illustrator import VenvIllustrator
from sb3_isr.wrappers.venv_queries import attribute_of

#: Seconds between two reports: each waits for the disk.
_INTERVAL = 1.0


class MailboxReport(ISRChildCallback):
    """
    Keeps a mailbox's status: budget, steps, and a curve of what the learner reaches per episode.

    It takes the mailbox for this training while the training lasts, withdraws what an earlier one asked and this one
    does not know, and lets new questions have pictures.

    :param mailbox: The mailbox, the same that is the callback's respondent.
    :param curve: What the curve shows: a key of the info at an episode's last step; by default Monitor's return.
    :param curve_name: What it is called on the page.
    :param action_names: Names of discrete actions; by default those that the environment has, ``action_names``.
    :param praise: The social reward of a step that is praised.
    :param reproach: That of one that is reproached.
    :raises ValueError: While training, if the info at an episode's last step has no such key.
    """

    def __init__(
        self,
        mailbox: Mailbox,
        curve: str | None = None,
        curve_name: str | None = None,
        action_names: list[str] | None = None,
        praise: float = 1.0,
        reproach: float = -1.0,
    ) -> None:
        super().__init__()
        self.mailbox = mailbox
        self.curve = curve
        self._status: dict[str, Any] = {
            "curve_name": curve_name or (f"{curve} per episode" if curve else "return per episode"),
            "praise": praise,
            "reproach": reproach,
        }
        self._action_names = action_names
        self._values: list[float] = []
        self._next_report = 0.0

    def _on_training_start(self) -> None:
        internalizer: Any = self.isr_callback.internalizer
        isr, venv = self.isr_callback.isr, self.training_env
        self.mailbox.begin_training(isr.observation_space, isr.action_space)
        book, scheduler = getattr(internalizer, "book", None), internalizer.scheduler
        steps_done = getattr(scheduler, "steps_done", lambda _: None)(venv.num_envs)
        self.mailbox.illustrate = VenvIllustrator(venv, steps_done)
        known = {question.id for question in book.waiting} if book is not None else set()
        stale = [question.id for question in self.mailbox.open_questions() if question.id not in known]
        self.mailbox.withdraw(stale)
        names = self._action_names or attribute_of(venv, "action_names")
        self.mailbox.set_status(
            **self._status,
            **({} if book is None else {"budget": book.budget}),
            **({} if names is None else {"action_names": [str(name) for name in names]}),
            total_steps=int(self.model._total_timesteps),
        )
        self._report()

    def _on_step(self) -> bool:
        for info in self.locals.get("infos", ()):
            if "episode" in info:
                self._values.append(self._reached(info))
        if time.monotonic() >= self._next_report:
            self._report()
        return True

    def _on_training_end(self) -> None:
        self._report()
        self.mailbox.illustrate = None
        self.mailbox.end_training()

    def _reached(self, info: dict[str, Any]) -> float:
        if self.curve is None:
            return float(info["episode"]["r"])
        if self.curve not in info:
            raise ValueError(
                f"The curve must be a key of the info at an episode's last step, got {self.curve!r}, which is not "
                f"among {sorted(info)}; correct it, or leave it out to see the return."
            )
        return float(info[self.curve])

    def _report(self) -> None:
        self._next_report = time.monotonic() + _INTERVAL
        self.mailbox.set_status(steps=int(self.num_timesteps))
        if self._values:
            self.mailbox.add_progress(self.num_timesteps, float(np.mean(self._values)))
            self._values = []


def with_report(children: Sequence[ISRChildCallback], respondent: Any) -> list[ISRChildCallback]:
    """
    Add a report where questions go into a mailbox, unless the user has given one.

    :param children: The children of an ISRCallback.
    :param respondent: Who answers its questions.
    :return: All children.
    """
    is_reported = any(isinstance(child, MailboxReport) for child in children)
    return [*children, *([MailboxReport(respondent)] if isinstance(respondent, Mailbox) and not is_reported else [])]
