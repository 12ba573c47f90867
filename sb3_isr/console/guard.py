"""Who may talk to the console: those with its token, from its own page, and not at any length."""

from __future__ import annotations

import ipaddress
import secrets
import socket
from http.cookies import CookieError, SimpleCookie
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders, QueryParams
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

#: The most bytes of a request's body: an answer about 50,000 steps.
MAX_BODY = 2**20
COOKIE = "sb3-isr-console"

_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


class Guard:
    """
    Lets through the requests of the console's own page, and of nobody else.

    - The token of the printed link, or the cookie that it is moved into, must be there.
    - The host that the browser asked for must be an address, ``localhost`` or this machine's name: a name of somebody
      else's that leads here (DNS rebinding) is refused. Its port may be any, as through ``ssh -L``.
    - A request that names its origin must come from that same host and port, and one that changes anything must name
      it.

    :param app: The console.
    :param token: What the link holds.
    """

    def __init__(self, app: ASGIApp, token: str) -> None:
        self._app = app
        self._token = token

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or refuse it."""
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        query_token = QueryParams(scope["query_string"]).get("token", "")
        status, text = self._refusal(scope["method"], scope["path"], headers, query_token)

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                own = MutableHeaders(scope=message)
                own.update(_HEADERS)
                own.setdefault("Cache-Control", "no-store")
                if status == 0 and query_token:
                    own.append("Set-Cookie", f"{COOKIE}={self._token}; Path=/; HttpOnly; SameSite=Strict")
            await send(message)

        if status:
            await PlainTextResponse(text, status)(scope, receive, send_with_headers)
        else:
            await self._app(scope, _limited(receive), send_with_headers)

    def _refusal(self, method: str, path: str, headers: Headers, query_token: str) -> tuple[int, str]:
        """The status and text with which a request is refused; (0, "") if it is not."""
        host = headers.get("host", "")
        if not _is_own_name(host):
            return 421, "The console answers to addresses and localhost only. Open the link that it printed."
        origin = headers.get("origin")
        is_reading = method in ("GET", "HEAD")
        if origin is not None and urlsplit(origin).netloc.lower() != host.lower():
            return 403, "This request comes from another site's page."
        if origin is None and not is_reading:
            return 403, "A request that changes something must say where it comes from (Origin)."
        # Opening the link in a window is all that another page may lead to.
        is_opening = is_reading and path == "/" and headers.get("sec-fetch-mode", "navigate") == "navigate"
        if headers.get("sec-fetch-site", "none") not in ("none", "same-origin") and not is_opening:
            return 403, "This request comes from another site's page."
        if not any(secrets.compare_digest(known, self._token.encode()) for known in _tokens(headers, query_token)):
            return 401, "The console's token is missing. Open the link that sb3-isr console printed."
        if int(headers.get("content-length", "0") or 0) > MAX_BODY:
            return 413, f"A request may have {MAX_BODY} bytes."
        return 0, ""


class TooLargeError(Exception):
    """Says that a request's body is larger than allowed."""


def _limited(receive: Receive) -> Receive:
    """Stop a body that does not say its length, and is too long."""
    n_bytes = 0

    async def limited() -> Message:
        nonlocal n_bytes
        message = await receive()
        n_bytes += len(message.get("body", b""))
        if n_bytes > MAX_BODY:
            raise TooLargeError
        return message

    return limited


def _tokens(headers: Headers, query_token: str) -> list[bytes]:
    tokens = [query_token.encode()]
    try:
        cookie = SimpleCookie(headers.get("cookie", "")).get(COOKIE)
    except CookieError:
        cookie = None
    return tokens if cookie is None else [*tokens, cookie.value.encode()]


def _is_own_name(host: str) -> bool:
    try:
        name = urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return False
    if name in ("localhost", socket.gethostname().lower()):
        return True
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
