"""A lock that one training holds on its mailbox, and that ends with it however it ends."""

from __future__ import annotations

import os
import socket
import sqlite3
from pathlib import Path

from sb3_isr.respondents.mailbox_file import MailboxError


def path_of_lock(mailbox: Path) -> Path:
    """
    Name the lock of a mailbox.

    :param mailbox: The mailbox's file.
    :return: The lock's file.
    """
    return mailbox.with_name(f"{mailbox.name}.training")


def is_training(mailbox: Path) -> bool:
    """
    Say whether a training holds a mailbox now.

    :param mailbox: The mailbox's file.
    :return: Whether one does.
    """
    path = path_of_lock(mailbox)
    if not path.is_file():
        return False
    try:
        connection = sqlite3.connect(path, timeout=0, isolation_level=None)
    except sqlite3.Error:
        return False
    try:
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("ROLLBACK")
        return False
    except sqlite3.Error:
        return True
    finally:
        connection.close()


class TrainingLock:
    """
    A lock beside a mailbox, held until it is closed or its process ends.

    It is a transaction of SQLite, which frees it on every system when the process is killed, and lets others read who
    holds it.

    :param mailbox: The mailbox's file.
    :raises MailboxError: If another training holds it.
    """

    def __init__(self, mailbox: Path) -> None:
        path = path_of_lock(mailbox)
        try:
            self._connection = sqlite3.connect(path, timeout=1, isolation_level=None, check_same_thread=False)
        except sqlite3.Error as error:
            raise MailboxError(f"The mailbox's lock {os.fspath(path)!r} cannot be made ({error}).") from error
        try:
            self._connection.execute("CREATE TABLE IF NOT EXISTS owner (name TEXT)")
            owner = f"process {os.getpid()} on {socket.gethostname()}"
            self._connection.execute("BEGIN IMMEDIATE")
            self._connection.execute("DELETE FROM owner")
            self._connection.execute("INSERT INTO owner VALUES (?)", (owner,))
            self._connection.execute("COMMIT")
            self._connection.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError as error:
            other = self._owner()
            self._connection.close()
            raise MailboxError(
                f"A mailbox serves one training, and {os.fspath(mailbox)!r} is used by another one, {other} ({error}); "
                "end it, or give this training a mailbox of its own."
            ) from error

    def close(self) -> None:
        """Let another training have the mailbox."""
        self._connection.close()

    def _owner(self) -> str:
        try:
            row = self._connection.execute("SELECT name FROM owner").fetchone()
        except sqlite3.Error:
            row = None
        return row[0] if row else "which has just started"
