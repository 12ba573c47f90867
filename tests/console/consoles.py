"""Consoles that tests talk to: in a thread, or in a process that can be killed."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import time
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
            _wait_for(match.group(0))
            return match.group(0)
    raise AssertionError(f"The console ended with {process.wait()} without a link.")


def _wait_for(url: str) -> None:
    """It listens before it prints, so that a connection waits; only accept() may still be away."""
    host, port = re.findall(r"http://([^:/]+):(\d+)", url)[0]
    end = time.monotonic() + 60
    while time.monotonic() < end:
        try:
            socket.create_connection((host, int(port)), timeout=10).close()
            return
        except OSError:
            time.sleep(0.05)
    raise AssertionError(f"Nothing listens at {url}.")
