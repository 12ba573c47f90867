"""The command ``sb3-isr console``: whom it serves, and what it says where it cannot."""

from __future__ import annotations

import socket
import stat
from pathlib import Path
from typing import Any

import pytest
import uvicorn

from sb3_isr.cli import main
from sb3_isr.respondents import Mailbox


@pytest.fixture(autouse=True)
def _no_server(monkeypatch: pytest.MonkeyPatch) -> None:
    """End a console as soon as it would serve."""

    def run(self: uvicorn.Server, sockets: Any) -> None:
        raise SystemExit

    monkeypatch.setattr(uvicorn.Server, "run", run)


def printed(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[str, int]:
    """The token and port of the link that a console prints."""
    with pytest.raises(SystemExit):
        main(["console", *arguments])
    link = next(line for line in capsys.readouterr().out.splitlines() if "http://127.0.0.1:" in line)
    port, token = link.removeprefix("    http://127.0.0.1:").split("/?token=")
    return token, int(port)


def test_a_folder_and_its_mailbox_are_the_same_and_the_link_stays(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first = printed(capsys, str(tmp_path))
    assert (tmp_path / "mailbox.sqlite").is_file(), "a console may be started before the training"
    assert printed(capsys, str(tmp_path / "mailbox.sqlite"), "--by", "ada") == first
    memory = tmp_path / "mailbox.sqlite.console"
    assert stat.S_IMODE(memory.stat().st_mode) == 0o600
    with socket.create_server(("127.0.0.1", first[1])):
        other = printed(capsys, str(tmp_path))
    assert other[0] == first[0]
    assert other[1] != first[1], "the port was taken"
    memory.unlink()
    assert printed(capsys, str(tmp_path))[0] != first[0]
    memory.write_text("{broken")
    assert len(printed(capsys, str(tmp_path))[0]) >= 32


def test_runs_have_tokens_of_their_own(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
    assert printed(capsys, str(tmp_path / "one"))[0] != printed(capsys, str(tmp_path / "other"))[0]


@pytest.mark.parametrize(("name", "text"), [("missing", "correct the name"), ("a/b.sqlite", "correct the name")])
def test_a_run_that_does_not_exist_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, text: str
) -> None:
    assert main(["console", str(tmp_path / name)]) == 2
    assert text in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_what_is_not_a_mailbox_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "mailbox.sqlite").write_text("not a database " * 100)
    assert main(["console", str(tmp_path)]) == 2
    assert "is not a mailbox" in capsys.readouterr().err


def test_a_port_that_is_taken_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Mailbox(tmp_path / "mailbox.sqlite").close()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        assert main(["console", str(tmp_path), "--port", str(taken.getsockname()[1])]) == 2
    assert "choose another --port" in capsys.readouterr().err
