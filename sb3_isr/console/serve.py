"""``sb3-isr console``: serves the page, and prints the link to it."""

from __future__ import annotations

import getpass
import json
import os
import secrets
import socket
from pathlib import Path

import uvicorn

from sb3_isr.console.app import make_app
from sb3_isr.respondents.mailbox import Mailbox
from sb3_isr.respondents.mailbox_file import FILE_NAME, MailboxError


def serve(run: Path, host: str = "127.0.0.1", port: int | None = None, by: str | None = None) -> int:
    """
    Serve the console of a run until it is interrupted.

    :param run: The mailbox's file, or the folder with a ``mailbox.sqlite``. If there is none yet, it is made: the
        training may start later.
    :param host: The address to listen on.
    :param port: The port; by default that of the last time, or any if it is taken.
    :param by: Who answers; by default the user's name.
    :return: Exit status.
    :raises MailboxError: If the file is not a mailbox, or the port is taken.
    """
    path = mailbox_path(run)
    with Mailbox(path) as mailbox:
        token, last_port = _remembered(path)
        listener = _listen(host, port, last_port)
        actual_port = listener.getsockname()[1]
        _remember(path, token, actual_port)
        who = by or _user_name()
        shown_host = f"[{host}]" if ":" in host else host
        print(f"The console of {path}, for {who}:\n\n    http://{shown_host}:{actual_port}/?token={token}\n")
        print(
            f"From another machine: ssh -L {actual_port}:127.0.0.1:{actual_port} HOST, then the same link. Ctrl-C ends "
            "the console; what was answered is saved.",
            flush=True,
        )
        app = make_app(mailbox, token, who)
        config = uvicorn.Config(app, log_level="warning", lifespan="off", ws="none", limit_concurrency=100)
        uvicorn.Server(config).run(sockets=[listener])
    return 0


def mailbox_path(run: Path) -> Path:
    """
    Find the mailbox of a run.

    :param run: The mailbox's file, or its folder.
    :return: The file, which need not exist.
    :raises MailboxError: If neither it nor its folder exists.
    """
    if run.is_dir():
        return run / FILE_NAME
    if not run.parent.is_dir() or (not run.exists() and run.suffix != ".sqlite"):
        raise MailboxError(
            f"A console needs a run: the folder of a training, or its mailbox (a .sqlite file), got "
            f"{os.fspath(run)!r}, which does not exist; correct the name, or make the folder first."
        )
    return run


def _listen(host: str, port: int | None, last_port: int) -> socket.socket:
    wanted = last_port if port is None else port
    try:
        return _bound(host, wanted)
    except OSError as error:
        if port is None:
            return _bound(host, 0)
        raise MailboxError(f"Port {port} of {host} cannot be used ({error}); choose another --port.") from error


def _bound(host: str, port: int) -> socket.socket:
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    try:
        if os.name == "posix":  # so that a killed console's port can be taken at once
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(100)  # before the link is printed: who is quick with it waits, and is not refused
    except OSError:
        listener.close()
        raise
    return listener


def _memory(path: Path) -> Path:
    return path.with_name(f"{path.name}.console")


def _remembered(path: Path) -> tuple[str, int]:
    """The link of the last time, so that a page that is open goes on when the console is started again."""
    try:
        memory = json.loads(_memory(path).read_text())
        return str(memory["token"]), int(memory["port"])
    except (OSError, ValueError, KeyError, TypeError):
        return secrets.token_urlsafe(24), 0


def _remember(path: Path, token: str, port: int) -> None:
    text = json.dumps({"token": token, "port": port})
    try:
        # For its owner alone, as the token is.
        with open(os.open(_memory(path), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            file.write(text)
    except OSError as error:
        print(f"The link will be another one the next time ({error}).")


def _user_name() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # no such user, as in some containers
        return "caregiver"
