"""A model hub on this machine: the paths and answers that a pull asks for, with faults on demand."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

COMMIT = "0123456789abcdef0123456789abcdef01234567"
LARGE = 1000
"""Files from this size on are listed as large files with a SHA-256, the others with git's digest."""


@dataclass
class Hub:
    """What the hub serves, and what it was asked for.

    ``redirect`` is where files are said to be: an address of another hub, or one that must not be followed. ``cut`` maps a
    path to how many bytes come before the connection breaks, once. ``listed`` overrides lines of a listing, ``served`` the
    bytes of a file. ``busy`` files are refused with 503 at first. ``page`` is how many files a page of the listing has.
    """

    files: dict[str, dict[str, bytes]] = field(default_factory=dict)
    served: dict[str, bytes] = field(default_factory=dict)
    listed: dict[str, dict[str, Any]] = field(default_factory=dict)
    extra: list[dict[str, Any]] = field(default_factory=list)
    cut: dict[str, int] = field(default_factory=dict)
    status: int = 200
    busy: int = 0
    ranges: bool = True
    redirect: str = ""
    page: int = 1000
    commit: str = COMMIT
    asked: list[str] = field(default_factory=list)
    sent: int = 0

    def lines(self, repo: str) -> list[dict[str, Any]]:
        """The listing of a repository."""
        found: list[dict[str, Any]] = [{"type": "directory", "path": "transformer", "size": 0, "oid": "0" * 40}]
        for path, content in sorted(self.files[repo].items()):
            blob = hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
            line: dict[str, Any] = {"type": "file", "path": path, "size": len(content), "oid": blob}
            if len(content) >= LARGE:
                line["lfs"] = {"oid": hashlib.sha256(content).hexdigest(), "size": len(content), "pointerSize": 134}
            found.append({**line, **self.listed.get(path, {})})
        return found + self.extra


def _handler(hub: Hub) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, format: str, *arguments: object) -> None:
            pass

        def do_GET(self) -> None:
            address = urlsplit(self.path)
            path = unquote(address.path)
            hub.asked.append(f"{path} {self.headers.get('Range', '')}".strip())
            if hub.status != 200:
                self.answer(hub.status, b"no")
            elif hub.busy and "/resolve/" in path:
                hub.busy -= 1
                self.answer(503, b"busy")
            elif hub.redirect and "/resolve/" in path:
                follow = path if hub.redirect.startswith("http") else ""
                self.answer(302, b"", {"Location": hub.redirect + follow})
            elif path.startswith("/api/models/"):
                self.tell(path.removeprefix("/api/models/"), parse_qs(address.query))
            else:
                self.give(path)

        def tell(self, path: str, query: dict[str, list[str]]) -> None:
            owner, name, what, revision = path.split("/")
            repo = f"{owner}/{name}"
            if repo not in hub.files or (what == "tree" and revision != hub.commit):
                self.answer(404, b"{}")
            elif what == "revision":
                self.answer(200, json.dumps({"id": repo, "sha": hub.commit}).encode())
            else:
                lines, start = hub.lines(repo), int(query.get("cursor", ["0"])[0])
                shown, more = lines[start : start + hub.page], start + hub.page < len(lines)
                following = (
                    f"<{hub_address(self)}{self.path.partition('?')[0]}?recursive=true&cursor={start + hub.page}>"
                )
                headers = {"Link": f'{following}; rel="next"'} if more else {}
                self.answer(200, json.dumps(shown).encode(), headers)

        def give(self, path: str) -> None:
            owner, name, _, _, file = path.lstrip("/").split("/", 4)
            content = hub.served.get(file, hub.files.get(f"{owner}/{name}", {}).get(file))
            if content is None:
                self.answer(404, b"no")
                return
            start, headers, status = 0, {}, 200
            if hub.ranges and (wanted := self.headers.get("Range")):
                start, status = int(wanted.removeprefix("bytes=").rstrip("-")), 206
                headers["Content-Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
            self.answer(status, content[start:], headers, hub.cut.pop(file, None))

        def answer(
            self, status: int, body: bytes, headers: dict[str, str] | None = None, cut: int | None = None
        ) -> None:
            self.send_response(status)
            for key, value in (headers or {}).items():
                self.send_header(key, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body[:cut])
            hub.sent += len(body[:cut])
            if cut is not None:
                self.close_connection = True

    return Handler


def hub_address(handler: BaseHTTPRequestHandler) -> str:
    """The address under which the server was reached."""
    return f"http://{handler.headers['Host']}"


@contextmanager
def serving(hub: Hub) -> Iterator[str]:
    """Serves the hub on a free port and yields its address."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(hub))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
