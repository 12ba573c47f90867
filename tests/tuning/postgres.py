"""A real PostgreSQL server, from Debian's packages, on loopback and in a folder of its own."""

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

DEADLINE = 60


@contextmanager
def postgres() -> Iterator[str]:
    """
    :return: The URL of an empty database; the server is gone afterwards.
    """
    programs = _programs()
    is_root = os.geteuid() == 0  # which PostgreSQL refuses to run as
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


def _programs() -> Path:
    """Where initdb and postgres are; installed first, if this process may."""
    if (found := _found()) is None and os.geteuid() == 0 and shutil.which("apt-get"):
        quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        subprocess.run(["apt-get", "update"], check=True, env=quiet, capture_output=True)
        subprocess.run(["apt-get", "install", "-y", "postgresql"], check=True, env=quiet, capture_output=True)
        found = _found()
    assert found is not None, "This test needs a PostgreSQL server; install it: sudo apt-get install postgresql"
    return found


def _found() -> Path | None:
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
