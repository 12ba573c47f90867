"""A real PostgreSQL server, on loopback and in a folder of its own."""

from __future__ import annotations

import getpass
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

DEADLINE = 60


@contextmanager
def postgres() -> Iterator[str]:
    """
    Start a server. Without PostgreSQL the test is skipped, and fails where CI is set in the environment.

    :return: The URL of an empty database; the server is stopped afterwards.
    """
    programs = _programs()
    if programs is None:
        reason = "it needs a PostgreSQL server, got none; install it: sudo apt-get install postgresql"
        (pytest.fail if os.environ.get("CI") else pytest.skip)(reason)
    is_root = os.geteuid() == 0  # PostgreSQL refuses to run as root
    user = "postgres" if is_root else getpass.getuser()
    folder = Path(tempfile.mkdtemp(prefix="sb3_isr_postgres"))
    as_user = {"user": user, "group": user, "extra_groups": []} if is_root else {}
    if is_root:
        shutil.chown(folder, user, user)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    data = folder / "data"
    initdb = [programs / "initdb", "-D", data, "-U", user, "--auth=trust", "--no-sync"]
    subprocess.run(initdb, check=True, capture_output=True, cwd=folder, **as_user)  # type: ignore[call-overload]
    options = ["-D", data, "-p", str(port), "-k", folder, "-c", "listen_addresses=127.0.0.1", "-c", "fsync=off"]
    with open(folder / "log", "w") as log:
        server = subprocess.Popen([programs / "postgres", *options], stdout=log, stderr=log, cwd=folder, **as_user)  # type: ignore[call-overload]
    try:
        url = f"postgresql://{user}@127.0.0.1:{port}/postgres"
        _wait_for(url, server, folder / "log")
        yield url
    finally:
        server.send_signal(signal.SIGINT)  # fast: a pool of connections may still be open
        server.wait(DEADLINE)
        shutil.rmtree(folder)


def _programs() -> Path | None:
    """The folder of initdb and postgres; None if there is none."""
    on_path = [Path(path).parent for path in [shutil.which("initdb")] if path]
    of_debian = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    return next((path for path in [*on_path, *reversed(of_debian)] if (path / "postgres").exists()), None)


def _wait_for(url: str, server: subprocess.Popen[bytes], log: Path) -> None:
    start = time.monotonic()
    while True:
        try:
            psycopg.connect(url).close()
            return
        except psycopg.OperationalError:
            assert server.poll() is None, log.read_text()
            assert time.monotonic() - start < DEADLINE, log.read_text()
            time.sleep(0.05)
