"""The studio's built files, read once: nothing of a request ever becomes a path."""

from __future__ import annotations

import hashlib
import mimetypes
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from importlib.resources.abc import Traversable

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.types import Receive, Scope, Send

from photoplay.service.api import problems

INDEX = "index.html"
FOREVER = "public, max-age=31536000, immutable"
ASK_AGAIN = "no-cache"
MISSING = """<!doctype html><html lang="en"><meta charset="utf-8"><title>photoplay</title>
<h1>The studio is not in this installation</h1>
<p>The API works: see <a href="/openapi.json">/openapi.json</a>. To have the studio's page as well, install photoplay from
its wheel, or build it with <code>make web</code>.</p></html>
"""
TYPES = {".js": "text/javascript", ".webmanifest": "application/manifest+json", ".woff2": "font/woff2"}


@dataclass(frozen=True)
class Page:
    """One built file."""

    body: bytes
    media_type: str
    etag: str
    hashed: bool


def read_studio(folder: Traversable | None = None) -> dict[str, Page]:
    """The files of a folder by their address, ``photoplay/service/web`` by default; none if it is missing."""
    folder = folder or files("photoplay.service") / "web"
    found: dict[str, Page] = {}

    def gather(at: Traversable, prefix: str) -> None:
        for entry in sorted(at.iterdir(), key=lambda one: one.name):
            if entry.is_dir():
                gather(entry, f"{prefix}{entry.name}/")
            elif not entry.name.endswith((".py", ".pyc", ".map")):
                found[prefix + entry.name] = _page(entry, prefix)

    if folder.is_dir():
        gather(folder, "")
    return found


def _page(entry: Traversable, prefix: str) -> Page:
    body = entry.read_bytes()
    ending = entry.name[entry.name.rfind(".") :]
    kind = TYPES.get(ending) or mimetypes.guess_type(entry.name)[0] or "application/octet-stream"
    if kind.startswith("text/"):
        kind += "; charset=utf-8"
    return Page(body, kind, f'"{hashlib.sha256(body).hexdigest()[:32]}"', prefix.startswith("assets/"))


class Studio:
    """Answers every address that is not the API's: a built file, or the page, which knows its own addresses."""

    def __init__(self, pages: Mapping[str, Page]) -> None:
        self.pages = pages

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.answer(Request(scope))(scope, receive, send)

    def answer(self, request: Request) -> Response:
        """The answer to one request."""
        if request.method not in ("GET", "HEAD"):
            return problems.problem(405, *problems.HTTP_CODES[405], {"allow": "GET, HEAD"})
        path = request.scope["path"].lstrip("/")
        if INDEX not in self.pages and "." not in path:
            return HTMLResponse(MISSING, 200 if not path else 404)
        page = self.pages.get(path)
        if page is None:
            if "." in path.rsplit("/", 1)[-1] or path.startswith("assets/"):
                return problems.nowhere()
            page = self.pages[INDEX]
        headers = {"etag": page.etag, "cache-control": FOREVER if page.hashed else ASK_AGAIN}
        if page.etag in request.headers.get("if-none-match", ""):
            return Response(status_code=304, headers=headers)
        return Response(page.body if request.method == "GET" else b"", 200, headers, page.media_type)
