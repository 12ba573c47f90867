"""A person teaches a real training in a real browser; both are killed and started again."""

from __future__ import annotations

import inspect
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Browser, expect

from sb3_isr import ISRCallback
from sb3_isr.respondents import Mailbox
from tests.console.browsers import Console, chromium, opened
from tests.console.consoles import ROOT, printed_link

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        "respondent" not in inspect.signature(ISRCallback).parameters, reason="ISRCallback has no respondents yet"
    ),
]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@contextmanager
def teaching(out: Path, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """Run ``make teach``'s command; it and its console are killed at the end."""
    command = [sys.executable, str(ROOT / "examples" / "teach.py"), "--out", str(out), *arguments]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment, start_new_session=True)
    try:
        yield process
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def answer_all(person: Console, n: int) -> None:
    """Answer until there are so many answers: the second step is praised in each."""
    while int(person.page.locator("#n-answered").text_content() or 0) < n:
        before = int(person.page.locator("#n-answered").text_content() or 0)
        expect(person.page.locator("#clip")).to_be_visible(timeout=180_000)  # the learner practises in between
        expect(person.page.locator("#clip")).not_to_have_class("loading")
        person.press("Home", "ArrowRight", "+", "Enter")
        expect(person.page.locator("#n-answered")).not_to_have_text(str(before))


def test_a_person_teaches_a_training_that_is_killed_and_started_again(browser: Browser, tmp_path: Path) -> None:
    arguments = ("--steps", "40960", "--budget", "5")
    with teaching(tmp_path, *arguments) as first:
        person = opened(browser, printed_link(first))
        person.sees_question("chosen at random")
        person.sees("#training", "training waits for you")
        person.sees("#n-budget", "of 5")
        person.sees("#n-left", "5 answers left; 2 questions waiting")
        person.sees("#action-name", "")
        person.press("Home", "ArrowRight", "+", "Enter")
        person.sees("#n-answered", "1")
        first.send_signal(signal.SIGKILL)
        first.wait()
        person.sees("#training", "training is not running")
        answer_all(person, 2)
        person.sees("#nothing-title", "The training is not running")
        with Mailbox(tmp_path / "mailbox.sqlite") as mailbox:
            given = mailbox.answers()
        assert [answer.rewards.tolist()[:3] for answer in given] == [[0, np.float32(0.4), 0]] * 2
        with teaching(tmp_path, *arguments) as second:
            expect(person.page.locator("#training")).to_contain_text("training waits for you", timeout=120_000)
            steps = person.page.locator("#steps").text_content() or ""
            person.press("l")
            expect(person.page.locator("#steps")).not_to_have_text(steps)  # it goes on to its next questions
            answer_all(person, 5)
            person.sees("#nothing-title", "That was all, thank you")
            assert second.stdout is not None
            said = next(line for line in second.stdout if line.startswith("Goals per episode"))
            assert "at the end" in said
            person.sees("#training", "training is not running")
            person.sees("#steps", "of 40,960 steps")
            expect(person.page.locator("#curve polyline")).to_have_count(1)
        assert person.errors == []
    with Mailbox(tmp_path / "mailbox.sqlite") as mailbox:
        assert mailbox.n_answered() == 5
        again = mailbox.answers()
    assert [answer.question_id for answer in again[:2]] == [answer.question_id for answer in given]
    assert len(again) == 5
    assert (tmp_path / "isr.safetensors").is_file()
