"""What the studio's tests stand on: a server in a thread, a browser, and pages that watch themselves."""

from __future__ import annotations

import socket
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import uvicorn
from playwright.sync_api import Browser, ConsoleMessage, Page, Request
from playwright.sync_api import Error as PlaywrightError

PHONE = {"width": 390, "height": 844}
DESKTOP = {"width": 1280, "height": 800}
PATIENCE_MS = 45_000.0
"""Other tests may run beside these on the same cores."""


@contextmanager
def serving(app: Any) -> Iterator[str]:
    """Serves an app on a free port of this machine, in a thread of its own."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        server = uvicorn.Server(uvicorn.Config(app, log_level="warning", timeout_graceful_shutdown=1))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
        thread.start()
        until = time.monotonic() + 20
        while not server.started:
            if time.monotonic() > until:
                raise TimeoutError("the server did not start")
            time.sleep(0.01)
        try:
            yield f"http://127.0.0.1:{port}"
        finally:
            server.should_exit = True
            thread.join(10)


@dataclass
class Watched:
    """A page, and everything that should not happen on it."""

    page: Page
    base: str
    strange: list[str] = field(default_factory=list)
    requests: Counter[str] = field(default_factory=Counter)

    def tells(self) -> str:
        """What somebody who looks at a failed test wants to know: where the page is, what it says, what it asked for."""
        try:
            says = self.page.locator("body").inner_text(timeout=5000)
        except PlaywrightError as error:
            says = f"(no answer: {error.message.splitlines()[0]})"
        asked = ", ".join(f"{count} x {what}" for what, count in self.requests.most_common(8))
        return f"At {self.page.url}\nIt says: {says[:1500]}\nIt asked: {asked}\nStrange: {self.strange}"

    def check(self) -> None:
        """Nothing went elsewhere, nothing was said on the console, nothing broke the policy."""
        assert not self.strange, self.strange


OPEN: list[Watched] = []
"""The pages that are open now."""


@contextmanager
def opened(browser: Browser, base: str, **context: Any) -> Iterator[Watched]:
    """A page in a context of its own, which notes every request that would leave the base's origin.

    Requests are watched and not intercepted: an intercepted one can stay paused for good, and the page with it.
    """
    settings: dict[str, Any] = {"viewport": DESKTOP, "locale": "en-GB", "reduced_motion": "no-preference", **context}
    made = browser.new_context(**settings)
    made.set_default_timeout(PATIENCE_MS)
    page = made.new_page()
    watched = Watched(page, base)

    def asked(request: Request) -> None:
        watched.requests[f"{request.method} {request.url.removeprefix(base)}"] += 1
        if not request.url.startswith((f"{base}/", "blob:", "data:")):
            watched.strange.append(f"went elsewhere: {request.url}")

    def console(message: ConsoleMessage) -> None:
        expected = "Failed to load resource" in message.text  # a refusal that a test asks for
        if message.type in ("error", "warning") and not expected:
            watched.strange.append(f"{message.type}: {message.text}")

    made.on("request", asked)  # of every page that this one may open, too
    page.on("console", console)
    page.on("pageerror", lambda error: watched.strange.append(f"broke: {error}"))
    OPEN.append(watched)
    try:
        yield watched
    except Exception as error:
        error.add_note(watched.tells())
        raise
    finally:
        OPEN.remove(watched)
        made.close()
