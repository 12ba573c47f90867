"""Who may talk to the console, and how it answers those who may not."""

from __future__ import annotations

import http.client
import json
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sb3_isr.console.guard import COOKIE, MAX_BODY
from sb3_isr.respondents import Mailbox
from tests.console.consoles import TOKEN, console
from tests.respondents.made_questions import made_question

ANSWER = {"question": "question-0", "rewards": [1, 0, None]}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "mailbox.sqlite"
    with Mailbox(path) as mailbox:
        mailbox.put([made_question(0, n_pictures=4), made_question(1)])
        mailbox.set_status(budget=5)
    return path


@pytest.fixture
def port(path: Path) -> Iterator[int]:
    with console(path) as port:
        yield port


def request(
    port: int, method: str, path: str, body: Any = None, token: str | None = TOKEN, **headers: str | None
) -> tuple[int, dict[str, str], bytes]:
    """Ask as the page does, but for what is said otherwise; None leaves a header out."""
    sent: dict[str, str | None] = {"Host": f"127.0.0.1:{port}"}
    if method == "POST":
        sent |= {"Origin": f"http://127.0.0.1:{port}", "Content-Type": "application/json"}
    if token is not None:
        sent["Cookie"] = f"{COOKIE}={token}"
    sent |= {name.replace("_", "-"): value for name, value in headers.items()}
    data = body if isinstance(body, bytes | None) else json.dumps(body).encode()
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.putrequest(method, path, skip_host=True)
        for name, value in sent.items():
            if value is not None:
                connection.putheader(name, value)
        if data is not None and "Content_Length" not in headers:
            connection.putheader("Content-Length", str(len(data)))
        connection.endheaders(data)
        response = connection.getresponse()
        return response.status, dict(response.getheaders()), response.read()
    finally:
        connection.close()


def n_answers(path: Path) -> int:
    with Mailbox(path) as mailbox:
        return len(mailbox.answers())


def test_the_link_moves_its_token_into_a_cookie_that_no_script_and_no_other_site_has(port: int) -> None:
    status, headers, body = request(port, "GET", f"/?token={TOKEN}", token=None)
    assert status == 200
    assert b"<title>sb3-isr console</title>" in body
    cookie = headers["set-cookie"]
    assert cookie.startswith(f"{COOKIE}={TOKEN};")
    assert {"HttpOnly", "SameSite=Strict", "Path=/"} <= set(cookie.split("; "))
    assert "frame-ancestors 'none'" in headers["content-security-policy"]
    assert "unsafe" not in headers["content-security-policy"]
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["cache-control"] == "no-store"


PATHS = ["/", "/console.js", "/api/state", "/api/questions/question-0", "/api/questions/question-0/pictures/0"]


@pytest.mark.parametrize("path_asked", PATHS)
@pytest.mark.parametrize("token", [None, "", "another", TOKEN[:-1], f"{TOKEN}x"])
def test_nothing_is_read_without_the_token(port: int, path_asked: str, token: str | None) -> None:
    status, headers, body = request(port, "GET", path_asked, token=token)
    assert status == 401
    assert b"Open the link" in body
    assert "set-cookie" not in headers


@pytest.mark.parametrize("path_asked", ["/api/answers", "/api/undo", "/api/later"])
@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"token": None}, 401),
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "http://127.0.0.1:1"}, 403),  # another program's page of the same machine
        ({"Origin": "null"}, 403),
        ({"Origin": None}, 403),
        ({"Host": "evil.example"}, 421),  # a name of somebody else's that leads here
        ({"Host": "evil.example", "Origin": "http://evil.example"}, 421),
        ({"Host": ""}, 421),
        ({"Sec_Fetch_Site": "cross-site"}, 403),
        ({"Sec_Fetch_Site": "same-site"}, 403),
    ],
)
def test_nothing_is_said_from_elsewhere(
    port: int, path: Path, path_asked: str, headers: dict[str, Any], expected: int
) -> None:
    assert request(port, "POST", path_asked, ANSWER, **headers)[0] == expected
    assert n_answers(path) == 0


@pytest.mark.parametrize("path_asked", PATHS[2:])
def test_another_site_cannot_embed_or_fetch(port: int, path_asked: str) -> None:
    for headers in ({"Sec_Fetch_Site": "same-site"}, {"Origin": "http://127.0.0.1:1"}, {"Host": "evil.example:80"}):
        status, met, _ = request(port, "GET", path_asked, **headers)
        assert status in (403, 421)
        assert met["cross-origin-resource-policy"] == "same-origin"
        assert "access-control-allow-origin" not in met


@pytest.mark.parametrize(
    "host", ["localhost:9999", "127.0.0.1:80", "[::1]:8000", "192.168.1.7:8000", socket.gethostname()]
)
def test_the_page_works_under_other_addresses_and_ports(port: int, path: Path, host: str) -> None:
    status, _, body = request(port, "POST", "/api/answers", ANSWER, Host=host, Origin=f"http://{host}")
    assert (status, json.loads(body)["question"]) == (200, "question-0")
    assert n_answers(path) == 1


def test_a_request_that_is_too_large_is_not_read(port: int, path: Path) -> None:
    status, _, _ = request(port, "POST", "/api/answers", b"[", Content_Length=str(MAX_BODY + 1))
    assert status == 413
    chunk = b"10000\r\n" + b" " * 0x10000 + b"\r\n"
    body = chunk * (MAX_BODY // 0x10000 + 1) + b"0\r\n\r\n"
    status, _, _ = request(port, "POST", "/api/answers", body, Transfer_Encoding="chunked", Content_Length=None)
    assert status == 413
    assert n_answers(path) == 0


@pytest.mark.parametrize(
    ("body", "status", "text"),
    [
        ({"question": "question-9", "rewards": [0, 0, 0]}, 404, "no question 'question-9'"),
        ({"question": "question-1", "rewards": [0, 0, 0]}, 410, "withdrawn"),
        ({"question": "question-0", "rewards": [0]}, 422, "3 transitions"),
        ({"question": "question-0", "rewards": [0, 0, "1"]}, 422, "number or null"),
        ({"question": "question-0", "rewards": [0, 0, True]}, 422, "number or null"),
        ({"question": 0, "rewards": [0, 0, 0]}, 422, "must be"),
        ({"rewards": [0, 0, 0]}, 422, "must be"),
        ([], 422, "JSON object"),
        (b"{", 422, "JSON"),
        (b"\xff", 422, "JSON"),
        (b'{"question": "question-0", "rewards": [0, 0, Infinity]}', 422, "finite"),
        (b'{"question": "question-0", "rewards": [0, 0, 1e999]}', 422, "finite"),
        (b'{"question": "question-0", "rewards": [0, 0, 1' + b"0" * 4000 + b"]}", 422, "numbers"),
        (b"[" * 100_000, 422, "JSON"),
    ],
)
def test_a_bad_answer_is_refused_with_the_reason(port: int, path: Path, body: Any, status: int, text: str) -> None:
    with Mailbox(path) as mailbox:
        mailbox.withdraw(["question-1"])
    met, _, content = request(port, "POST", "/api/answers", body)
    assert met == status
    assert text in json.loads(content)["error"]
    assert n_answers(path) == 0


def test_answers_beyond_the_budget_are_refused(port: int, path: Path) -> None:
    with Mailbox(path) as mailbox:
        mailbox.set_status(budget=0)
    status, _, content = request(port, "POST", "/api/answers", ANSWER)
    assert status == 409
    assert "All 0 answers of the budget" in json.loads(content)["error"]


def test_pictures_are_images_or_nothing(port: int) -> None:
    status, headers, body = request(port, "GET", "/api/questions/question-0/pictures/1")
    assert (status, body) == (200, b"picture 1")
    assert headers["content-type"] == "application/octet-stream", "what is not known as an image is never shown"
    assert headers["x-content-type-options"] == "nosniff"
    assert request(port, "GET", "/api/questions/question-0/pictures/4")[0] == 404
    assert request(port, "GET", "/api/questions/..%2f..%2fetc/pictures/0")[0] == 404
