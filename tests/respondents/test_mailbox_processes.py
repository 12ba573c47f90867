"""Mailboxes whose processes are killed, whose disks are full, and that many use at once."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from sb3_isr.respondents import Mailbox
from sb3_isr.respondents.mailbox_file import NotSavedError
from tests.full_disk import files_limited
from tests.respondents.made_questions import made_question

#: Puts questions and answers them, as fast as it can, and says what is saved.
_ANSWERS_ON = """
import sys
from tests.full_disk import files_limited
from tests.respondents.made_questions import made_question
from sb3_isr.respondents import Mailbox
mailbox = Mailbox(sys.argv[1])
for number in range(10**6):
    mailbox.put([made_question(number)])
    mailbox.answer(f"question-{number}", [number, 0, 0], "ada")
    print(number, flush=True)
"""
_OPENS = """
import sys
from sb3_isr.respondents import Mailbox
print("ready", flush=True)
sys.stdin.readline()
print(Mailbox(sys.argv[1]).run)
"""


def python(code: str, path: Path) -> subprocess.Popen[str]:
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    pipe = subprocess.PIPE
    return subprocess.Popen(
        [sys.executable, "-c", code, str(path)], stdin=pipe, stdout=pipe, text=True, env=environment
    )


@pytest.mark.slow
def test_a_killed_process_loses_nothing_that_was_confirmed_and_leaves_the_mailbox_to_the_next(tmp_path: Path) -> None:
    path = tmp_path / "mailbox.sqlite"
    process = python(_ANSWERS_ON, path)
    assert process.stdout is not None
    confirmed = [int(process.stdout.readline()) for _ in range(20)]
    process.send_signal(signal.SIGKILL)
    confirmed += [int(line) for line in process.stdout.read().split()]
    process.wait()
    with Mailbox(path) as mailbox:
        met = [answer.rewards.tolist() for answer in mailbox.answers()]
        assert [[number, 0, 0] for number in confirmed] == met[: len(confirmed)]
        assert len(met) <= len(confirmed) + 1, "one may be saved whose confirmation was not heard"
        mailbox.put([made_question(10**6)])  # the dead training's lock went with it


@pytest.mark.slow
def test_many_can_open_a_new_mailbox_at_the_same_moment(tmp_path: Path) -> None:
    processes = [python(_OPENS, tmp_path / "mailbox.sqlite") for _ in range(3)]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    runs = {process.communicate("go\n", timeout=120)[0] for process in processes}
    assert len(runs) == 1
    assert runs != {""}


def test_a_full_disk_is_said_and_leaves_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "mailbox.sqlite"
    with Mailbox(path) as mailbox:
        mailbox.put([made_question(0)])
        mailbox.answer("question-0", [1, 0, 0], "ada")
        log = path.with_name("mailbox.sqlite-wal")
        with files_limited(log.stat().st_size + 100):
            with pytest.raises(NotSavedError, match=r"could not be written .*nothing of it is"):
                mailbox.put([made_question(1, k=2000), made_question(2, k=2000)])
            with pytest.raises(NotSavedError, match="could not be written"):
                mailbox.answer("question-0", [0, 0, 1], "ada")
        assert mailbox.question_ids() == ["question-0"]
        assert [answer.rewards.tolist() for answer in mailbox.answers()] == [[1, 0, 0]]
        mailbox.answer("question-0", [0, 0, 1], "ada")  # and goes on once there is room
    with Mailbox(path) as mailbox:
        assert [answer.rewards.tolist() for answer in mailbox.answers()] == [[1, 0, 0], [0, 0, 1]]
