"""A receiver of webhooks on loopback, which notes what it hears and answers as it is told."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

Heard = tuple[str, dict[str, str], str]
"""Path, headers (small letters) and body of a request."""


@dataclass
class Receiver:
    """``answers`` are the statuses of the next requests, then 200; ``drip``: seconds between the bytes of an answer."""

    port: int = 0
    answers: list[int] = field(default_factory=list)
    drip: float = 0.0
    heard: list[Heard] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook"


@contextmanager
def receiving() -> Iterator[Receiver]:
    """A receiver that ends with the block."""
    receiver = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"])).decode()
            receiver.heard.append((self.path, {name.lower(): value for name, value in self.headers.items()}, body))
            status = receiver.answers.pop(0) if receiver.answers else 200
            head = f"HTTP/1.1 {status} Said\r\nlocation: {receiver.url}/elsewhere\r\ncontent-length: 0\r\n\r\n"
            for byte in head.encode() if receiver.drip else ():
                try:
                    self.wfile.write(bytes([byte]))
                except OSError:
                    return
                time.sleep(receiver.drip)
            if not receiver.drip:
                self.wfile.write(head.encode())

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    receiver.port = server.server_address[1]
    thread = Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield receiver
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
