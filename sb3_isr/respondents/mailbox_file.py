"""The file of a mailbox: its tables, and transactions that are on disk when they end. docs/mailbox.md describes it."""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

#: Raised by one whenever an older sb3-isr could not read what is written.
SCHEMA_VERSION = 1
#: Tells programs such as ``file`` what kind of SQLite file this is: "ISRm".
APPLICATION_ID = 0x4953526D
#: The name of a mailbox in the folder of a run.
FILE_NAME = "mailbox.sqlite"

_SCHEMA = """
CREATE TABLE run (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE questions (
    row INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    env INTEGER NOT NULL,
    step INTEGER NOT NULL,
    n_steps INTEGER NOT NULL,
    reason TEXT NOT NULL,
    transitions BLOB NOT NULL,
    time REAL NOT NULL
);
CREATE TABLE pictures (
    question_id TEXT NOT NULL REFERENCES questions (id),
    position INTEGER NOT NULL,
    image BLOB NOT NULL,
    PRIMARY KEY (question_id, position)
);
CREATE TABLE answers (
    row INTEGER PRIMARY KEY AUTOINCREMENT,
    question_id TEXT NOT NULL REFERENCES questions (id),
    kind TEXT NOT NULL CHECK (kind IN ('answer', 'skip', 'undo')),
    rewards BLOB NOT NULL,
    by TEXT NOT NULL,
    time REAL NOT NULL
);
CREATE INDEX answers_of_questions ON answers (question_id, by, row);
CREATE TABLE withdrawals (
    row INTEGER PRIMARY KEY AUTOINCREMENT,
    question_id TEXT NOT NULL REFERENCES questions (id),
    time REAL NOT NULL
);
CREATE INDEX withdrawals_of_questions ON withdrawals (question_id);
CREATE TABLE laters (
    row INTEGER PRIMARY KEY AUTOINCREMENT,
    last_question INTEGER NOT NULL,
    by TEXT NOT NULL,
    time REAL NOT NULL
);
CREATE TABLE status (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE progress (row INTEGER PRIMARY KEY AUTOINCREMENT, step INTEGER NOT NULL, value REAL NOT NULL);
CREATE VIEW standing AS
    SELECT * FROM answers
    WHERE row IN (SELECT max(row) FROM answers GROUP BY question_id, by) AND kind <> 'undo';
CREATE VIEW open_questions AS
    SELECT * FROM questions
    WHERE id NOT IN (SELECT question_id FROM withdrawals) AND id NOT IN (SELECT question_id FROM standing);
"""
_APPEND_ONLY = """
CREATE TRIGGER {table}_stay_{verb} BEFORE {verb} ON {table}
BEGIN SELECT RAISE(ABORT, '{table} are only ever added'); END;
"""


class MailboxError(ValueError):
    """Says what is wrong with a mailbox or with what is asked of it, and what can be done about it."""


class NotSavedError(MailboxError):
    """Says that something is not in the mailbox because its file could not be written."""


class MailboxFile:
    """
    The SQLite file of a mailbox. It may be used by several processes, and by several threads of one.

    :param path: The file; it is made, with its folder, if it does not exist.
    :param must_exist: Whether it must exist.
    :raises MailboxError: If it is not a mailbox, or one of a later format.
    :raises NotSavedError: If it cannot be made.
    """

    def __init__(self, path: str | os.PathLike[str], must_exist: bool = False) -> None:
        self.path = Path(path)
        if must_exist and not self.path.is_file():
            raise MailboxError(
                f"There is no mailbox {os.fspath(path)!r}; name the file of a run, or its folder with a {FILE_NAME}."
            )
        self._lock = threading.RLock()
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            # Without Python's own transactions; another process's write takes milliseconds.
            self._connection = sqlite3.connect(self.path, timeout=30, isolation_level=None, check_same_thread=False)
        except (OSError, sqlite3.Error) as error:
            raise NotSavedError(
                f"The mailbox {os.fspath(path)!r} cannot be opened ({error}); correct its path."
            ) from error
        try:
            self._open()
        except BaseException:
            self._connection.close()
            raise

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """
        Read, all of it at one moment.

        :return: The connection, for SELECT.
        :raises MailboxError: If the file is damaged.
        """
        with self._lock:
            try:
                self._connection.execute("BEGIN")
                yield self._connection
            except sqlite3.Error as error:
                raise MailboxError(
                    f"The mailbox {os.fspath(self.path)!r} cannot be read ({error}); get it from a backup."
                ) from error
            finally:
                self._end("ROLLBACK")

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """
        Write, all or nothing; it is on disk when this ends.

        :return: The connection.
        :raises NotSavedError: If it could not be written, and nothing of it is.
        """
        with self._lock:
            try:
                self._connection.execute("BEGIN IMMEDIATE")
                yield self._connection
                self._connection.execute("COMMIT")
            except sqlite3.Error as error:
                raise NotSavedError(
                    f"The mailbox {os.fspath(self.path)!r} could not be written ({error}), and nothing of it is: what "
                    "was in it before is kept. Free some space, or see who else writes to it, then try again."
                ) from error
            finally:
                self._end("ROLLBACK")

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._connection.close()

    def _end(self, command: str) -> None:
        if self._connection.in_transaction:
            self._connection.execute(command)

    def _open(self) -> None:
        name = os.fspath(self.path)
        try:
            self._connection.execute("PRAGMA trusted_schema = OFF")
            self._create_if_empty()
            known = self._numbers()
            if known[0] == APPLICATION_ID:
                self._write_ahead()
            self._connection.execute("PRAGMA synchronous = FULL")
            self._connection.execute("PRAGMA foreign_keys = ON")
        except sqlite3.DatabaseError as error:
            if isinstance(error, sqlite3.OperationalError):
                raise NotSavedError(f"The mailbox {name!r} cannot be opened ({error}); free its disk.") from error
            raise MailboxError(f"{name!r} is not a mailbox ({error}); name another file.") from error
        if known[0] != APPLICATION_ID:
            raise MailboxError(f"{name!r} is a database, but not a mailbox; name another file.")
        if known[1] > SCHEMA_VERSION:
            raise MailboxError(
                f"The mailbox {name!r} has format {known[1]}, and this sb3-isr knows those up to {SCHEMA_VERSION}; "
                "install a newer one."
            )

    def _numbers(self) -> tuple[int, int]:
        application, version = (
            self._connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("application_id", "user_version")
        )
        return application, version

    def _create_if_empty(self) -> None:
        if not self._is_empty():
            return
        with self.writing() as connection:
            if not self._is_empty():  # another process was faster
                return
            for statement in _SCHEMA.split(";"):
                connection.execute(statement)
            for table in ("questions", "answers", "withdrawals"):
                for verb in ("UPDATE", "DELETE"):
                    connection.execute(_APPEND_ONLY.format(table=table, verb=verb))
            connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")

    def _is_empty(self) -> bool:
        n_tables = self._connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
        return self._numbers() == (0, 0) and not n_tables

    def _write_ahead(self) -> None:
        """Let readers and a writer not wait for one another. SQLite itself does not wait to change this."""
        for attempt in range(100):
            try:
                self._connection.execute("PRAGMA journal_mode = WAL")
                return
            except sqlite3.OperationalError:
                if attempt == 99:
                    raise
                time.sleep(0.02)
