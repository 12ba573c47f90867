"""Ways to a console: another port, as ``ssh -L`` makes it, and another site's page."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import BaseRequestHandler, TCPServer, ThreadingMixIn, ThreadingTCPServer
from threading import Thread


@contextmanager
def tunnel(port: int) -> Iterator[int]:
    """Pass connections on to a port, as ``ssh -L`` does: the other port."""

    class Pass(BaseRequestHandler):
        def handle(self) -> None:
            with socket.create_connection(("127.0.0.1", port)) as there:
                back = Thread(target=_copy, args=(there, self.request), daemon=True)
                back.start()
                _copy(self.request, there)
                back.join()

    with _served(ThreadingTCPServer(("127.0.0.1", 0), Pass)) as other:
        yield other


@contextmanager
def site(page: str) -> Iterator[int]:
    """Serve another site's page: its port."""

    class Page(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(page.encode())

        def log_message(self, *_: object) -> None:
            pass

    with _served(ThreadingHTTPServer(("127.0.0.1", 0), Page)) as port:
        yield port


@contextmanager
def _served(server: TCPServer) -> Iterator[int]:
    assert isinstance(server, ThreadingMixIn)
    server.daemon_threads, server.block_on_close = True, False
    thread = Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _copy(source: socket.socket, target: socket.socket) -> None:
    try:
        while data := source.recv(2**16):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)
    except OSError:
        pass  # the other side went away
