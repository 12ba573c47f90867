"""Consoles that tests talk to: in a thread, or in a process that can be killed."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread

import uvicorn

from sb3_isr.console.app import make_app
from sb3_isr.respondents import Mailbox

TOKEN = "a-token-that-nobody-guesses"
ROOT = Path(__file__).parents[2]


@contextmanager
def console(path: Path, by: str = "ada") -> Iterator[int]:
    """Serve the console of a mailbox in a thread: its port."""
    listener = socket.create_server(("127.0.0.1", 0))
    with Mailbox(path) as mailbox:
        app = make_app(mailbox, TOKEN, by)
        server = uvicorn.Server(uvicorn.Config(app, log_level="warning", lifespan="off", ws="none"))
        thread = Thread(target=lambda: server.run(sockets=[listener]))
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            server.should_exit = server.force_exit = True
            thread.join()
    listener.close()


def link(port: int) -> str:
    """The link of a console that runs in a thread."""
    return f"http://127.0.0.1:{port}/?token={TOKEN}"


@contextmanager
def command(*arguments: str) -> Iterator[subprocess.Popen[str]]:
    """Run ``sb3-isr`` as a user does; it is killed at the end."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}
    process = subprocess.Popen(
        [sys.executable, "-m", "sb3_isr.cli", *arguments], stdout=subprocess.PIPE, text=True, env=environment
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def printed_link(process: subprocess.Popen[str]) -> str:
    """The link that a console prints when it is ready."""
    assert process.stdout is not None
    for line in process.stdout:
        if match := re.search(r"http://\S+", line):
            return match.group(0)
    raise AssertionError(f"The console ended with {process.wait()} without a link.")
